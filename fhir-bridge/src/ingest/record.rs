//! Records of `edge.frames` and of the sideline as ingest writes and reads them (docs/specs/ingest.md I7 to I9).
//!
//! The headers alone say which numbers a record holds, so that watermarks are rebuilt without unpacking a frame.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wardline_log::{Headers, Record};
use wardline_model::frame::FrameHeader;
use wardline_model::loss::GapReason;
use wardline_model::sideline::{RawKind, Reason, SidelineRecord};
use wardline_model::{AgentName, FrameError, Incarnation, LossRecord, SiteName, record as names};

use crate::{hex, logged};

/// Sideline causes of ingest, and what all of them begin with.
pub const CAUSE_PREFIX: &str = "frame-";
pub const CAUSE_DAMAGED: &str = "frame-damaged";
pub const CAUSE_INVALID: &str = "frame-invalid";
pub const CAUSE_TOO_LARGE: &str = "frame-too-large";

/// First 16 bytes of the SHA-256 of a damaged frame.
pub type FrameHash = [u8; 16];

pub fn frame_hash(bytes: &[u8]) -> FrameHash {
    let digest = Sha256::digest(bytes);
    let mut hash = FrameHash::default();
    for (to, from) in hash.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    hash
}

/// What the headers of an `edge.frames` record say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRange {
    pub agent: AgentName,
    pub incarnation: Incarnation,
    pub first: u64,
    pub last: u64,
    pub gap: bool,
}

/// A record for the events `range` of a frame; `value` is the frame that holds exactly these.
pub fn of_frame(header: &FrameHeader, range: (u64, u64), value: Bytes, now_ms: i64) -> Record {
    let mut headers = range_headers(names::KIND_FRAME, &header.agent, header.incarnation, range);
    headers.push(names::LANE, header.lane.as_str());
    record(&header.agent, value, headers, now_ms)
}

pub fn of_gap(
    agent: &AgentName,
    incarnation: Incarnation,
    (from, to): (u64, u64),
    now_ms: i64,
) -> Record {
    let gap = LossRecord::Gap {
        agent: agent.to_string(),
        incarnation,
        from,
        to,
        reason: GapReason::NotInThisLog,
        noticed_ms: now_ms,
    };
    // A struct of strings and numbers cannot fail to serialise.
    let value = serde_json::to_vec(&gap).unwrap_or_default();
    let headers = range_headers(names::KIND_LOSS, agent, incarnation, (from, to));
    record(agent, Bytes::from(value), headers, now_ms)
}

/// Reads the headers back; `None` for a record that the bridge did not write.
pub fn read(record: &Record) -> Option<LoggedRange> {
    let gap = match record.header_str(names::KIND)? {
        names::KIND_FRAME => false,
        names::KIND_LOSS => true,
        _ => return None,
    };
    let first: u64 = record.header_str(names::FIRST)?.parse().ok()?;
    let last: u64 = record.header_str(names::LAST)?.parse().ok()?;
    if first == 0 || first > last {
        return None;
    }
    Some(LoggedRange {
        agent: AgentName::new(record.header_str(names::AGENT)?).ok()?,
        incarnation: record.header_str(names::INCARNATION)?.parse().ok()?,
        first,
        last,
        gap,
    })
}

/// The sideline record of a frame that cannot be read: the raw bytes, the cause, and who sent it.
pub fn of_damaged(
    site: &SiteName,
    agent: &AgentName,
    bytes: &Bytes,
    error: &FrameError,
    now_ms: i64,
) -> Record {
    let cause = match error {
        FrameError::TooLarge(_) => CAUSE_TOO_LARGE,
        FrameError::Magic | FrameError::Header(_) | FrameError::Block(_) => CAUSE_INVALID,
        FrameError::Version(_)
        | FrameError::Truncated
        | FrameError::Trailing(_)
        | FrameError::Checksum { .. } => CAUSE_DAMAGED,
    };
    let aside = SidelineRecord {
        event_id: String::new(),
        why: Reason::new(
            cause,
            "frame",
            "I12",
            format!("{error} ({} bytes)", bytes.len()),
        ),
        mapping: String::new(),
        site: site.to_string(),
        received_ms: Some(now_ms),
        kind: RawKind::Frame {
            agent: agent.to_string(),
            hash: Some(hex::encode(&frame_hash(bytes))),
        },
        retried: 0,
        cut_from: None,
        raw: Some(bytes.clone()),
    };
    logged::sidelined(aside, now_ms)
}

/// The hash that a sideline record of ingest carries; `None` for a record of the transform.
pub fn damaged_hash(record: &Record) -> Option<FrameHash> {
    let aside = logged::read_sidelined(record);
    match aside.kind {
        RawKind::Frame { hash, .. } if aside.why.cause.starts_with(CAUSE_PREFIX) => {
            hex::decode(&hash?)
        }
        _ => None,
    }
}

fn range_headers(
    kind: &str,
    agent: &AgentName,
    incarnation: Incarnation,
    (first, last): (u64, u64),
) -> Headers {
    Headers::from_iter([
        (names::KIND, kind),
        (names::AGENT, agent.as_str()),
        (names::INCARNATION, &incarnation.to_string()),
        (names::FIRST, &first.to_string()),
        (names::LAST, &last.to_string()),
    ])
}

fn record(agent: &AgentName, value: Bytes, headers: Headers, time_ms: i64) -> Record {
    Record {
        key: Some(Bytes::copy_from_slice(agent.as_str().as_bytes())),
        value: Some(value),
        headers,
        time_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_model::Lane;

    fn header() -> FrameHeader {
        FrameHeader {
            lane: Lane::Backlog,
            agent: AgentName::new("gw-1").unwrap(),
            incarnation: Incarnation(7),
            first: 5,
            oldest_held: 2,
            count: 4,
        }
    }

    #[test]
    fn i7_headers_alone_name_the_range() {
        let record = of_frame(&header(), (6, 8), Bytes::from_static(b"x"), 9);
        assert_eq!(record.key.as_deref(), Some(&b"gw-1"[..]));
        assert_eq!(record.header_str(names::LANE), Some("backlog"));
        let marked = read(&record).unwrap();
        assert_eq!((marked.first, marked.last, marked.gap), (6, 8, false));
        assert_eq!(marked.incarnation, Incarnation(7));
    }

    #[test]
    fn i8_a_gap_is_a_typed_record() {
        let record = of_gap(&header().agent, Incarnation(7), (1, 4), 9);
        assert!(read(&record).unwrap().gap);
        let value = record.value.unwrap();
        let LossRecord::Gap { from, to, .. } = serde_json::from_slice(&value).unwrap() else {
            panic!("not a gap");
        };
        assert_eq!((from, to), (1, 4));
    }

    #[test]
    fn i7_foreign_records_are_nobody() {
        assert_eq!(read(&Record::default()), None);
        let mut record = of_frame(&header(), (6, 8), Bytes::new(), 9);
        record.headers = range_headers(names::KIND_FRAME, &header().agent, Incarnation(7), (9, 8));
        assert_eq!(read(&record), None);
    }

    #[test]
    fn i12_a_damaged_frame_is_known_again() {
        let site = SiteName::new("st-mary").unwrap();
        let bytes = Bytes::from_static(b"WLF1\x01 broken");
        let record = of_damaged(&site, &header().agent, &bytes, &FrameError::Truncated, 9);
        assert_eq!(record.header_str("cause"), Some(CAUSE_DAMAGED));
        assert_eq!(damaged_hash(&record), Some(frame_hash(&bytes)));
        assert_eq!(record.value, Some(bytes));
    }
}
