//! A record of the topic `sideline`: what could not be taken over, as it came, why, and all that is needed to try again.
//!
//! One type for its three writers (the mapping, the transform and ingest, both for frames) and its readers (replay and
//! the query API). Kept true: the raw bytes are the value and stand nowhere else, so no header repeats a message;
//! the headers have one order; a cut value says how long it was. docs/specs/fhir-records.md FR20 to FR26.

use std::borrow::Cow;

use bytes::Bytes;

use crate::event::{Body, Class, Event, EventId, Stamp};
use crate::limits::{
    SIDELINE_DETAIL_CHARS_MAX, SIDELINE_HEADER_BYTES_MAX, SIDELINE_RAW_BYTES_MAX, SOURCE_BYTES_MAX,
    TOPIC_BYTES_MAX,
};
use crate::record::{AGENT, EVENT_ID, KIND, MAPPING, RECEIVED, SITE};
use crate::time::{parse_rfc3339, rfc3339};

const CAUSE: &str = "cause";
const WHERE: &str = "where";
const RULE: &str = "rule";
const DETAIL: &str = "detail";
const CLASS: &str = "class";
const SOURCE: &str = "source";
const UNDERSTOOD: &str = "understood";
const MQTT_TOPIC: &str = "mqtt-topic";
const MQTT_RETAIN: &str = "mqtt-retain";
const FRAME_HASH: &str = "frame-hash";
const CUT_FROM: &str = "cut-from";
/// How often the event was tried again: on sideline records, and on `fhir.*` records that came of a replay.
pub const RETRIED: &str = "retried";
/// On a record of `retry`: which sideline record it repeats.
pub const SIDELINE_ID: &str = "sideline-id";

const KIND_HL7: &str = "hl7";
const KIND_MQTT: &str = "mqtt";
const KIND_FRAME: &str = "frame";

/// Why something was set aside, and where in it. `detail` is for people and never repeats what the bytes hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// A stable code, such as `hl7-no-visit`.
    pub cause: Cow<'static, str>,
    /// A segment or field, a JSON path, `frame` or `headers`.
    pub place: Cow<'static, str>,
    /// The number of a rule in docs/specs.
    pub rule: Cow<'static, str>,
    pub detail: String,
}

impl Reason {
    pub fn new(
        cause: &'static str,
        place: impl Into<Cow<'static, str>>,
        rule: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            cause: cause.into(),
            place: place.into(),
            rule: rule.into(),
            detail: detail.into(),
        }
    }
}

/// What the raw bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawKind {
    Hl7 {
        class: Class,
        source: String,
        /// Whether the agent answered AA.
        understood: bool,
    },
    Mqtt {
        class: Class,
        source: String,
        topic: String,
        retain: bool,
    },
    /// A whole frame. Ingest knows it again by its hash.
    Frame { agent: String, hash: Option<String> },
    /// Not one of ours, as it was called.
    Unknown(String),
}

/// A header that would be empty is left out; one that is missing reads as empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidelineRecord {
    /// `agent/incarnation/seq`; of a frame its first event.
    pub event_id: String,
    pub why: Reason,
    /// `name@version`.
    pub mapping: String,
    pub site: String,
    pub received_ms: Option<i64>,
    pub kind: RawKind,
    pub retried: u64,
    /// The length before the value was cut.
    pub cut_from: Option<u64>,
    /// As it came; `None` in a record that somebody else wrote.
    pub raw: Option<Bytes>,
}

/// Why a sideline record cannot be mapped again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("header {0} is missing or not valid")]
    Header(&'static str),
    #[error("its kind is not hl7 or mqtt")]
    Kind,
    #[error("its raw bytes were cut, so they cannot be mapped")]
    Cut,
    #[error("it has no value")]
    NoValue,
}

