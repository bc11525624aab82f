//! state.redb: facts, positions, counters, published rows and their outbox, changed together or not at all.
//!
//! What it keeps true:
//! - one `commit` is one transaction, synced: state never stands for other positions than the ones beside it (P5);
//! - a `Batch` holds absolute values, so repeating a commit whose end is unknown changes nothing;
//! - a file that was opened again after an error holds every commit that was acknowledged, or it is damaged;
//! - memory is bounded by the page cache and by what a batch may hold.
//!
//! The file itself is core/disk's matter.

mod read;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::Serialize;
use wardline_disk::{Disk, FileDisk, Kind, RedbFile};

use crate::error::AggregatorError;
use crate::limits::{STORE_CACHE_BYTES, UNREADABLE_KEPT_MAX};
use tables::{
    CHECKPOINTS, COUNTERS, FACTS, FORMAT, META, META_BEDS, META_COMMITS, META_HORIZON, OUTBOX,
    POSITIONS, PUBLISHED, SPEAKERS, UNREADABLE,
};
pub(crate) use tables::{Checkpoint, Cursor, LastCopy, Queued, RowKey, Spoke, Unreadable, ViewRow};
pub use tables::{FoldCounts, Mark, Problem};

const KIND: Kind = Kind {
    name: "aggregator state",
    format: FORMAT,
    cache_bytes: STORE_CACHE_BYTES,
    if_damaged: "move it away and start again: the state is computed anew from the log",
};

/// Everything that one commit changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    /// Fact key -> fact, or `None` to delete it.
    pub(crate) facts: BTreeMap<String, Option<Vec<u8>>>,
    pub(crate) positions: BTreeMap<String, Mark>,
    pub(crate) counters: BTreeMap<String, FoldCounts>,
    pub(crate) speakers: BTreeMap<String, Spoke>,
    /// Rows of views that say something new.
    pub(crate) rows: BTreeMap<RowKey, ViewRow>,
    /// How far the outbox is published, and need not be kept.
    pub(crate) published: Cursor,
    pub(crate) unreadable: BTreeMap<u64, Unreadable>,
    pub(crate) horizon_ms: Option<i64>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
            && self.positions.is_empty()
            && self.counters.is_empty()
            && self.speakers.is_empty()
            && self.rows.is_empty()
            && self.published.is_empty()
            && self.unreadable.is_empty()
            && self.horizon_ms.is_none()
    }
}

pub(crate) struct Store {
    file: RedbFile,
    /// The number of the last commit that is known to be on disk.
    commits: AtomicU64,
}

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, AggregatorError> {
        let store = Self::on(FileDisk::new(path));
        store.file.open_or_create(initialise)?;
        store.start()
    }

    /// Opens a stopped aggregator's file; never makes one.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, AggregatorError> {
        let store = Self::on(FileDisk::new(path));
        store.file.open(|_| Ok(()))?;
        store.start()
    }

    fn on(disk: impl Disk) -> Self {
        Self {
            file: RedbFile::new(disk, KIND),
            commits: AtomicU64::new(0),
        }
    }

    fn start(self) -> Result<Self, AggregatorError> {
        let commits = self.file.with("read its commits", commits)?;
        self.commits.store(commits, Ordering::Release);
        Ok(self)
    }

    /// Runs one piece of work on the open file; after an error the next use opens it anew.
    fn run<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, AggregatorError> {
        if !self.file.is_open() {
            self.file.open(|db| self.check(db))?;
        }
        Ok(self.file.with(doing, work)?)
    }

    /// A file that holds less than was acknowledged is not the one that was closed, or its disk lost what it had synced.
    fn check(&self, db: &Database) -> Result<(), redb::Error> {
        let (found, known) = (commits(db)?, self.commits.load(Ordering::Acquire));
        if found < known {
            return Err(redb::Error::Corrupted(format!(
                "its last commit is number {found}, number {known} was acknowledged"
            )));
        }
        Ok(())
    }

    /// One numbered transaction, synced.
    fn write(
        &self,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), AggregatorError> {
        self.file.admit(1)?;
        let number = self.run(doing, |db| {
            let tx = db.begin_write()?;
            work(&tx)?;
            let number = {
                let mut meta = tx.open_table(META)?;
                let number = count(&meta)? + 1;
                meta.insert(META_COMMITS, number.to_be_bytes().as_slice())?;
                number
            };
            tx.commit()?;
            Ok(number)
        })?;
        self.commits.fetch_max(number, Ordering::AcqRel);
        Ok(())
    }

    /// The number of the last commit on disk.
    pub(crate) fn version(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Waits for the work that is under way and gives the file free; nothing is written any more.
    pub(crate) fn close(&self) {
        self.file.close();
    }

    /// All of a batch, durable, or nothing of it.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), AggregatorError> {
        self.write("commit", |tx| write_batch(tx, batch))
    }

    /// The text of each site's bed list.
    pub(crate) fn set_beds(&self, texts: &BTreeMap<String, String>) -> Result<(), AggregatorError> {
        if self.beds()? == *texts {
            return Ok(());
        }
        let json = to_json(texts);
        self.write("keep the bed lists", |tx| {
            tx.open_table(META)?.insert(META_BEDS, json.as_slice())?;
            Ok(())
        })
    }

    pub(crate) fn put_checkpoint(
        &self,
        key: &str,
        value: &Checkpoint,
    ) -> Result<(), AggregatorError> {
        let json = to_json(value);
        self.write("keep a checkpoint", |tx| {
            tx.open_table(CHECKPOINTS)?.insert(key, json.as_slice())?;
            Ok(())
        })
    }
}

