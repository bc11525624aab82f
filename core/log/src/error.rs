//! What can go wrong, said so that the caller knows whose fault it is and whether trying again helps.

use wardline_disk::DiskError;

use crate::limits::SCAN_STALL_MS;

/// Every way a log can fail.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The caller's fault: the topic was never created.
    #[error("topic {topic:?} does not exist; create it first")]
    UnknownTopic {
        /// Its name.
        topic: String,
    },
    /// The caller's fault: no such partition.
    #[error("topic {topic:?} has {partitions} partitions, partition {partition} was asked for")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: u32,
        /// What there is.
        partitions: u32,
    },
    /// The operator's fault: a topic exists with another number of partitions, which decides where keys live.
    #[error(
        "topic {topic:?} has {found} partitions, {wanted} are configured; keys would move: use a new topic or the old number"
    )]
    PartitionMismatch {
        /// The topic.
        topic: String,
        /// What there is.
        found: u32,
        /// What was asked for.
        wanted: u32,
    },
    /// The caller's fault: not a name, or settings, that both engines can hold.
    #[error("topic {topic:?} cannot be created: {why}")]
    InvalidTopic {
        /// Its name.
        topic: String,
        /// What is wrong, and what is allowed.
        why: String,
    },
    /// The position is not in the log: retention removed it, or the log was replaced by a shorter one.
    #[error(
        "offset {requested} of {topic:?}/{partition} is not in the log, which holds {start}..{end}"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What was asked for.
        requested: u64,
        /// Oldest offset there is.
        start: u64,
        /// Next offset to be written.
        end: u64,
    },
    /// The caller's fault: a record, or an append as a whole, is over the limit.
    #[error("{what} for topic {topic:?}: {size} is over the limit of {max}")]
    RecordTooLarge {
        /// The topic.
        topic: String,
        /// What is too large: a record, its headers, a header name, the append.
        what: &'static str,
        /// Its size, in bytes or in records.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The caller's fault: a record that not both engines can hold.
    #[error("a record for topic {topic:?} cannot be kept: {why}")]
    InvalidRecord {
        /// The topic.
        topic: String,
        /// What is wrong, and what is allowed.
        why: &'static str,
    },
    /// Storage or broker cannot be used at the moment. A retry helps. What a failed append left in the log is not known:
    /// read back before writing it again.
    #[error("the log cannot {doing} at the moment: {why}")]
    Unavailable {
        /// What was tried.
        doing: &'static str,
        /// What the engine said.
        why: String,
    },
    /// The log says that it holds more, and gives nothing. A retry may help.
    #[error(
        "{topic:?}/{partition} holds records up to offset {end}, and for {SCAN_STALL_MS} ms none came from {position} on"
    )]
    Stalled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What was waited for.
        position: u64,
        /// Where it should end.
        end: u64,
    },
    /// The program stops.
    #[error("stopped before the log was read to its end")]
    Stopped,
    /// The file of the embedded engine: missing, in use, damaged, or of a newer version.
    #[error(transparent)]
    Disk(DiskError),
    /// The operator's fault: the configured target is not understood, or not in this build.
    #[error("log {text:?} cannot be used: {why}")]
    Target {
        /// The configured text.
        text: String,
        /// What is wrong, and what is allowed.
        why: String,
    },
    /// `close` was called, or the engine is going down.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// Whether the same call can succeed later without anyone changing anything.
    #[must_use]
    pub fn retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Stalled { .. })
    }

    /// Whether what is on disk is the matter (the process exits with 3).
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Disk(error) if error.is_damage())
    }
}
