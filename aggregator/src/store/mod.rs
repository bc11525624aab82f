//! state.redb: facts, positions, counters and outbox of the views, changed together or not at all.
//!
//! What it keeps true:
//! - one `commit` is one transaction, synced: state never stands for other positions than the ones beside it (P5);
//! - a `Batch` holds absolute values, so repeating a commit whose end is unknown changes nothing;
//! - after an I/O error the file is opened again before it is used again (redb refuses to go on otherwise);
//! - memory is bounded by the page cache and by what a batch may hold.

mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::AggregatorError;
use crate::limits::{STORE_CACHE_BYTES, UNREADABLE_KEPT_MAX};
use tables::{
    CHECKPOINTS, COUNTERS, FACTS, FORMAT, META, META_BEDS, META_FORMAT, META_HORIZON, OUTBOX,
    POSITIONS, UNREADABLE,
};
pub(crate) use tables::{Checkpoint, LastCopy, Unreadable};
pub use tables::{FoldCounts, Mark, Problem};

/// Everything that one commit changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    /// Fact key -> fact, or `None` to delete it.
    pub(crate) facts: BTreeMap<String, Option<Vec<u8>>>,
    pub(crate) positions: BTreeMap<String, Mark>,
    pub(crate) counters: BTreeMap<String, FoldCounts>,
    pub(crate) outbox: BTreeMap<OutboxKey, OutboxRow>,
    /// Published rows: removed if nothing newer has taken their place.
    pub(crate) published: BTreeMap<OutboxKey, u64>,
    pub(crate) unreadable: BTreeMap<u64, Unreadable>,
    pub(crate) horizon_ms: Option<i64>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
            && self.positions.is_empty()
            && self.counters.is_empty()
            && self.outbox.is_empty()
            && self.published.is_empty()
            && self.unreadable.is_empty()
            && self.horizon_ms.is_none()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OutboxKey {
    pub(crate) topic: String,
    pub(crate) key: String,
}

impl OutboxKey {
    fn stored(&self) -> String {
        format!("{}\0{}", self.topic, self.key)
    }

