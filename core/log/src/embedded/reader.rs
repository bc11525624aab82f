//! Reads one partition: short snapshots, decoded ahead up to a bound, woken by the commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::block;
use super::state::{Range, Shared, Topic};
use super::tables::{BLOCKS, BlockKey, PARTITIONS, Row, blocks_from};
use crate::wire::Wrong;
use crate::{Entry, LogError, READ_BYTES_MAX, Reader};

pub(crate) struct EmbeddedReader {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    partition: u32,
    range: watch::Receiver<Range>,
    /// Decoded and not yet returned.
    ahead: VecDeque<Entry>,
    /// What comes after `ahead`.
    next: u64,
}

/// What one snapshot gave.
enum Chunk {
    Entries(VecDeque<Entry>, u64),
    /// The position is not in the log.
    Outside(Row),
    BadBlock(u64, Wrong),
}

impl EmbeddedReader {
    pub(crate) fn new(
        shared: Arc<Shared>,
        topic: Arc<Topic>,
        partition: u32,
        from: u64,
    ) -> Result<Self, LogError> {
        let range = topic.partition(partition)?.watch();
        let reader = Self {
            shared,
            topic,
            partition,
            range,
            ahead: VecDeque::new(),
            next: from,
        };
        let Range { start, end, .. } = *reader.range.borrow();
        if from < start || from > end {
            return Err(reader.outside(start, end));
        }
        Ok(reader)
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

    /// Takes from what is decoded.
    fn take(&mut self, max: usize) -> Vec<Entry> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.ahead.front() {
            bytes += entry.record.bytes_len();
            if taken.len() >= max || (bytes > READ_BYTES_MAX && !taken.is_empty()) {
                break;
            }
            taken.extend(self.ahead.pop_front());
        }
        taken
    }

    async fn fill(&mut self) -> Result<(), LogError> {
        let (shared, id) = (Arc::clone(&self.shared), self.topic.id);
        let (partition, from) = (self.partition, self.next);
        let read = move || shared.with_db("read", |db| chunk(db, id, partition, from));
        let chunk = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| LogError::Closed)??;
        match chunk {
            Chunk::Entries(entries, next) => {
                self.ahead = entries;
                self.next = next;
                Ok(())
            }
            Chunk::Outside(row) => Err(self.outside(row.start, row.end)),
            Chunk::BadBlock(at, what) => {
                let file = &self.shared.file;
                Err(file.bad_block(&self.topic.name, partition, at, what))
            }
        }
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            if max == 0 || !self.ahead.is_empty() {
                return Ok(self.take(max));
            }
            let Range { start, end, closed } = *self.range.borrow_and_update();
            if closed {
                return Err(LogError::Closed);
            }
            if self.next < start || self.next > end {
                return Err(self.outside(start, end));
            }
            if self.next < end {
                self.fill().await?;
                continue;
            }
            match timeout_at(deadline, self.range.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(LogError::Closed),
                Err(_) => return Ok(Vec::new()),
            }
        }
    }

    fn position(&self) -> u64 {
        self.ahead.front().map_or(self.next, |entry| entry.offset)
    }
}

type Blocks = ReadOnlyTable<BlockKey, &'static [u8]>;

fn chunk(db: &Database, topic: u32, partition: u32, from: u64) -> Result<Chunk, redb::Error> {
    let txn = db.begin_read()?;
    let row = txn.open_table(PARTITIONS)?.get((topic, partition))?;
    let row = row.map_or(Row::EMPTY, |row| Row::from_tuple(row.value()));
    if from < row.start || from > row.end {
        return Ok(Chunk::Outside(row));
    }
    let blocks = txn.open_table(BLOCKS)?;
    let first = containing(&blocks, topic, partition, from)?;
    let mut entries = VecDeque::new();
    let mut bytes = 0;
    for entry in blocks.range(blocks_from(topic, partition, first))? {
        let (key, value) = entry?;
        let decoded = match block::decode(value.value()) {
            Ok(decoded) => decoded,
            // What is good before the bad block is still to be read.
            Err(_) if !entries.is_empty() => return Ok(Chunk::Entries(entries, key.value().2)),
            Err(what) => return Ok(Chunk::BadBlock(key.value().2, what)),
        };
        let mut next = from;
        for stored in decoded.into_iter().filter(|stored| stored.offset >= from) {
            bytes += stored.record.bytes_len();
            next = stored.offset + 1;
            entries.push_back(Entry {
                partition,
                offset: stored.offset,
                record: stored.record,
            });
        }
        if bytes >= READ_BYTES_MAX && !entries.is_empty() {
            return Ok(Chunk::Entries(entries, next));
        }
    }
    // Beyond the last block there may be a hole that compaction left: it counts as read.
    Ok(Chunk::Entries(entries, row.end))
}

/// First offset of the block that holds `from`, or `from` if none does.
fn containing(blocks: &Blocks, topic: u32, partition: u32, from: u64) -> Result<u64, redb::Error> {
    let before = (topic, partition, 0)..=(topic, partition, from);
    let Some(entry) = blocks.range(before)?.next_back() else {
        return Ok(from);
    };
    let (key, block) = entry?;
    // A header that cannot be read is reported when the block is decoded.
    let last = block::header(block.value()).map_or(u64::MAX, |header| header.last);
    Ok(if last >= from { key.value().2 } else { from })
}
