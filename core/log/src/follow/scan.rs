//! Reading what a partition holds now, and no more.
//!
//! For start-up reads, lookups and tools: the range is fixed before the first read, so a scan ends even if others
//! append faster than it reads. It never ends early in silence: what stops it is an error, and what retention took from
//! under it is counted.

use std::time::Duration;

use tokio::time::Instant;
use wardline_service::Stop;

use crate::limits::{FOLLOW_READ_RECORDS_MAX, FOLLOW_WAIT_MS, SCAN_STALL_MS};
use crate::{Entry, Log, LogError, PartitionOffsets, PartitionReader};

/// A read of the offsets `start..end` of one partition, bounded in every way.
///
/// `next` gives them in order and then `None`. Records that are appended meanwhile are not waited for and not given.
/// - When retention overtakes it, it goes on at the new start; `lost` says how many offsets it did not see.
/// - When the log becomes shorter than the range, or never held it, it ends with `OffsetOutOfRange`.
/// - When nothing comes for `SCAN_STALL_MS` although the end is not reached, it ends with `Stalled`.
/// - When the program stops, it ends with `Stopped`: a scan that was cut off never looks complete.
pub struct Scan<'a> {
    log: &'a dyn Log,
    topic: &'a str,
    range: PartitionOffsets,
    stop: Option<&'a Stop>,
    left: usize,
    reader: Option<PartitionReader>,
    position: u64,
    lost: u64,
    moved: Instant,
}

impl<'a> Scan<'a> {
    /// A scan of `range`, which `Log::offsets` or `Log::barrier` gave; its `start` may be moved up by the caller.
    pub fn new(log: &'a dyn Log, topic: &'a str, range: PartitionOffsets) -> Self {
        Self {
            log,
            topic,
            range,
            stop: None,
            left: usize::MAX,
            reader: None,
            position: range.start,
            lost: 0,
            moved: Instant::now(),
        }
    }

    /// Ends it with `Stopped` when the program stops.
    #[must_use]
    pub fn until(mut self, stop: &'a Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Gives that many records at most.
    #[must_use]
    pub fn limit(mut self, records: usize) -> Self {
        self.left = records;
        self
    }

    /// Everything before it was given, or is counted in `lost`.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Offsets that retention removed before they were read.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The next records; `None` at the end of the range or of the limit.
    ///
    /// # Errors
    /// `Stalled`, `Stopped`, `OffsetOutOfRange` of a log that was replaced, and what the log says.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, LogError> {
        while self.position < self.range.end && self.left > 0 {
            let entries = match self.stop {
                None => self.read().await,
                Some(stop) => tokio::select! {
                    biased;
                    () = stop.stopped() => Err(LogError::Stopped),
                    entries = self.read() => entries,
                },
            }?;
            if !entries.is_empty() {
                self.left -= entries.len();
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }

    async fn read(&mut self) -> Result<Vec<Entry>, LogError> {
        let before = self.position;
        let wait = Duration::from_millis(FOLLOW_WAIT_MS);
        let max = self.left.min(FOLLOW_READ_RECORDS_MAX);
        let entries = match self.reader().await {
            Ok(reader) => reader.next(max, wait).await,
            Err(error) => Err(error),
        };
        let mut entries = match entries {
            Err(LogError::OffsetOutOfRange { start, .. }) if start > before => {
                self.skip_to(start);
                return Ok(Vec::new());
            }
            other => other?,
        };
        self.position = self
            .reader
            .as_ref()
            .map_or(before, PartitionReader::position);
        entries.retain(|entry| entry.offset < self.range.end);
        if self.position > before {
            self.moved = Instant::now();
        } else if self.moved.elapsed() >= Duration::from_millis(SCAN_STALL_MS) {
            return Err(LogError::Stalled {
                topic: self.topic.to_owned(),
                partition: self.range.partition,
                position: self.position,
                end: self.range.end,
            });
        }
        Ok(entries)
    }

    async fn reader(&mut self) -> Result<&mut PartitionReader, LogError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                self.log
                    .reader(self.topic, self.range.partition, self.position)
                    .await?
            }
        };
        Ok(self.reader.insert(reader))
    }

    fn skip_to(&mut self, start: u64) {
        let to = start.min(self.range.end);
        tracing::warn!(
            topic = self.topic,
            partition = self.range.partition,
            from = self.position,
            to,
            "retention removed records while they were being read"
        );
        self.lost += to - self.position;
        self.position = to;
        self.reader = None;
        self.moved = Instant::now();
    }
}