    fn read(stored: &str) -> Option<Self> {
        let (topic, key) = stored.split_once('\0')?;
        Some(Self {
            topic: topic.to_owned(),
            key: key.to_owned(),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    /// Grows with every change, so that removing a published row never removes a newer one.
    pub(crate) seq: u64,
    /// `None` is a tombstone.
    pub(crate) json: Option<Vec<u8>>,
}

impl OutboxRow {
    fn stored(&self) -> Vec<u8> {
        let mut out = self.seq.to_be_bytes().to_vec();
        out.extend_from_slice(self.json.as_deref().unwrap_or_default());
        out
    }

    fn read(stored: &[u8]) -> Option<Self> {
        let (seq, json) = stored.split_first_chunk::<8>()?;
        Some(Self {
            seq: u64::from_be_bytes(*seq),
            json: (!json.is_empty()).then(|| json.to_vec()),
        })
    }
}

pub(crate) struct Store {
    path: PathBuf,
    db: Mutex<Slot>,
}

enum Slot {
    Open(Database),
    /// After an I/O error, until the next use opens it again.
    Failed,
    /// For good.
    Closed,
}

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, AggregatorError> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|error| AggregatorError::Store {
                path: path.to_owned(),
                doing: "create its folder",
                why: error.to_string(),
            })?;
        }
        let store = Self {
            path: path.to_owned(),
            db: Mutex::new(Slot::Open(database(path)?)),
        };
        store.check_format()?;
        Ok(store)
    }

    /// Opens a stopped aggregator's file; never makes one.
    pub(crate) fn open_existing(path: &Path) -> Result<Self, AggregatorError> {
        if !path.exists() {
            return Err(AggregatorError::StoreMissing {
                path: path.to_owned(),
            });
        }
        Self::open(path)
    }

    fn check_format(&self) -> Result<(), AggregatorError> {
        let found = self.run("read its format", |db| {
            let tx = db.begin_write()?;
            let found = {
                let mut meta = tx.open_table(META)?;
                // Made here so that readers never meet a missing table.
                for table in [FACTS, POSITIONS, COUNTERS, OUTBOX, CHECKPOINTS] {
                    tx.open_table(table)?;
                }
                tx.open_table(UNREADABLE)?;
                let found = meta
                    .get(META_FORMAT)?
                    .and_then(|v| Some(u64::from_be_bytes(v.value().try_into().ok()?)));
                if found.is_none() {
                    meta.insert(META_FORMAT, FORMAT.to_be_bytes().as_slice())?;
                }
                found
            };
            tx.commit()?;
            Ok(found)
        })?;
        match found {
            Some(found) if found > FORMAT => Err(AggregatorError::StoreNewer {
                path: self.path.clone(),
                found,
                known: FORMAT,
            }),
            _ => Ok(()),
        }
    }

    /// Runs one piece of work on the open file; an error closes it, so that the next use opens it anew.
    fn run<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, AggregatorError> {
        let mut slot = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let db = match std::mem::replace(&mut *slot, Slot::Failed) {
            Slot::Open(db) => db,
            Slot::Failed => database(&self.path)?,
            Slot::Closed => {
                *slot = Slot::Closed;
                return Err(AggregatorError::Store {
                    path: self.path.clone(),
                    doing,
                    why: "it is closed".to_owned(),
                });
            }
        };
        match work(&db) {
            Ok(value) => {
                *slot = Slot::Open(db);
                Ok(value)
            }
            Err(error) => Err(explained(&self.path, doing, error)),
        }
    }

    /// Waits for the work that is under way and gives the file free; nothing is written any more.
    pub(crate) fn close(&self) {
        *self.db.lock().unwrap_or_else(PoisonError::into_inner) = Slot::Closed;
    }

    /// All of a batch, durable, or nothing of it.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), AggregatorError> {
        self.run("commit", |db| {
            let tx = db.begin_write()?;
            write_batch(&tx, batch)?;
            tx.commit()?;
            Ok(())
        })
    }

    pub(crate) fn set_beds(&self, text: &str) -> Result<(), AggregatorError> {
        self.run("keep the bed list", |db| {
            let tx = db.begin_write()?;
            let same = {
                let mut meta = tx.open_table(META)?;
                let same = meta
                    .get(META_BEDS)?
                    .is_some_and(|v| v.value() == text.as_bytes());
                if !same {
                    meta.insert(META_BEDS, text.as_bytes())?;
                }
                same
            };
            if same {
                tx.abort()?;
            } else {
                tx.commit()?;
            }
            Ok(())
        })
    }

    pub(crate) fn beds(&self) -> Result<String, AggregatorError> {
        Ok(self
            .meta(META_BEDS)?
            .map(|v| String::from_utf8_lossy(&v).into_owned())
            .unwrap_or_default())
    }

    pub(crate) fn horizon_ms(&self) -> Result<Option<i64>, AggregatorError> {
        Ok(self
            .meta(META_HORIZON)?
            .and_then(|v| Some(i64::from_be_bytes(v.try_into().ok()?))))
    }

    fn meta(&self, key: &'static str) -> Result<Option<Vec<u8>>, AggregatorError> {
        self.run("read its settings", |db| {
            let meta = db.begin_read()?.open_table(META)?;
            Ok(meta.get(key)?.map(|v| v.value().to_vec()))
        })
    }

    /// Hands every fact to `each`, in key order. What cannot be read is named: it was written by this program.
    pub(crate) fn for_each_fact<F>(&self, mut each: F) -> Result<(), AggregatorError>
    where
        F: FnMut(crate::ledger::Fact),
    {
        let bad = self.run("read facts", |db| {
            let table = db.begin_read()?.open_table(FACTS)?;
            for row in table.iter()? {
                let (key, value) = row?;
                match serde_json::from_slice(value.value()) {
                    Ok(fact) => each(fact),
                    Err(error) => return Ok(Some(format!("fact {:?}: {error}", key.value()))),
                }
            }
            Ok(None)
        })?;
        bad.map_or(Ok(()), |what| Err(self.damaged(what)))
    }

    pub(crate) fn fact_count(&self) -> Result<u64, AggregatorError> {
        self.run("count facts", |db| {
            Ok(db.begin_read()?.open_table(FACTS)?.len()?)
        })
    }

    pub(crate) fn positions(&self) -> Result<BTreeMap<String, Mark>, AggregatorError> {
        self.all(POSITIONS, "positions")
    }

    pub(crate) fn counters(&self) -> Result<BTreeMap<String, FoldCounts>, AggregatorError> {
        self.all(COUNTERS, "counters")
    }

    pub(crate) fn checkpoint(&self, key: &str) -> Result<Option<Checkpoint>, AggregatorError> {
        let found = self.run("read a checkpoint", |db| {
            let table = db.begin_read()?.open_table(CHECKPOINTS)?;
            Ok(table.get(key)?.map(|v| v.value().to_vec()))
        })?;
        // A hint that cannot be read is no hint: the centre's log is read from the start.
        Ok(found.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    pub(crate) fn put_checkpoint(
        &self,
        key: &str,
        value: &Checkpoint,
    ) -> Result<(), AggregatorError> {
        let json = to_json(value);
        self.run("keep a checkpoint", |db| {
            let tx = db.begin_write()?;
            tx.open_table(CHECKPOINTS)?.insert(key, json.as_slice())?;
            tx.commit()?;
            Ok(())
        })
    }

    fn all<T: DeserializeOwned>(
        &self,
        table: redb::TableDefinition<'static, &'static str, &'static [u8]>,
        name: &'static str,
    ) -> Result<BTreeMap<String, T>, AggregatorError> {
        let read = self.run("read", |db| {
            let table = db.begin_read()?.open_table(table)?;
            let mut out = BTreeMap::new();
            for row in table.iter()? {
                let (key, value) = row?;
                match serde_json::from_slice(value.value()) {
                    Ok(value) => out.insert(key.value().to_owned(), value),
                    Err(error) => return Ok(Err(format!("{name} {:?}: {error}", key.value()))),
                };
            }
            Ok(Ok(out))
        })?;
        read.map_err(|what| self.damaged(what))
    }

    /// The first rows of the outbox, by topic and key.
    pub(crate) fn outbox(
        &self,
        max: usize,
    ) -> Result<Vec<(OutboxKey, OutboxRow)>, AggregatorError> {
        self.run("read the outbox", |db| {
            let table = db.begin_read()?.open_table(OUTBOX)?;
            let mut out = Vec::new();
            for row in table.iter()?.take(max) {
                let (key, value) = row?;
                if let (Some(key), Some(row)) =
                    (OutboxKey::read(key.value()), OutboxRow::read(value.value()))
                {
                    out.push((key, row));
                }
            }
            Ok(out)
        })
    }

    /// Highest outbox sequence number in the file; 0 when it is empty.
    pub(crate) fn outbox_seq(&self) -> Result<u64, AggregatorError> {
        let rows = self.outbox(usize::MAX)?;
        Ok(rows.iter().map(|(_, row)| row.seq).max().unwrap_or(0))
    }

    /// Newest first.
    pub(crate) fn unreadable(&self, max: usize) -> Result<Vec<(u64, Unreadable)>, AggregatorError> {
        self.run("read what was unreadable", |db| {
            let table = db.begin_read()?.open_table(UNREADABLE)?;
            let mut out = Vec::new();
            for row in table.iter()?.rev().take(max) {
                let (n, value) = row?;
                if let Ok(value) = serde_json::from_slice(value.value()) {
                    out.push((n.value(), value));
                }
            }
            Ok(out)
        })
    }

    fn damaged(&self, what: String) -> AggregatorError {
        AggregatorError::StoreDamaged {
            path: self.path.clone(),
            what,
        }
    }
}

fn write_batch(tx: &redb::WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
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
    let mut outbox = tx.open_table(OUTBOX)?;
    for (key, row) in &batch.outbox {
        outbox.insert(key.stored().as_str(), row.stored().as_slice())?;
    }
    for (key, seq) in &batch.published {
        let stored = key.stored();
        let same = outbox
            .get(stored.as_str())?
            .and_then(|v| OutboxRow::read(v.value()))
            .is_some_and(|row| row.seq <= *seq);
        if same {
            outbox.remove(stored.as_str())?;
        }
    }
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

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    // These types have string keys and no failing parts: an empty value cannot come from here.
    serde_json::to_vec(value).unwrap_or_default()
}

fn database(path: &Path) -> Result<Database, AggregatorError> {
    Database::builder()
        .set_cache_size(STORE_CACHE_BYTES)
        .create(path)
        .map_err(|error| explained(path, "be opened", error.into()))
}

fn explained(path: &Path, doing: &'static str, error: redb::Error) -> AggregatorError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => AggregatorError::StoreLocked { path },
        redb::Error::Corrupted(what) => AggregatorError::StoreDamaged { path, what },
        redb::Error::UpgradeRequired(version) => AggregatorError::StoreDamaged {
            path,
            what: format!("redb file format {version}"),
        },
        other => AggregatorError::Store {
            path,
            doing,
            why: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
