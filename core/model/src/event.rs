//! One event: what a device said, who it is for ever, and what the agent knew about time when it came.
//!
//! Identity is given once, at the first write to the agent's disk: agent, incarnation, sequence number.
//! An incarnation is one life of the agent's store; a lost or replaced store starts a new one, so numbers
//! of an old life are never mistaken for new ones.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::loss::LossRecord;
use crate::names::AgentName;

/// One life of an agent's store: 64 random bits, printed as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Incarnation {
    type Err = EventIdError;

    fn from_str(s: &str) -> Result<Self, EventIdError> {
        if s.len() != 16 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(EventIdError(s.chars().take(80).collect()));
        }
        u64::from_str_radix(s, 16)
            .map(Incarnation)
            .map_err(|_| EventIdError(s.to_owned()))
    }
}

impl TryFrom<String> for Incarnation {
    type Error = EventIdError;

    fn try_from(s: String) -> Result<Self, EventIdError> {
        s.parse()
    }
}

impl From<Incarnation> for String {
    fn from(i: Incarnation) -> String {
        i.to_string()
    }
}

/// Who an event is: `agent/incarnation/seq`, or `agent/incarnation/seq.part` for one of several records
/// that a single event gave rise to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    pub agent: AgentName,
    pub incarnation: Incarnation,
    pub seq: u64,
    pub part: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event id: agent/incarnation/seq, optionally with .part")]
pub struct EventIdError(pub String);

impl EventId {
    pub fn new(agent: AgentName, incarnation: Incarnation, seq: u64) -> Self {
        Self {
            agent,
            incarnation,
            seq,
            part: None,
        }
    }

    pub fn with_part(&self, part: u16) -> Self {
        Self {
            part: Some(part),
            ..self.clone()
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.agent, self.incarnation, self.seq)?;
        match self.part {
            Some(part) => write!(f, ".{part}"),
            None => Ok(()),
        }
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(s: &str) -> Result<Self, EventIdError> {
        let bad = || EventIdError(s.chars().take(80).collect());
        let mut parts = s.split('/');
        let (Some(agent), Some(incarnation), Some(tail), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        let (seq, part) = match tail.split_once('.') {
            Some((seq, part)) => (seq, Some(part.parse().map_err(|_| bad())?)),
            None => (tail, None),
        };
        Ok(Self {
            agent: AgentName::new(agent).map_err(|_| bad())?,
            incarnation: incarnation.parse()?,
            seq: seq.parse().map_err(|_| bad())?,
            part,
        })
    }
}

/// What is kept when there is no room for everything: alarms before states before telemetry.
/// Loss records rank with alarms, because they are the proof of what happened to the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Alarm,
    State,
    Telemetry,
}

impl Class {
    pub fn code(self) -> u8 {
        match self {
            Class::Alarm => 1,
            Class::State => 2,
            Class::Telemetry => 3,
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Class::Alarm),
            2 => Some(Class::State),
            3 => Some(Class::Telemetry),
            _ => None,
        }
    }

    /// The class of a device's message by the last level of its topic. What is not known is telemetry.
    pub fn of_topic(topic: &str) -> Self {
        match topic.rsplit('/').next() {
            Some("alarm") => Class::Alarm,
            Some("state" | "battery" | "location") => Class::State,
            _ => Class::Telemetry,
        }
    }
}

/// When the agent took the event in: wall time, monotonic time within one boot, and how far off the wall
/// time may be. Kept apart so that a clock that was wrong can be corrected later without losing the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    pub wall_ms: i64,
    pub mono_ms: u64,
    /// First 64 bits of the kernel's boot id.
    pub boot: u64,
    /// Upper bound of the wall clock's error; `u32::MAX` when nothing is known.
    pub uncertainty_ms: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub class: Class,
    pub stamp: Stamp,
    /// MQTT client id or peer address: for people who trace, never interpreted.
    pub source: String,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Mqtt {
        topic: String,
        payload: Bytes,
        retain: bool,
        /// Published by the listener in the name of a client that vanished.
        will: bool,
    },
    /// One HL7 v2 message as received, without MLLP framing. `understood` is what the agent answered:
    /// true for AA/CA, false when it kept bytes it could not read (AE/CE).
    Hl7 { raw: Bytes, understood: bool },
    /// The agent speaking about itself: incarnation started, events evicted.
    Loss(LossRecord),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_round_trip() {
        let id = EventId::new(AgentName::new("gw-1").unwrap(), Incarnation(0xab), 7);
        assert_eq!(id.to_string(), "gw-1/00000000000000ab/7");
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        let part = id.with_part(2);
        assert_eq!(part.to_string(), "gw-1/00000000000000ab/7.2");
        assert_eq!(part.to_string().parse::<EventId>().unwrap(), part);
    }

    #[test]
    fn event_ids_refuse_what_they_are_not() {
        for bad in [
            "",
            "a/b",
            "gw/00000000000000ab/x",
            "gw/ab/1",
            "GW/00000000000000ab/1",
            "g/00000000000000ab/1/2",
            "g/00000000000000ab/1.x",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn class_by_topic() {
        assert_eq!(Class::of_topic("devices/icu/pump-7/state"), Class::State);
        assert_eq!(Class::of_topic("devices/icu/pump-7/alarm"), Class::Alarm);
        assert_eq!(
            Class::of_topic("devices/icu/mon-1/heart_rate"),
            Class::Telemetry
        );
        assert!(Class::Alarm < Class::Telemetry);
    }
}
