//! What could not be mapped: the raw bytes, why, where, by which rule, and everything that is needed to map
//! them again after a fix. docs/specs/fhir-records.md R20.. has the numbered rules.
//!
//! Kept true: `detail` and all other headers hold no content of the message; that stands in the value alone,
//! which never leaves the site.

use std::borrow::Cow;

use bytes::Bytes;
use wardline_model::limits::{SOURCE_BYTES_MAX, TOPIC_BYTES_MAX};
use wardline_model::record as names;
use wardline_model::time::{parse_rfc3339, rfc3339};
use wardline_model::topic::SIDELINE;
use wardline_model::{Body, Class, Event, EventId, Stamp};

use super::mapped::{Headers, OutRecord, Refusal, push};
use crate::limits::{DETAIL_CHARS_MAX, SIDELINE_RAW_BYTES_MAX};

/// `hl7` or `mqtt`, in the header `kind`.
pub const KIND_HL7: &str = "hl7";
pub const KIND_MQTT: &str = "mqtt";
/// A whole frame that could not be unpacked.
pub const KIND_FRAME: &str = "frame";
pub const MQTT_TOPIC: &str = "mqtt-topic";
pub const MQTT_RETAIN: &str = "mqtt-retain";
pub const SOURCE: &str = "source";
pub const CLASS: &str = "class";
/// Whether the agent answered AA: `true` or `false`.
pub const UNDERSTOOD: &str = "understood";
/// The raw bytes were longer than a record may be: their real length.
pub const CUT_FROM: &str = "cut-from";
/// How often the event was tried again: on sideline records, and on `fhir.*` records that came of it.
pub const RETRIED: &str = "retried";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidelineRecord {
    pub id: EventId,
    pub cause: &'static str,
    pub place: Cow<'static, str>,
    pub rule: &'static str,
    pub mapping: String,
    pub detail: String,
    pub kind: &'static str,
    pub site: String,
    /// Headers that only some kinds have.
    pub more: Headers,
    pub received_ms: i64,
    pub raw: Bytes,
}

impl SidelineRecord {
    /// `None` for an agent's own ledger records, which are never mapped.
    pub fn of_event(
        event: &Event,
        id: &EventId,
        site: &str,
        mapping: &str,
        why: Refusal,
    ) -> Option<Self> {
        let mut more = Headers::new();
        let class = match event.class {
            Class::Alarm => "alarm",
            Class::State => "state",
            Class::Telemetry => "telemetry",
        };
        push(&mut more, CLASS, class);
        push(&mut more, SOURCE, event.source.clone());
        let (kind, raw) = match &event.body {
            Body::Hl7 { raw, understood } => {
                push(
                    &mut more,
                    UNDERSTOOD,
                    if *understood { "true" } else { "false" },
                );
                (KIND_HL7, raw.clone())
            }
            Body::Mqtt {
                topic,
                payload,
                retain,
                ..
            } => {
                push(&mut more, MQTT_TOPIC, topic.clone());
                push(
                    &mut more,
                    MQTT_RETAIN,
                    if *retain { "true" } else { "false" },
                );
                (KIND_MQTT, payload.clone())
            }
            Body::Ledger(_) => return None,
        };
        Some(Self {
            id: id.clone(),
            cause: why.cause,
            place: why.place,
            rule: why.rule,
            mapping: mapping.to_owned(),
            detail: why.detail.chars().take(DETAIL_CHARS_MAX).collect(),
            kind,
            site: site.to_owned(),
            more,
            received_ms: event.stamp.wall_ms,
            raw,
        })
    }

    /// Key = agent, so that the order of one agent's sidelined events is kept.
    pub fn into_output(self) -> OutRecord {
        let mut headers = Headers::with_capacity(14);
        push(&mut headers, names::EVENT_ID, self.id.to_string());
        push(&mut headers, names::CAUSE, self.cause);
        push(&mut headers, names::WHERE, self.place);
        push(&mut headers, names::RULE, self.rule);
        push(&mut headers, names::MAPPING, self.mapping);
        push(&mut headers, names::DETAIL, self.detail);
        push(&mut headers, names::RECEIVED, rfc3339(self.received_ms));
        push(&mut headers, names::SITE, self.site);
        push(&mut headers, names::KIND, self.kind);
        headers.extend(self.more);
        let full = self.raw.len();
        let raw = if full > SIDELINE_RAW_BYTES_MAX {
            push(&mut headers, CUT_FROM, full.to_string());
            self.raw.slice(..SIDELINE_RAW_BYTES_MAX)
        } else {
            self.raw
        };
        OutRecord {
            topic: SIDELINE,
            key: Bytes::from(self.id.agent.as_str().to_owned()),
            headers,
            value: raw,
        }
    }
}

/// Why a record of the `retry` topic does not say which event it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    #[error("header {0} is missing or not valid")]
    Header(&'static str),
    #[error("its kind is not hl7 or mqtt")]
    Kind,
    #[error("its raw bytes were cut, so they cannot be mapped")]
    Cut,
    #[error("it has no value")]
    NoValue,
}

/// The event of a sideline record that came back through `retry`. What the agent answered on the day does not
/// count: today's mapping decides.
pub fn event_of<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    value: Option<&Bytes>,
) -> Result<(EventId, Event), RetryError> {
    let text = |name: &'static str| header(name).ok_or(RetryError::Header(name));
    // Bounds that an agent keeps; a record that somebody else wrote need not.
    let short = |name: &'static str, max: usize| match header(name) {
        Some(text) if text.len() > max => Err(RetryError::Header(name)),
        found => Ok(found),
    };
    let id = text(names::EVENT_ID)?
        .parse::<EventId>()
        .map_err(|_| RetryError::Header(names::EVENT_ID))?;
    if header(CUT_FROM).is_some() {
        return Err(RetryError::Cut);
    }
    let wall_ms =
        parse_rfc3339(text(names::RECEIVED)?).ok_or(RetryError::Header(names::RECEIVED))?;
    let raw = value.cloned().ok_or(RetryError::NoValue)?;
    let body = match text(names::KIND)? {
        KIND_HL7 => Body::Hl7 {
            raw,
            understood: true,
        },
        KIND_MQTT => Body::Mqtt {
            topic: short(MQTT_TOPIC, TOPIC_BYTES_MAX)?
                .ok_or(RetryError::Header(MQTT_TOPIC))?
                .to_owned(),
            payload: raw,
            retain: header(MQTT_RETAIN) == Some("true"),
            will: false,
        },
        _ => return Err(RetryError::Kind),
    };
    let class = match header(CLASS) {
        Some("alarm") => Class::Alarm,
        Some("telemetry") => Class::Telemetry,
        _ => Class::State,
    };
    let event = Event {
        class,
        stamp: Stamp {
            wall_ms,
            ..Stamp::default()
        },
        source: short(SOURCE, SOURCE_BYTES_MAX)?
            .unwrap_or_default()
            .to_owned(),
        body,
    };
    Ok((id, event))
}
