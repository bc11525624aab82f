//! Is a position still what it was? Pure: what a partition holds now against what was known of it.
//!
//! A log can lose its beginning (retention), or be another log under the old name (recreated, restored from an older
//! copy). Both are found before a record is read on, and both are told: nothing is skipped without a word.

use wardline_log::{Entry, PartitionOffsets, Record};
use wardline_model::record::EVENT_ID;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on where it ended.
    Same,
    /// `lost` records, up to `start`, were removed before they were read.
    Truncated { start: u64, lost: u64 },
    /// Another log under the same name: go on from its start.
    Recreated { start: u64, why: String },
}

/// What can be said from the offsets alone.
pub(crate) fn by_offsets(next: u64, held: PartitionOffsets) -> Verdict {
    if next > held.end {
        Verdict::Recreated {
            start: held.start,
            why: format!("it ends at {}, before the known position {next}", held.end),
        }
    } else if next < held.start {
        Verdict::Truncated {
            start: held.start,
            lost: held.start - next,
        }
    } else {
        Verdict::Same
    }
}

/// Compares the record that is known to stand before the position with what stands there now. `found` is the first
/// record read from that offset on; a hole (compaction) says nothing.
pub(crate) fn by_record(
    known: (u64, &str),
    found: Option<&Entry>,
    held: PartitionOffsets,
) -> Verdict {
    let (offset, id) = known;
    match found {
        Some(entry) if entry.offset == offset && identity(&entry.record) != id => {
            Verdict::Recreated {
                start: held.start,
                why: format!("offset {offset} holds another record than before"),
            }
        }
        _ => Verdict::Same,
    }
}

/// The event id; where a record has none, its time and a checksum-like length will do to tell two lives apart.
pub(crate) fn identity(record: &Record) -> String {
    record.header_str(EVENT_ID).map_or_else(
        || {
            format!(
                "@{}+{}",
                record.time_ms,
                record.value.as_ref().map_or(0, bytes::Bytes::len)
            )
        },
        str::to_owned,
    )
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

    fn entry(offset: u64, id: &str) -> Entry {
        Entry {
            partition: 0,
            offset,
            record: Record {
                headers: vec![(EVENT_ID, id)].into(),
                ..Record::default()
            },
        }
    }

    #[test]
    fn rp5_truncation_and_recreation_are_seen_from_offsets() {
        assert_eq!(by_offsets(5, held(0, 5)), Verdict::Same);
        assert_eq!(by_offsets(5, held(5, 9)), Verdict::Same);
        assert_eq!(
            by_offsets(5, held(7, 9)),
            Verdict::Truncated { start: 7, lost: 2 }
        );
        assert!(matches!(
            by_offsets(5, held(0, 4)),
            Verdict::Recreated { start: 0, .. }
        ));
    }

    #[test]
    fn rp6_another_record_at_the_known_offset_is_another_log() {
        let now = held(0, 9);
        assert_eq!(
            by_record((4, "a/1"), Some(&entry(4, "a/1")), now),
            Verdict::Same
        );
        assert_eq!(
            by_record((4, "a/1"), Some(&entry(6, "a/9")), now),
            Verdict::Same
        );
        assert_eq!(by_record((4, "a/1"), None, now), Verdict::Same);
        assert!(matches!(
            by_record((4, "a/1"), Some(&entry(4, "b/1")), now),
            Verdict::Recreated { .. }
        ));
    }
}
