//! The event log: topics of partitions of records, each with an offset that never changes.
//!
//! One trait, two engines. `embedded` keeps the log in one redb file and syncs every commit; `kafka` (feature `kafka`)
//! speaks to a cluster. Both pass the suite in `contract` (feature `contract`), so a part that works on one works on
//! the other. What both keep true:
//! - an append returns when all its records are durable, with their positions in the order given;
//! - a record never changes its partition, offset or bytes; offsets grow, and may have holes after compaction;
//! - reading before the start or beyond the end is an error that names both, never a silent jump;
//! - keys go to partitions as Kafka's own producers send them.

mod check;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
mod error;
mod headers;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod limits;
mod partition;
mod target;
mod topic;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use error::LogError;
pub use headers::Headers;
pub use limits::READ_BYTES_MAX;
pub use partition::partition_for;
pub use target::{KAFKA_PREFIX, Target, open};
pub use topic::{Cleanup, CleanupKind, TopicInfo, TopicSpec};

/// What is appended and read back, bytes for bytes.
///
/// What was read are slices of one buffer that all records read together share: whoever keeps a small part of one for
/// long copies it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Decides the partition, and what compaction keeps.
    pub key: Option<Bytes>,
    /// `None` is a tombstone: the key is gone.
    pub value: Option<Bytes>,
    /// In order; names may repeat.
    pub headers: Headers,
    /// Milliseconds since 1970, the writer's choice; not negative.
    pub time_ms: i64,
}

impl Record {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name)
    }

    /// The first header of that name, if it is UTF-8.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Key, value and headers together, as the limits count them.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + self.headers.bytes_len()
    }
}

/// A record where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// What was written.
    pub record: Record,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The offset there.
    pub offset: u64,
}

/// What a partition holds: `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// The partition.
    pub partition: u32,
    /// Oldest offset that can be read.
    pub start: u64,
    /// Next offset to be written.
    pub end: u64,
}

/// What one maintenance pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Offsets that retention removed, by topic and partition.
    pub removed: Vec<Removed>,
    /// Records that compaction dropped because a newer one has the key, or a tombstone's grace was over.
    pub compacted_records: u64,
    /// Stored bytes that both gave back.
    pub freed_bytes: u64,
    /// By how much the file became smaller.
    pub file_bytes_freed: u64,
}

/// One range that retention removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// First offset that is gone.
    pub from: u64,
    /// The partition now starts here.
    pub to: u64,
}

/// A log that many tasks share.
pub type SharedLog = Arc<dyn Log>;

/// Topics to append to and to read from.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Makes the topics there are not yet, and brings cleanup and retention of the others to what is given.
    /// Another number of partitions than the existing one is `PartitionMismatch`, and nothing changes.
    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError>;

    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError>;

    /// Returns once all are durable, with positions in the order given. The partition is `partition_for(key, n)`.
    /// A dropped future may still write.
    async fn append(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, LogError>;

    /// Appends to several topics; in the embedded engine in one commit, all or nothing.
    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError>;

    /// What each partition holds, by partition.
    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError>;

    /// Reads one partition from an offset; before its start or beyond its end is `OffsetOutOfRange`.
    async fn reader(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
    ) -> Result<Box<dyn Reader>, LogError>;

    /// Embedded: a full retention and compaction pass (a thrifty one also runs every minute). Kafka does its own.
    async fn maintain(&self) -> Result<Maintenance, LogError>;

    /// Waits for what was appended, stops the engine's tasks and gives the files free.
    async fn close(&self) -> Result<(), LogError>;
}

/// Reads one partition in order.
#[async_trait]
pub trait Reader: Send {
    /// Waits until at least one record is there or `wait` is over (then an empty `Vec`). At most `max` records and
    /// `READ_BYTES_MAX` bytes. If retention removed the position: `OffsetOutOfRange`. Dropping the future loses nothing.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, LogError>;

    /// Offset of the next record to be returned. Caught up means: equal to the partition's end.
    fn position(&self) -> u64;
}
