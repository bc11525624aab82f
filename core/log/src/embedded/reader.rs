//! Reads partitions: short snapshots, decoded ahead as far as was asked for, woken by the commit.
//!
//! Partitions take turns, so that none waits for another's backlog. What was decoded ahead is still given after
//! retention has removed it from the file.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select_all;
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::block::{self, Stored};
use super::file::bad_block;
use super::state::{Range, Shared, Topic};
use super::tables::{BLOCKS, BlockKey, PARTITIONS, Row, blocks_from};
use crate::{Batch, Entry, LogError, READ_BYTES_MAX, Reader};

pub(crate) struct EmbeddedReader {
    shared: Arc<Shared>,
    sources: Vec<Source>,
    /// Whose turn it is.
    turn: usize,
}

/// One partition.
pub(crate) struct Source {
    topic: Arc<Topic>,
    partition: u32,
    range: watch::Receiver<Range>,
    /// Decoded and not yet returned.
    ahead: VecDeque<Entry>,
    /// What comes after `ahead`.
    next: u64,
}

/// What one snapshot gave.
struct Chunk {
    row: Row,
    entries: VecDeque<Entry>,
    /// What comes after them.
    next: u64,
}

impl Source {
    pub(crate) fn new(topic: Arc<Topic>, partition: u32, from: u64) -> Result<Self, LogError> {
        let range = topic.partition(partition)?.watch();
        let source = Self {
            topic,
            partition,
            range,
            ahead: VecDeque::new(),
            next: from,
        };
        let Range { start, end, .. } = *source.range.borrow();
        if from < start || from > end {
            return Err(source.outside(start, end));
        }
        Ok(source)
    }

    fn outside(&self, start: u64, end: u64) -> LogError {
        LogError::OffsetOutOfRange {
            topic: self.topic.name.clone(),
            partition: self.partition,
            requested: self.next,
            start,
            end,
        }
    }

    fn position(&self) -> u64 {
        self.ahead.front().map_or(self.next, |entry| entry.offset)
    }

    /// Takes from what is decoded.
    fn take(&mut self, max: usize) -> Vec<Entry> {
        let mut bytes = 0;
        let mut fits = |entry: &Entry| {
            bytes += entry.record.bytes_len();
            bytes <= READ_BYTES_MAX
        };
        let fitting = self.ahead.iter().take(max).take_while(|entry| fits(entry));
        // A record that is larger than all that may be read still goes by itself.
        let count = fitting.count().max(1).min(self.ahead.len());
        if count == self.ahead.len() {
            return std::mem::take(&mut self.ahead).into();
        }
        self.ahead.drain(..count).collect()
    }

