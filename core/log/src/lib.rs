//! The event log: topics of partitions of records, each with an offset that never changes.
//!
//! One trait, two engines. `embedded` keeps the log in one redb file and syncs every commit; `kafka` (feature `kafka`)
//! speaks to a cluster. Both pass the suite of `wardline-log-contract`, so a part that works on one works on the other. What both keep true:
//! - an append returns when all its records are durable, with their positions in the order given;
//! - a record never changes its partition, offset or bytes; offsets grow, and may have holes after compaction;
//! - reading before the start or beyond the end is an error that names both, never a silent jump;
//! - keys go to partitions as Kafka's own producers send them.

mod check;
pub mod embedded;
mod error;
pub mod follow;
mod headers;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod limits;
mod partition;
mod reader;
mod target;
mod topic;
mod wire;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use error::LogError;
pub use headers::Headers;
pub use limits::READ_BYTES_MAX;
pub use partition::partition_for;
pub use reader::{Batch, PartitionReader, Reader};
pub use target::{Target, open};
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

/// Which log a topic is: another value when the log, or the topic in it, was replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(String);

impl LogId {
    /// An identity as an engine makes it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where reading a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub from: u64,
}

/// A log that many tasks share.
pub type SharedLog = Arc<dyn Log>;

/// Topics to append to and to read from.
///
/// After an error of an append nobody knows what of it is in the log (only the embedded engine does: nothing). Who must
/// not write twice reads back up to a `barrier` before writing again. An engine that fails mends itself: the same call
/// works again once what it needs is back, and nobody opens anything.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Which log a topic is. What an engine cannot see, `follow` finds by the record that it read last.
    async fn id(&self, topic: &str) -> Result<LogId, LogError>;

    /// Whether `append_many` is one commit: all of it or nothing.
    fn atomic_append(&self) -> bool;

    /// Makes the topics there are not yet, and brings cleanup and retention of the others to what is given.
    /// Another number of partitions than the existing one is `PartitionMismatch`, and nothing changes.
    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError>;

    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError>;

    /// Returns once all are durable, with positions in the order given. The partition is `partition_for(key, n)`.
    /// A dropped future may still write.
    async fn append(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, LogError> {
        let batches = vec![(topic.to_owned(), records)];
        let mut positions = self.append_many(batches).await?;
        Ok(positions.pop().unwrap_or_default())
    }

    /// Appends to several topics; `atomic_append` says whether that is all or nothing.
    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError>;

    /// What each partition holds, by partition. A partition that was added since is among them.
    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError>;

    /// As `offsets`, with ends that are behind everything that was appended before, by whomever and however it ended:
    /// what is not below them now never will be. Costs a write where the engine needs one; readers do not see it.
    async fn barrier(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError>;

    /// Of each partition, the first offset that was written at `time_ms` or later, or its end. Goes by the time of
    /// writing, not by the records' own, and is as good as the clock that it was written by.
    async fn offsets_at_time(&self, topic: &str, time_ms: i64) -> Result<Vec<Position>, LogError>;

    /// Reads several partitions at once, each from an offset; before its start or beyond its end is `OffsetOutOfRange`.
    async fn multi_reader(&self, from: &[Start]) -> Result<Box<dyn Reader>, LogError>;

    /// Reads one partition.
    async fn reader(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
    ) -> Result<PartitionReader, LogError> {
        let start = Start {
            topic: topic.to_owned(),
            partition,
            from,
        };
        let reader = self.multi_reader(&[start]).await?;
        Ok(PartitionReader::new(reader, from))
    }

    /// Waits for what was appended, stops the engine's tasks and gives the files free.
    async fn close(&self) -> Result<(), LogError>;
}
