//! What is asked of state.redb: each question is one short read transaction.
//!
//! What is asked for once at the start may be long (facts, published rows); what is asked for again and again has a most.
//! A row that cannot be read is damage and named, except a checkpoint: that is a hint.

use std::collections::BTreeMap;

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};
use serde::de::DeserializeOwned;

use super::Store;
use super::tables::{
    CHECKPOINTS, COUNTERS, Checkpoint, FACTS, FoldCounts, META, META_BEDS, META_HORIZON, Mark,
    OUTBOX, POSITIONS, PUBLISHED, Queued, SPEAKERS, Spoke, UNREADABLE, Unreadable,
};
use crate::error::AggregatorError;

impl Store {
    /// The text of each site's bed list.
    pub(crate) fn beds(&self) -> Result<BTreeMap<String, String>, AggregatorError> {
        let json = self.meta(META_BEDS)?;
        Ok(json
            .and_then(|json| serde_json::from_slice(&json).ok())
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
        self.run("read facts", |db| {
            let table = db.begin_read()?.open_table(FACTS)?;
            for row in table.iter()? {
                let (key, value) = row?;
                each(of_json("fact", key.value(), value.value())?);
            }
            Ok(())
        })
    }

    pub(crate) fn fact_count(&self) -> Result<u64, AggregatorError> {
        self.run("count facts", |db| {
            Ok(db.begin_read()?.open_table(FACTS)?.len()?)
        })
    }

    pub(crate) fn checkpoints(&self) -> Result<BTreeMap<String, Checkpoint>, AggregatorError> {
        self.all(CHECKPOINTS, "checkpoints")
    }

    pub(crate) fn positions(&self) -> Result<BTreeMap<String, Mark>, AggregatorError> {
        self.all(POSITIONS, "position")
    }

    pub(crate) fn counters(&self) -> Result<BTreeMap<String, FoldCounts>, AggregatorError> {
        self.all(COUNTERS, "counter")
    }

    pub(crate) fn speakers(&self) -> Result<BTreeMap<String, Spoke>, AggregatorError> {
        self.all(SPEAKERS, "speaker")
    }

    pub(crate) fn checkpoint(&self, key: &str) -> Result<Option<Checkpoint>, AggregatorError> {
        let found = self.run("read a checkpoint", |db| {
            let table = db.begin_read()?.open_table(CHECKPOINTS)?;
            Ok(table.get(key)?.map(|v| v.value().to_vec()))
        })?;
        // A hint that cannot be read is no hint: the centre's log is read from the start.
        Ok(found.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    fn all<T: DeserializeOwned>(
        &self,
        table: redb::TableDefinition<'static, &'static str, &'static [u8]>,
        name: &'static str,
    ) -> Result<BTreeMap<String, T>, AggregatorError> {
        self.run("read", |db| {
            let table = db.begin_read()?.open_table(table)?;
            let mut out = BTreeMap::new();
            for row in table.iter()? {
                let (key, value) = row?;
                let read = of_json(name, key.value(), value.value())?;
                out.insert(key.value().to_owned(), read);
            }
            Ok(out)
        })
    }

    /// Rows that wait for a topic behind a place in its line, in order.
    pub(crate) fn outbox(
        &self,
        topic: &str,
        after: u64,
        max: usize,
    ) -> Result<Vec<Queued>, AggregatorError> {
        self.run("read the outbox", |db| {
            let table = db.begin_read()?.open_table(OUTBOX)?;
            let behind = (topic, after.saturating_add(1))..=(topic, u64::MAX);
            let mut out = Vec::new();
            for row in table.range(behind)?.take(max) {
                let (place, value) = row?;
                let (key, json) = value.value();
                out.push(Queued {
                    seq: place.value().1,
                    key: key.to_owned(),
                    json: json.map(<[u8]>::to_vec),
                });
            }
            Ok(out)
        })
    }

    pub(crate) fn outbox_rows(&self) -> Result<u64, AggregatorError> {
        self.run("count the outbox", |db| {
            Ok(db.begin_read()?.open_table(OUTBOX)?.len()?)
        })
    }

    /// The rows that a view's topic has or is to have, with the hash of what they say.
    pub(crate) fn published(&self, topic: &str) -> Result<BTreeMap<String, u64>, AggregatorError> {
        self.run("read what is published", |db| {
            let table = db.begin_read()?.open_table(PUBLISHED)?;
            let mut out = BTreeMap::new();
            for row in table.range((topic, "")..)? {
                let (key, hash) = row?;
                let (of, key) = key.value();
                if of != topic {
                    break;
                }
                out.insert(key.to_owned(), hash.value());
            }
            Ok(out)
        })
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
}

/// What cannot be read was not written by this program: the file is damaged.
fn of_json<T: DeserializeOwned>(name: &str, key: &str, json: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(json)
        .map_err(|error| redb::Error::Corrupted(format!("{name} {key:?}: {error}")))
}