impl SidelineRecord {
    /// `None` for an agent's own loss records, which are never mapped.
    pub fn of_event(
        event: &Event,
        id: &EventId,
        site: &str,
        mapping: &str,
        why: Reason,
    ) -> Option<Self> {
        let (class, source) = (event.class, event.source.clone());
        let (kind, raw) = match &event.body {
            Body::Hl7 { raw, understood } => {
                let understood = *understood;
                let kind = RawKind::Hl7 {
                    class,
                    source,
                    understood,
                };
                (kind, raw)
            }
            Body::Mqtt {
                topic,
                payload,
                retain,
                ..
            } => {
                let kind = RawKind::Mqtt {
                    class,
                    source,
                    topic: topic.clone(),
                    retain: *retain,
                };
                (kind, payload)
            }
            Body::Loss(_) => return None,
        };
        Some(Self {
            event_id: id.to_string(),
            why,
            mapping: mapping.to_owned(),
            site: site.to_owned(),
            received_ms: Some(event.stamp.wall_ms),
            kind,
            retried: 0,
            cut_from: None,
            raw: Some(raw.clone()),
        })
    }

    /// The agent: the record's key, so that what one agent sent stays in order.
    pub fn agent(&self) -> Option<&str> {
        let of_id = self.event_id.split('/').next();
        match &self.kind {
            RawKind::Frame { agent, .. } => Some(agent.as_str()),
            _ => of_id,
        }
        .filter(|agent| !agent.is_empty())
    }

    /// Headers and value, as they are appended.
    pub fn into_parts(self) -> (Vec<(&'static str, Bytes)>, Bytes) {
        let mut headers = Headers(Vec::with_capacity(16));
        let detail: String = self
            .why
            .detail
            .chars()
            .take(SIDELINE_DETAIL_CHARS_MAX)
            .collect();
        headers.push(EVENT_ID, self.event_id);
        headers.push(CAUSE, self.why.cause);
        headers.push(WHERE, self.why.place);
        headers.push(RULE, self.why.rule);
        headers.push(MAPPING, self.mapping);
        headers.push(DETAIL, detail);
        headers.push(RECEIVED, self.received_ms.map(rfc3339).unwrap_or_default());
        headers.push(SITE, self.site);
        headers.push_kind(self.kind);
        headers.push_number(RETRIED, Some(self.retried).filter(|times| *times > 0));
        let raw = self.raw.unwrap_or_default();
        let full = raw.len();
        let raw = raw.slice(..full.min(SIDELINE_RAW_BYTES_MAX));
        let cut = (full > raw.len()).then_some(full as u64);
        headers.push_number(CUT_FROM, self.cut_from.or(cut));
        (headers.0, raw)
    }

    /// Reads what `into_parts` wrote; of what somebody else wrote, as much as is there.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, value: Option<&Bytes>) -> Self {
        let text = |name| header(name).unwrap_or_default().to_owned();
        let flag = |name| header(name) == Some("true");
        let number = |name| header(name).and_then(|n| n.parse::<u64>().ok());
        let class = match header(CLASS) {
            Some("alarm") => Class::Alarm,
            Some("telemetry") => Class::Telemetry,
            _ => Class::State,
        };
        let source = text(SOURCE);
        let kind = match header(KIND) {
            Some(KIND_HL7) => RawKind::Hl7 {
                class,
                source,
                understood: flag(UNDERSTOOD),
            },
            Some(KIND_MQTT) => RawKind::Mqtt {
                class,
                source,
                topic: text(MQTT_TOPIC),
                retain: flag(MQTT_RETAIN),
            },
            Some(KIND_FRAME) => RawKind::Frame {
                agent: text(AGENT),
                hash: header(FRAME_HASH).map(str::to_owned),
            },
            other => RawKind::Unknown(other.unwrap_or_default().to_owned()),
        };
        Self {
            event_id: text(EVENT_ID),
            why: Reason {
                cause: text(CAUSE).into(),
                place: text(WHERE).into(),
                rule: text(RULE).into(),
                detail: text(DETAIL),
            },
            mapping: text(MAPPING),
            site: text(SITE),
            received_ms: header(RECEIVED).and_then(parse_rfc3339),
            kind,
            retried: number(RETRIED).unwrap_or(0),
            cut_from: number(CUT_FROM),
            raw: value.cloned(),
        }
    }

