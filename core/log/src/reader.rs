//! Readers: one over any number of partitions, and the view of it that looks at a single one.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Entry, LogError};

/// Reads some partitions, each in order, and all of them in turn.
#[async_trait]
pub trait Reader: Send {
    /// Waits until there is something of at least one partition, or `wait` is over (then `None`). At most `max` records
    /// and `READ_BYTES_MAX` bytes. An error is about all partitions. Dropping the future loses nothing.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Batch>, LogError>;
}

/// What a reader gives at a time, of one partition.
#[derive(Debug)]
pub struct Batch {
    /// Which partition: the index of its start.
    pub start: usize,
    /// Its records; none if only the position moved, over what cleanup or the log itself left out. Or what is wrong
    /// with the partition: `OffsetOutOfRange` if retention removed the position, `Damaged`. The others go on.
    pub entries: Result<Vec<Entry>, LogError>,
    /// Offset of the next record.
    pub next: u64,
}

/// Reads one partition in order.
pub struct PartitionReader {
    reader: Box<dyn Reader>,
    position: u64,
}

impl PartitionReader {
    pub(crate) fn new(reader: Box<dyn Reader>, from: u64) -> Self {
        Self {
            reader,
            position: from,
        }
    }

    /// Waits until at least one record is there or `wait` is over (then an empty `Vec`, which may come earlier when only
    /// the position moved). At most `max` records and `READ_BYTES_MAX` bytes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `OffsetOutOfRange` if retention removed the position, and what the log says.
    pub async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, LogError> {
        let Some(batch) = self.reader.next(max, wait).await? else {
            return Ok(Vec::new());
        };
        let entries = batch.entries?;
        self.position = batch.next;
        Ok(entries)
    }

    /// Offset of the next record to be returned. Caught up means: equal to the partition's end.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}
