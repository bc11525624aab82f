//! A position that can be kept and believed later: pure, what a partition holds now against what was known of it.
//!
//! A log can lose its beginning (retention), or be another log under the old name (recreated, put back from an older
//! copy). Both are found before a record is read on. A new log is known by its offsets, when it is shorter; by its
//! identity, when the engine can tell; and by the last record that was read, whatever the engine can tell.

use serde::{Deserialize, Serialize};

use crate::{Entry, LogId, PartitionOffsets, Record};

/// How far a partition was read, of which log, and what stood there last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The next offset to read.
    pub next: u64,
    /// The log that was read, where its engine can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogId>,
    /// The last record that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRead>,
}

/// The record before a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRead {
    /// Where it stood.
    pub offset: u64,
    /// `fingerprint` of it.
    pub fingerprint: u32,
}

impl Mark {
    /// A position of which nothing else is known.
    #[must_use]
    pub fn at(next: u64) -> Self {
        Self {
            next,
            ..Self::default()
        }
    }

    /// These were read, and `next` comes after them.
    pub fn advance(&mut self, entries: &[Entry], next: u64) {
        self.next = next;
        if let Some(entry) = entries.last() {
            self.last = Some(LastRead {
                offset: entry.offset,
                fingerprint: fingerprint(&entry.record),
            });
        }
    }
}

/// Tells records apart: a checksum of key, value, headers and time.
#[must_use]
pub fn fingerprint(record: &Record) -> u32 {
    let field = |crc: u32, bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        let crc = crc32c::crc32c_append(crc, &length.to_le_bytes());
        crc32c::crc32c_append(crc, bytes.unwrap_or_default())
    };
    let crc = crc32c::crc32c(&record.time_ms.to_le_bytes());
    let crc = field(crc, record.key.as_deref());
    let crc = field(crc, record.value.as_deref());
    field(crc, Some(record.headers.packed()))
}

/// Whether a position is still what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Go on where it ended.
    Same,
    /// What stood before `to` was removed before it was read.
    Truncated { to: u64 },
    /// Another log under the same name: go on from its start.
    Recreated { why: String },
}

/// What was seen of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) held: PartitionOffsets,
    pub(super) log: &'a LogId,
    /// The first record from the mark's last one on, if it was looked for and there is one.
    pub(super) there: Option<&'a Entry>,
}

pub(super) fn judge(mark: &Mark, seen: &Seen<'_>) -> Finding {
    let held = seen.held;
    if mark.next > held.end {
        let why = format!(
            "it ends at {}, before the known position {}",
            held.end, mark.next
        );
        return Finding::Recreated { why };
    }
    // The record that was read last proves that it is the same log; a hole in its place proves nothing.
    let same = match (mark.last, seen.there) {
        (Some(last), Some(entry)) if entry.offset == last.offset => {
            Some(fingerprint(&entry.record) == last.fingerprint)
        }
        _ => None,
    };
    let other_id = mark.log.as_ref().is_some_and(|log| log != seen.log);
    if same == Some(false) {
        let at = mark.last.map_or(0, |last| last.offset);
        let why = format!("offset {at} holds another record than before");
        return Finding::Recreated { why };
    }
    // Where nothing was read yet, another log has lost nothing.
    if other_id && same.is_none() && mark.next > 0 {
        let why = "it has another identity than before".to_owned();
        return Finding::Recreated { why };
    }
    if mark.next < held.start {
        return Finding::Truncated { to: held.start };
    }
    Finding::Same
}

/// Whether the last record that was read can still be looked at.
pub(super) fn can_compare(mark: &Mark, held: PartitionOffsets) -> Option<u64> {
    mark.last
        .map(|last| last.offset)
        .filter(|offset| *offset >= held.start && *offset < held.end && mark.next <= held.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(start: u64, end: u64) -> PartitionOffsets {
        PartitionOffsets {
            partition: 0,
            start,
            end,
        }
    }

    fn entry(offset: u64, value: &'static str) -> Entry {
        Entry {
            partition: 0,
            offset,
            record: Record {
                value: Some(value.into()),
                ..Record::default()
            },
        }
    }

    fn found(mark: &Mark, held: PartitionOffsets, log: &str, there: Option<&Entry>) -> Finding {
        let log = LogId::new(log);
        judge(
            mark,
            &Seen {
                held,
                log: &log,
                there,
            },
        )
    }

    #[test]
    fn lg73_truncation_and_a_shorter_log_are_seen_from_offsets() {
        let mark = Mark::at(5);
        assert_eq!(found(&mark, held(0, 5), "a", None), Finding::Same);
        assert_eq!(found(&mark, held(5, 9), "a", None), Finding::Same);
        let cut = Finding::Truncated { to: 7 };
        assert_eq!(found(&mark, held(7, 9), "a", None), cut);
        let shorter = found(&mark, held(0, 4), "a", None);
        assert!(matches!(shorter, Finding::Recreated { .. }));
    }

    #[test]
    fn lg74_a_longer_log_is_known_by_its_identity_or_its_record() {
        let mut mark = Mark::at(0);
        mark.log = Some(LogId::new("a"));
        assert_eq!(found(&mark, held(0, 9), "b", None), Finding::Same);
        mark.advance(&[entry(4, "old")], 5);
        let recreated = |log: &str, there: Option<Entry>| {
            matches!(
                found(&mark, held(0, 9), log, there.as_ref()),
                Finding::Recreated { .. }
            )
        };
        assert!(!recreated("a", None));
        assert!(!recreated("a", Some(entry(4, "old"))));
        // A hole says nothing.
        assert!(!recreated("a", Some(entry(6, "new"))));
        assert!(recreated("a", Some(entry(4, "new"))));
        assert!(recreated("b", None));
        assert!(recreated("b", Some(entry(6, "new"))));
        // The record proves more than a name: the log was moved with all that is in it.
        assert!(!recreated("b", Some(entry(4, "old"))));
    }

    #[test]
    fn lg74_what_is_missing_or_moved_changes_the_fingerprint() {
        let of = |key: Option<&'static str>, value: Option<&'static str>| {
            fingerprint(&Record {
                key: key.map(Into::into),
                value: value.map(Into::into),
                ..Record::default()
            })
        };
        let all = [
            of(None, None),
            of(Some(""), None),
            of(None, Some("")),
            of(Some("a"), Some("b")),
            of(Some("ab"), Some("")),
            of(Some("b"), Some("a")),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{all:?}");
        }
    }
}