    /// Decodes about `max` records from the position on, none from `until` on: what the file has more than that was just
    /// committed, and `offsets` does not say it yet.
    async fn fill(&mut self, shared: &Arc<Shared>, until: u64, max: usize) -> Result<(), LogError> {
        let (reading, topic) = (Arc::clone(shared), Arc::clone(&self.topic));
        let (partition, offsets) = (self.partition, self.next..until);
        let from = self.next;
        let read = move || {
            reading.with_db("read", |db| {
                chunk(db, &topic, partition, offsets.clone(), max)
            })
        };
        let chunk = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| LogError::Closed)??;
        let Row { start, end, .. } = chunk.row;
        if from < start || from > end {
            return Err(self.outside(start, end));
        }
        self.ahead = chunk.entries;
        self.next = chunk.next;
        Ok(())
    }

    /// What there is of it, if anything.
    async fn read(&mut self, shared: &Arc<Shared>, max: usize) -> Result<Option<Found>, LogError> {
        if self.ahead.is_empty() {
            let Range { start, end, closed } = *self.range.borrow_and_update();
            if closed {
                return Err(LogError::Closed);
            }
            if self.next < start || self.next > end {
                return Ok(Some(Err(self.outside(start, end))));
            }
            if self.next == end {
                return Ok(None);
            }
            match self.fill(shared, end, max).await {
                Ok(()) => {}
                Err(wrong @ (LogError::OffsetOutOfRange { .. } | LogError::Disk(_))) => {
                    return Ok(Some(Err(wrong)));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Some(Ok(self.take(max))))
    }
}

/// Records of a partition, or what is wrong with it.
type Found = Result<Vec<Entry>, LogError>;

impl EmbeddedReader {
    pub(crate) fn new(shared: Arc<Shared>, sources: Vec<Source>) -> Self {
        Self {
            shared,
            sources,
            turn: 0,
        }
    }

    /// What one of the partitions has, beginning with the one whose turn it is.
    async fn look(&mut self, max: usize) -> Result<Option<Batch>, LogError> {
        let count = self.sources.len();
        for _ in 0..count {
            let start = self.turn;
            let Some(source) = self.sources.get_mut(start) else {
                return Ok(None);
            };
            let found = source.read(&self.shared, max).await?;
            self.turn = (start + 1) % count;
            if let Some(entries) = found {
                return Ok(Some(Batch {
                    start,
                    entries,
                    next: source.position(),
                }));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Batch>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(batch) = self.look(max.max(1)).await? {
                return Ok(Some(batch));
            }
            if self.sources.is_empty() {
                tokio::time::sleep_until(deadline).await;
                return Ok(None);
            }
            let changes = self.sources.iter_mut();
            let changes = changes.map(|source| Box::pin(source.range.changed()));
            match timeout_at(deadline, select_all(changes)).await {
                Ok((Ok(()), ..)) => {}
                Ok((Err(_), ..)) => return Err(LogError::Closed),
                Err(_) => return Ok(None),
            }
        }
    }
}

type Blocks = ReadOnlyTable<BlockKey, &'static [u8]>;

/// Beyond the last block there may be a hole that compaction left: it counts as read.
fn chunk(
    db: &Database,
    topic: &Topic,
    partition: u32,
    offsets: std::ops::Range<u64>,
    max: usize,
) -> Result<Chunk, redb::Error> {
    let txn = db.begin_read()?;
    let row = row(&txn, (topic.id, partition))?;
    let blocks = txn.open_table(BLOCKS)?;
    let first = containing(&blocks, (topic.id, partition, offsets.start))?;
    let mut entries = VecDeque::new();
    let (mut bytes, mut next) = (0, row.end.min(offsets.end));
    for entry in blocks.range(blocks_from(topic.id, partition, first))? {
        let (key, value) = entry?;
        let at = key.value().2;
        if at >= offsets.end {
            break;
        }
        let decoded = match block::decode(value.value()) {
            Ok(decoded) => decoded,
            Err(wrong) if entries.is_empty() => {
                return Err(bad_block(&topic.name, partition, at, wrong));
            }
            Err(_) => {
                // What is good before the bad block is still to be read.
                next = at;
                break;
            }
        };
        let wanted = |stored: &Stored| offsets.contains(&stored.offset);
        for stored in decoded.into_iter().filter(wanted) {
            bytes += stored.record.bytes_len();
            entries.push_back(Entry {
                partition,
                offset: stored.offset,
                record: stored.record,
            });
        }
        let last = entries
            .back()
            .filter(|_| bytes >= READ_BYTES_MAX || entries.len() >= max);
        if let Some(last) = last {
            next = last.offset + 1;
            break;
        }
    }
    Ok(Chunk { row, entries, next })
}

fn row(txn: &ReadTransaction, at: (u32, u32)) -> Result<Row, redb::Error> {
    let row = txn.open_table(PARTITIONS)?.get(at)?;
    Ok(row.map_or(Row::EMPTY, |row| Row::from_tuple(row.value())))
}

/// First offset of the block that holds `from`, or `from` if none does.
fn containing(blocks: &Blocks, (topic, partition, from): BlockKey) -> Result<u64, redb::Error> {
    let before = (topic, partition, 0)..=(topic, partition, from);
    let Some(entry) = blocks.range(before)?.next_back() else {
        return Ok(from);
    };
    let (key, block) = entry?;
    // A header that cannot be read is reported when the block is decoded.
    let last = block::header(block.value()).map_or(u64::MAX, |header| header.last);
    Ok(if last >= from { key.value().2 } else { from })
}

/// First offset that was written at `time_ms` or later, or the end. Blocks stand in the order of their writing, so half
/// of what is left goes with each look at one.
pub(crate) fn offset_at_time(
    db: &Database,
    (topic, partition): (u32, u32),
    time_ms: i64,
) -> Result<u64, redb::Error> {
    let txn = db.begin_read()?;
    let row = row(&txn, (topic, partition))?;
    let blocks = txn.open_table(BLOCKS)?;
    // Everything below low was written earlier; what stands at high or after it was not.
    let (mut low, mut high) = (row.start, row.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let first = containing(&blocks, (topic, partition, middle))?;
        let found = blocks.range(blocks_from(topic, partition, first))?.next();
        let Some((key, block)) = found.transpose()? else {
            high = middle;
            continue;
        };
        let header = block::header(block.value());
        let (written_ms, last) = header.map_or((0, key.value().2), |h| (h.written_ms, h.last));
        if written_ms >= time_ms {
            high = middle;
        } else {
            low = last + 1;
        }
    }
    let first = blocks.range(blocks_from(topic, partition, low))?.next();
    Ok(first.transpose()?.map_or(row.end, |(key, _)| key.value().2))
}

#[cfg(test)]
mod tests {
    use wardline_service::SystemClock;

    use super::super::EmbeddedLog;
    use super::*;
    use crate::{Cleanup, Log, Record, TopicSpec};

    /// A commit is in the file before its end is told: a reader that was quicker than the telling had read beyond the end of
    /// the log, and its follower took the log for another one.
    #[tokio::test]
    async fn lg8_nothing_is_read_beyond_the_end_that_the_log_tells() {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
        let topic = TopicSpec {
            name: "t".to_owned(),
            partitions: 1,
            cleanup: Cleanup::Compact,
        };
        log.create_topics(&[topic]).await.unwrap();
        let record = |n: u8| Record {
            key: Some(vec![n].into()),
            value: Some("v".into()),
            ..Record::default()
        };
        log.append("t", vec![record(0), record(1)]).await.unwrap();
        log.append("t", vec![record(2)]).await.unwrap();
        let topic = log.shared.topic("t").unwrap();
        for (until, offsets) in [(1, vec![0]), (2, vec![0, 1]), (3, vec![0, 1, 2])] {
            let chunk = log
                .shared
                .with_db("read", |db| chunk(db, &topic, 0, 0..until, 10));
            let chunk = chunk.unwrap();
            let read: Vec<u64> = chunk.entries.iter().map(|entry| entry.offset).collect();
            assert_eq!((read, chunk.next), (offsets, until));
        }
        log.close().await.unwrap();
    }
}