    /// The event as it was, to be mapped again. What the agent answered on the day does not count: today's mapping
    /// decides.
    pub fn event(&self) -> Result<(EventId, Event), ReplayError> {
        let id: EventId = self
            .event_id
            .parse()
            .map_err(|_| ReplayError::Header(EVENT_ID))?;
        if self.cut_from.is_some() {
            return Err(ReplayError::Cut);
        }
        let wall_ms = self.received_ms.ok_or(ReplayError::Header(RECEIVED))?;
        let raw = self.raw.clone().ok_or(ReplayError::NoValue)?;
        let (class, source, body) = match &self.kind {
            RawKind::Hl7 { class, source, .. } => {
                let understood = true;
                (*class, source, Body::Hl7 { raw, understood })
            }
            // Bounds that an agent keeps; a record that somebody else wrote need not.
            RawKind::Mqtt { topic, .. } if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX => {
                return Err(ReplayError::Header(MQTT_TOPIC));
            }
            RawKind::Mqtt {
                class,
                source,
                topic,
                retain,
            } => {
                let body = Body::Mqtt {
                    topic: topic.clone(),
                    payload: raw,
                    retain: *retain,
                    will: false,
                };
                (*class, source, body)
            }
            RawKind::Frame { .. } | RawKind::Unknown(_) => return Err(ReplayError::Kind),
        };
        if source.len() > SOURCE_BYTES_MAX {
            return Err(ReplayError::Header(SOURCE));
        }
        let stamp = Stamp {
            wall_ms,
            ..Stamp::default()
        };
        let event = Event {
            class,
            stamp,
            source: source.clone(),
            body,
        };
        Ok((id, event))
    }
}

