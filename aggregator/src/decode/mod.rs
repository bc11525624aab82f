//! From a record of a `fhir.*` topic to a fact of the ledger.
//!
//! What is about the event stands in headers, what is about the visit, bed or device in the resource; only the few
//! elements that the ledger uses are read, so nothing else of a resource can reach a view. A record that cannot be read
//! says what is wrong and where, and holds nothing up: the shell counts it and goes on.

pub mod origin;
mod resources;
#[cfg(test)]
mod tests;

use wardline_log::Record;
use wardline_model::EventId;
use wardline_model::record::{
    CONTROL_ID, EVENT_ID, EVENT_TIME, EVENT_TIME_FROM, EVENT_TIME_PRECISION_MS, EVENT_TYPE, FLAGS,
    MAPPING, MESSAGE_HASH, MESSAGE_KEY, RECEIVED, RECORDED,
};
use wardline_model::time::parse_rfc3339;

use crate::ledger::Fact;
use origin::Origin;

/// What is wrong with a record, and where in it. Retrying does not help; the record is counted and set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct DecodeError {
    /// `header event-id`, `value`, `Encounter.location`.
    pub place: String,
    pub why: String,
}

impl DecodeError {
    fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            why: why.into(),
        }
    }
}

/// `Ok(None)` for a tombstone: it says nothing. `origin` is where the record came from (`origin::of`), with the centre's
/// own name for its site.
pub fn fact(origin: &Origin, record: &Record) -> Result<Option<Fact>, DecodeError> {
    let Some(value) = &record.value else {
        return Ok(None);
    };
    let subject = resources::subject(&origin.topic, record, value)?;
    let id: EventId = required(record, EVENT_ID)?
        .parse()
        .map_err(|_| DecodeError::new("header event-id", "is not agent/incarnation/seq"))?;
    let event_ms = time(record, EVENT_TIME)?
        .ok_or_else(|| DecodeError::new("header event-time", "is missing"))?;
    let text = |name: &str| record.header_str(name).map(str::to_owned);
    let flags = record.header_str(FLAGS).unwrap_or_default().split(',');
    Ok(Some(Fact {
        part: id.part.unwrap_or_default(),
        id: id.to_string(),
        site: origin.site.clone(),
        origin: origin.to_string(),
        mapping: text(MAPPING).unwrap_or_default(),
        event_type: required(record, EVENT_TYPE)?.to_owned(),
        event_ms,
        precision_ms: number(record, EVENT_TIME_PRECISION_MS)?
            .map_or(1, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
        from_evn6: record.header_str(EVENT_TIME_FROM) == Some("EVN-6"),
        recorded_ms: time(record, RECORDED)?.unwrap_or(event_ms),
        received_ms: time(record, RECEIVED)?.unwrap_or(record.time_ms),
        clock_ahead_ms: None,
        control_id: text(CONTROL_ID).unwrap_or_default(),
        message_key: text(MESSAGE_KEY),
        message_hash: text(MESSAGE_HASH),
        flags: flags
            .map(str::trim)
            .filter(|flag| !flag.is_empty())
            .map(str::to_owned)
            .collect(),
        subject,
    }))
}

fn required<'a>(record: &'a Record, name: &str) -> Result<&'a str, DecodeError> {
    record
        .header_str(name)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| DecodeError::new(format!("header {name}"), "is missing"))
}

fn time(record: &Record, name: &str) -> Result<Option<i64>, DecodeError> {
    let Some(text) = record.header_str(name) else {
        return Ok(None);
    };
    parse_rfc3339(text).map(Some).ok_or_else(|| {
        DecodeError::new(
            format!("header {name}"),
            "is not an RFC 3339 time with a zone",
        )
    })
}

fn number(record: &Record, name: &str) -> Result<Option<u64>, DecodeError> {
    let Some(text) = record.header_str(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| DecodeError::new(format!("header {name}"), "is not a whole number"))
}
