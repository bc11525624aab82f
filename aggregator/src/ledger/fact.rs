//! What one record of the log says, in the words of the ledger: who, when, which bed or device.
//!
//! A fact is what the shell stores and what `Ledger::apply` takes; it is complete, so a ledger can be rebuilt from
//! stored facts alone. It holds pseudonyms, places and times, never a person. Its storage key is a function of the
//! fact, unique, and ordered within one agent's life as the agent numbered its events.

use std::fmt;

use serde::{Deserialize, Serialize};
use wardline_api::DeviceState;

use crate::limits::{CLOCK_AHEAD_MS, IMPLAUSIBLE_AHEAD_MS};

/// One log record's content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// The `event-id` header: agent/incarnation/seq, optionally with `.part`.
    pub id: String,
    pub site: String,
    /// site/topic/partition/offset of the record that said it.
    pub origin: String,
    /// `name@version` of the mapping that made the record.
    pub mapping: String,
    /// `ADT^A02`, or `mqtt`.
    pub event_type: String,
    pub event_ms: i64,
    /// Length of the interval that the event time names: 1 for a millisecond, 60000 for a minute.
    pub precision_ms: i64,
    /// Whether the event time is EVN-6; only then a cancel names its target by time.
    pub from_evn6: bool,
    pub recorded_ms: i64,
    /// When the agent took it in.
    pub received_ms: i64,
    /// How far the sender's clock was ahead of the agent that took the message in, where that is beyond doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
    /// MSH-10.
    pub control_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hash: Option<String>,
    /// Which of several records of one message; 0 when it gave rise to one only.
    #[serde(default)]
    pub part: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    pub subject: Subject,
}

/// What the fact is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Visit(VisitSays),
    Bed(BedSays),
    Device(DeviceSays),
    /// Understood, and about no visit, bed or device.
    Nothing,
}

/// What an event says about one visit. All pseudonyms.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VisitSays {
    pub visit: String,
    /// MRG-5: the visit that goes on under this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
    /// PV1-3, whether or not anybody is there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Place>,
    /// PV1-6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Place>,
    /// PV1-42.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Place>,
    /// PV1-2 as the v3 code of the record: IMP, AMB, EMER, PRENC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// A report about a bed itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BedSays {
    pub bed: String,
    pub condition: Condition,
}

/// A report of a device about itself, or a sign of life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceSays {
    pub device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// As the topic names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// `state`, `battery`, `location`; anything else is a sign of life only.
    pub metric: String,
    pub value: DeviceValue,
    /// The device's own counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// The value of a device's metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceValue {
    State(DeviceState),
    /// Charge in thousandths of a percent, so that equal values are equal.
    Battery(i64),
    Location(Place),
    /// A measurement arrived; what it measured is not kept.
    Heard,
}

/// What a bed is said to be like, apart from who is in it (HL7 table 0116, and `cleaning`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    Unoccupied,
    Housekeeping,
    Closed,
    Contaminated,
    Isolated,
    Cleaning,
    /// Confirms that somebody is in the bed; says nothing about its condition.
    Occupied,
}

impl Condition {
    /// From a code of table 0116, or `cleaning`.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code.trim() {
            "U" => Self::Unoccupied,
            "H" => Self::Housekeeping,
            "C" => Self::Closed,
            "K" => Self::Contaminated,
            "I" => Self::Isolated,
            "O" => Self::Occupied,
            word if word.eq_ignore_ascii_case("cleaning") => Self::Cleaning,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unoccupied => "unoccupied",
            Self::Housekeeping => "housekeeping",
            Self::Closed => "closed",
            Self::Contaminated => "contaminated",
            Self::Isolated => "isolated",
            Self::Cleaning => "cleaning",
            Self::Occupied => "occupied",
        }
    }
}

/// A person location: point of care, room, bed, as far as they are valued. A bed only when all three are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(String);

impl Place {
    /// `None` when no component is valued. More than three components are cut off: they do not name another bed.
    pub fn new(text: &str) -> Option<Self> {
        let mut parts: Vec<&str> = text.split('^').take(3).map(str::trim).collect();
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        (!parts.is_empty()).then(|| Self(parts.join("^")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bed it names, if it names one.
    pub fn bed(&self) -> Option<&str> {
        let mut parts = 0;
        for part in self.0.split('^') {
            if part.is_empty() {
                return None;
            }
            parts += 1;
        }
        (parts == 3).then_some(self.as_str())
    }

    /// Its first component, if valued.
    pub fn point_of_care(&self) -> Option<&str> {
        self.0.split('^').next().filter(|part| !part.is_empty())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The flag of a time that is ahead of when it was received.
const CLOCK_AHEAD: &str = "clock-ahead";

impl Fact {
    /// B39, D7: no time that is ahead of when it was received decides what comes after it. A device's time counts as
    /// received, also an ADT time that is more than a day ahead; one that is ahead by less stands, flagged.
    pub(crate) fn checked(mut self) -> Self {
        let ahead_ms = self.event_ms.saturating_sub(self.received_ms);
        if ahead_ms <= CLOCK_AHEAD_MS {
            return self;
        }
        self.clock_ahead_ms = Some(ahead_ms);
        if matches!(self.subject, Subject::Device(_)) || ahead_ms > IMPLAUSIBLE_AHEAD_MS {
            self.event_ms = self.received_ms;
        }
        if !self.flags.iter().any(|flag| flag == CLOCK_AHEAD) {
            self.flags.push(CLOCK_AHEAD.to_owned());
        }
        self
    }

    /// Storage key: `visit/…`, `bed/…` or `device/…`, then site and event id with the numbers padded so that the
    /// keys of one agent's life sort as it numbered them.
    pub fn key(&self) -> String {
        let kind = match &self.subject {
            Subject::Visit(_) => "visit",
            Subject::Bed(_) => "bed",
            Subject::Device(_) => "device",
            Subject::Nothing => "nothing",
        };
        storage_key(kind, &self.site, &self.id)
    }
}

pub(crate) fn storage_key(kind: &str, site: &str, id: &str) -> String {
    let Some((life, number)) = id.rsplit_once('/') else {
        return format!("{kind}/{site}/{id}");
    };
    let (seq, part) = number.split_once('.').unwrap_or((number, ""));
    if part.is_empty() {
        format!("{kind}/{site}/{life}/{seq:0>20}")
    } else {
        format!("{kind}/{site}/{life}/{seq:0>20}.{part:0>5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_a_bed_has_all_three_components() {
        for (text, place, bed, unit) in [
            ("ICU^1^2", "ICU^1^2", Some("ICU^1^2"), Some("ICU")),
            (" ICU ^1^ 2^^^X", "ICU^1^2", Some("ICU^1^2"), Some("ICU")),
            ("ED^^", "ED", None, Some("ED")),
            ("ED", "ED", None, Some("ED")),
            ("ICU^1", "ICU^1", None, Some("ICU")),
            ("^1^2", "^1^2", None, None),
            ("ICU^^2", "ICU^^2", None, Some("ICU")),
        ] {
            let got = Place::new(text).unwrap();
            assert_eq!(
                (got.as_str(), got.bed(), got.point_of_care()),
                (place, bed, unit),
                "{text}"
            );
        }
        assert_eq!(Place::new("^^"), None);
        assert_eq!(Place::new(""), None);
    }

    #[test]
    fn storage_keys_sort_as_the_agent_numbered() {
        let keys: Vec<String> = ["a/00/9", "a/00/10", "a/00/10.1", "a/00/10.2", "a/00/100"]
            .iter()
            .map(|id| storage_key("visit", "s", id))
            .collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }
}
