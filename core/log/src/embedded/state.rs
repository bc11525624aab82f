//! The log's shape in memory: topics, partitions, and what of them is durable.
//!
//! A partition's row in memory is what was acknowledged; only the committer changes it, after the commit. After a
//! failed commit the file may hold more than the row says. `recover` opens the file again and rolls that back before
//! anybody can read it, so an append that failed is not in the log (rule LG33).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::{Database, ReadableTable, WriteTransaction};
use tokio::sync::watch;
use wardline_disk::RedbFile;

use super::tables::{self, BLOCKS, Row, Shape, StoredTopic, blocks_from};
use crate::{Cleanup, LogError};

/// What readers follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) closed: bool,
}

pub(crate) struct Partition {
    row: Mutex<Row>,
    range: watch::Sender<Range>,
}

impl Partition {
    pub(crate) fn new(row: Row) -> Self {
        let (range, _) = watch::channel(Range {
            start: row.start,
            end: row.end,
            closed: false,
        });
        Self {
            row: Mutex::new(row),
            range,
        }
    }

    pub(crate) fn row(&self) -> Row {
        *self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a committed row the truth, and wakes the readers.
    pub(crate) fn publish(&self, row: Row) {
        *self.row.lock().unwrap_or_else(PoisonError::into_inner) = row;
        self.range.send_if_modified(|range| {
            let changed = range.start != row.start || range.end != row.end;
            (range.start, range.end) = (row.start, row.end);
            changed
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Range> {
        self.range.subscribe()
    }
}

pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: u32,
    cleanup: Mutex<Cleanup>,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

impl Topic {
    pub(crate) fn new(name: &str, stored: &StoredTopic, rows: &[Row]) -> Self {
        Self {
            name: name.to_owned(),
            id: stored.id,
            cleanup: Mutex::new(stored.cleanup),
            partitions: rows
                .iter()
                .map(|row| Arc::new(Partition::new(*row)))
                .collect(),
        }
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn cleanup(&self) -> Cleanup {
        *self.cleanup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_cleanup(&self, cleanup: Cleanup) {
        *self.cleanup.lock().unwrap_or_else(PoisonError::into_inner) = cleanup;
    }

    pub(crate) fn partition(&self, partition: u32) -> Result<&Arc<Partition>, LogError> {
        self.partitions
            .get(partition as usize)
            .ok_or_else(|| LogError::UnknownPartition {
                topic: self.name.clone(),
                partition,
                partitions: self.count(),
            })
    }
}

/// What the committer, the readers and the handle share.
pub(crate) struct Shared {
    /// Given to the log when it was made.
    pub(crate) id: u128,
    pub(crate) file: RedbFile,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(file: RedbFile) -> Result<Self, LogError> {
        let read = |db: &Database| Ok((tables::shape(db)?, tables::id(db)?));
        let (shape, id) = file.with("read its topics", read)?;
        let topics = shape
            .iter()
            .map(|(name, (stored, rows))| (name.clone(), Arc::new(Topic::new(name, stored, rows))))
            .collect();
        Ok(Self {
            id,
            file,
            topics: RwLock::new(topics),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().cloned().collect()
    }

    pub(crate) fn topic(&self, name: &str) -> Result<Arc<Topic>, LogError> {
        self.check_open()?;
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics
            .get(name)
            .cloned()
            .ok_or_else(|| LogError::UnknownTopic {
                topic: name.to_owned(),
            })
    }

    pub(crate) fn insert_topic(&self, topic: Topic) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.name.clone(), Arc::new(topic));
    }

    pub(crate) fn check_open(&self) -> Result<(), LogError> {
        if self.closed.load(Ordering::Acquire) {
            Err(LogError::Closed)
        } else {
            Ok(())
        }
    }

    /// Reads; after an I/O error the file is opened again and, if that works, it is read once more.
    pub(crate) fn with_db<T>(
        &self,
        doing: &'static str,
        mut run: impl FnMut(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        self.recover()?;
        match self.file.with(doing, &mut run) {
            Err(error) if error.retriable() => {
                self.recover()?;
                Ok(self.file.with(doing, run)?)
            }
            done => Ok(done?),
        }
    }

    /// Adds about so many bytes, once: what fails is refused, and the file is opened again, so that reading goes on.
    pub(crate) fn add(
        &self,
        doing: &'static str,
        bytes: u64,
        run: impl FnOnce(&Database) -> Result<(), redb::Error>,
    ) -> Result<(), LogError> {
        self.recover()?;
        self.file.admit(bytes)?;
        self.change(doing, run)?;
        self.file.moved(bytes, 0);
        Ok(())
    }

    /// Changes what is there, above all to make room: also on a full disk, where it has the reserve to work with.
    pub(crate) fn change<T>(
        &self,
        doing: &'static str,
        run: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, LogError> {
        self.recover()?;
        self.file.with(doing, run).map_err(|error| {
            // What it says is of no interest to whoever waits for this; the next call comes here as well.
            self.recover().ok();
            error.into()
        })
    }

    /// Opens the file again if it failed, and rolls back what failed commits may have left, before anybody can read it.
    fn recover(&self) -> Result<(), LogError> {
        self.check_open()?;
        if self.file.is_open() {
            return Ok(());
        }
        let opened = self.file.open(|db| {
            let shape = self.rollback(db)?;
            self.load(&shape);
            Ok(())
        })?;
        if opened.is_some() {
            tracing::warn!(path = %self.file.path().display(), "log file opened again after a failure");
        }
        Ok(())
    }

    fn rollback(&self, db: &Database) -> Result<Shape, redb::Error> {
        let mut shape = tables::shape(db)?;
        let known = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        self.check_nothing_lost(&known, &shape)?;
        let txn = db.begin_write()?;
        let mut changed = false;
        for (name, (stored, rows)) in &mut shape {
            for (partition, row) in (0_u32..).zip(rows.iter_mut()) {
                let known = known.get(name).and_then(|t| t.partition(partition).ok());
                let end = known.map_or(0, |known| known.row().end);
                if row.end > end {
                    rollback_partition(&txn, (stored.id, partition), row, end)?;
                    changed = true;
                }
            }
        }
        if changed {
            txn.commit()?;
        } else {
            txn.abort()?;
        }
        Ok(shape)
    }

    /// A file that holds less than was acknowledged would give offsets out twice.
    fn check_nothing_lost(
        &self,
        known: &BTreeMap<String, Arc<Topic>>,
        shape: &Shape,
    ) -> Result<(), redb::Error> {
        for (name, topic) in known {
            for (partition, state) in topic.partitions.iter().enumerate() {
                let known = state.row();
                let found = shape.get(name).and_then(|(_, rows)| rows.get(partition));
                let found = found.copied().unwrap_or(Row::EMPTY);
                if found.end < known.end || found.start < known.start {
                    return Err(redb::Error::Corrupted(format!(
                        "{name}/{partition} holds {}..{}, but {}..{} was acknowledged: the disk lost what it said was synced",
                        found.start, found.end, known.start, known.end
                    )));
                }
            }
        }
        Ok(())
    }

    fn load(&self, shape: &Shape) {
        for (name, (stored, rows)) in shape {
            match self.topic(name) {
                Ok(topic) => {
                    for (partition, row) in topic.partitions.iter().zip(rows) {
                        partition.publish(*row);
                    }
                    topic.set_cleanup(stored.cleanup);
                }
                Err(_) => self.insert_topic(Topic::new(name, stored, rows)),
            }
        }
    }

    /// Gives the file free and wakes the readers; they say `Closed` from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.file.close();
        for topic in self.topics() {
            for partition in &topic.partitions {
                partition.range.send_modify(|range| range.closed = true);
            }
        }
    }
}

fn rollback_partition(
    txn: &WriteTransaction,
    (topic, partition): (u32, u32),
    row: &mut Row,
    end: u64,
) -> Result<(), redb::Error> {
    let mut blocks = txn.open_table(BLOCKS)?;
    let mut keys = Vec::new();
    for entry in blocks.range(blocks_from(topic, partition, end))? {
        let (key, block) = entry?;
        keys.push((key.value(), block.value().len() as u64));
    }
    for (key, bytes) in keys {
        blocks.remove(key)?;
        row.stored_bytes = row.stored_bytes.saturating_sub(bytes);
        row.dirty_bytes = row.dirty_bytes.saturating_sub(bytes);
    }
    row.end = end;
    tables::put_row(txn, topic, partition, *row)
}