struct Headers(Vec<(&'static str, Bytes)>);

impl Headers {
    fn push(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        let value = match value.into() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            // Others may have written more than ours are long.
            Cow::Owned(mut text) => {
                text.truncate(text.floor_char_boundary(SIDELINE_HEADER_BYTES_MAX));
                Bytes::from(text)
            }
        };
        if !value.is_empty() {
            self.0.push((name, value));
        }
    }

    fn push_number(&mut self, name: &'static str, value: Option<u64>) {
        self.push(name, value.map(|n| n.to_string()).unwrap_or_default());
    }

    fn push_sender(&mut self, kind: &'static str, class: Class, source: String) {
        let class = match class {
            Class::Alarm => "alarm",
            Class::State => "state",
            Class::Telemetry => "telemetry",
        };
        self.push(KIND, kind);
        self.push(CLASS, class);
        self.push(SOURCE, source);
    }

    fn push_kind(&mut self, kind: RawKind) {
        let flag = |yes| if yes { "true" } else { "false" };
        match kind {
            RawKind::Hl7 {
                class,
                source,
                understood,
            } => {
                self.push_sender(KIND_HL7, class, source);
                self.push(UNDERSTOOD, flag(understood));
            }
            RawKind::Mqtt {
                class,
                source,
                topic,
                retain,
            } => {
                self.push_sender(KIND_MQTT, class, source);
                self.push(MQTT_TOPIC, topic);
                self.push(MQTT_RETAIN, flag(retain));
            }
            RawKind::Frame { agent, hash } => {
                self.push(KIND, KIND_FRAME);
                self.push(AGENT, agent);
                self.push(FRAME_HASH, hash.unwrap_or_default());
            }
            RawKind::Unknown(kind) => self.push(KIND, kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentName, Incarnation};

    fn read(record: SidelineRecord) -> SidelineRecord {
        let (headers, value) = record.into_parts();
        let header = |name: &str| {
            let found = headers.iter().find(|(have, _)| *have == name)?;
            std::str::from_utf8(&found.1).ok()
        };
        SidelineRecord::read(header, Some(&value))
    }

    fn sidelined(body: Body) -> (Event, SidelineRecord) {
        let stamp = Stamp {
            wall_ms: 1_772_355_600_000,
            ..Stamp::default()
        };
        let event = Event {
            class: Class::Alarm,
            stamp,
            source: "pump".to_owned(),
            body,
        };
        let id = EventId::new(AgentName::new("gw-1").unwrap(), Incarnation(7), 9);
        let why = Reason::new("json-ts", "$.ts", "J8", "missing");
        let record = SidelineRecord::of_event(&event, &id, "st-mary", "devices@1", why).unwrap();
        (event, record)
    }

    fn mqtt() -> Body {
        Body::Mqtt {
            topic: "devices/ICU/pump-7/state".to_owned(),
            payload: Bytes::from_static(b"{}"),
            retain: true,
            will: false,
        }
    }

    #[test]
    fn fr20_what_is_written_is_read_and_gives_the_event_again() {
        let hl7 = Body::Hl7 {
            raw: Bytes::from_static(b"MSH"),
            understood: true,
        };
        for body in [mqtt(), hl7] {
            let (event, record) = sidelined(body);
            assert_eq!(read(record.clone()), record);
            let (id, again) = record.event().unwrap();
            assert_eq!(id.to_string(), record.event_id);
            assert_eq!(again, event);
            assert_eq!(record.agent(), Some("gw-1"));
        }
    }

    #[test]
    fn fr26_a_cut_value_says_so_and_stays_cut() {
        let (_, mut record) = sidelined(mqtt());
        record.raw = Some(vec![7; SIDELINE_RAW_BYTES_MAX + 1].into());
        let cut = read(record);
        let full = Some(SIDELINE_RAW_BYTES_MAX as u64 + 1);
        assert_eq!(cut.cut_from, full);
        assert_eq!(cut.raw.as_ref().unwrap().len(), SIDELINE_RAW_BYTES_MAX);
        assert_eq!(read(cut.clone()), cut);
        assert_eq!(cut.event(), Err(ReplayError::Cut));
    }

    #[test]
    fn fr25_what_does_not_say_which_event_it_is_is_no_event() {
        let (_, good) = sidelined(mqtt());
        let with = |change: &dyn Fn(&mut SidelineRecord)| {
            let mut record = good.clone();
            change(&mut record);
            read(record).event().unwrap_err()
        };
        let header = ReplayError::Header;
        assert_eq!(with(&|r| r.event_id.clear()), header(EVENT_ID));
        assert_eq!(with(&|r| r.received_ms = None), header(RECEIVED));
        let none = SidelineRecord {
            raw: None,
            ..good.clone()
        };
        assert_eq!(none.event(), Err(ReplayError::NoValue));
        let unknown = |r: &mut SidelineRecord| r.kind = RawKind::Unknown("csv".to_owned());
        assert_eq!(with(&unknown), ReplayError::Kind);
        let long = SidelineRecord {
            kind: RawKind::Mqtt {
                class: Class::State,
                source: String::new(),
                topic: "x".repeat(TOPIC_BYTES_MAX + 1),
                retain: false,
            },
            ..good.clone()
        };
        assert_eq!(long.event(), Err(header(MQTT_TOPIC)));
        let (headers, _) = long.into_parts();
        assert!(
            headers
                .iter()
                .all(|(_, v)| v.len() <= SIDELINE_HEADER_BYTES_MAX)
        );
    }

    #[test]
    fn i12_a_frame_is_known_again() {
        let (_, mut record) = sidelined(mqtt());
        record.event_id.clear();
        record.kind = RawKind::Frame {
            agent: "gw-2".to_owned(),
            hash: Some("ab".to_owned()),
        };
        let again = read(record.clone());
        assert_eq!(again, record);
        assert_eq!(again.agent(), Some("gw-2"));
        assert_eq!(again.event(), Err(ReplayError::Header(EVENT_ID)));
    }
}