/// Made at once, so that readers never meet a missing table.
fn initialise(db: &Database) -> Result<(), redb::Error> {
    let tx = db.begin_write()?;
    for table in [FACTS, POSITIONS, COUNTERS, SPEAKERS, CHECKPOINTS, META] {
        tx.open_table(table)?;
    }
    tx.open_table(PUBLISHED)?;
    tx.open_table(OUTBOX)?;
    tx.open_table(UNREADABLE)?;
    tx.commit()?;
    Ok(())
}

fn commits(db: &Database) -> Result<u64, redb::Error> {
    count(&db.begin_read()?.open_table(META)?)
}

fn count(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<u64, redb::Error> {
    let bytes = meta.get(META_COMMITS)?;
    Ok(bytes
        .and_then(|v| Some(u64::from_be_bytes(v.value().try_into().ok()?)))
        .unwrap_or(0))
}

fn write_batch(tx: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    let mut facts = tx.open_table(FACTS)?;
    for (key, value) in &batch.facts {
        match value {
            Some(value) => facts.insert(key.as_str(), value.as_slice())?,
            None => facts.remove(key.as_str())?,
        };
    }
    let mut positions = tx.open_table(POSITIONS)?;
    for (key, mark) in &batch.positions {
        positions.insert(key.as_str(), to_json(mark).as_slice())?;
    }
    let mut counters = tx.open_table(COUNTERS)?;
    for (site, counts) in &batch.counters {
        counters.insert(site.as_str(), to_json(counts).as_slice())?;
    }
    let mut speakers = tx.open_table(SPEAKERS)?;
    for (agent, spoke) in &batch.speakers {
        speakers.insert(agent.as_str(), to_json(spoke).as_slice())?;
    }
    write_rows(tx, batch)?;
    let mut unreadable = tx.open_table(UNREADABLE)?;
    for (n, what) in &batch.unreadable {
        unreadable.insert(n, to_json(what).as_slice())?;
    }
    while unreadable.len()? > UNREADABLE_KEPT_MAX {
        unreadable.pop_first()?;
    }
    if let Some(horizon) = batch.horizon_ms {
        tx.open_table(META)?
            .insert(META_HORIZON, horizon.to_be_bytes().as_slice())?;
    }
    Ok(())
}

fn write_rows(tx: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    let mut outbox = tx.open_table(OUTBOX)?;
    for (topic, to) in &batch.published {
        outbox.retain_in((*topic, 0)..=(*topic, *to), |_, _| false)?;
    }
    let mut published = tx.open_table(PUBLISHED)?;
    for ((topic, key), row) in &batch.rows {
        let key = key.as_str();
        outbox.insert((*topic, row.seq), (key, row.json.as_deref()))?;
        match row.json {
            Some(_) => published.insert((*topic, key), row.hash)?,
            None => published.remove((*topic, key))?,
        };
    }
    Ok(())
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    // These types have string keys and no failing parts: an empty value cannot come from here.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
