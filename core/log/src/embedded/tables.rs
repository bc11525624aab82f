//! The tables of the file, and reading the log's shape back from them (rules LG10 to LG15).
//!
//! The whole shape is read once, when the file is opened: names, partitions and where each begins and ends. What a row
//! contradicts is damage, because one transaction wrote all of them.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::Cleanup;

pub(crate) const NEXT_TOPIC_KEY: &str = "next-topic";
/// The two halves of the log's identity.
pub(crate) const ID_KEYS: [&str; 2] = ["id-high", "id-low"];

/// Names to numbers: the log's identity, and the id of the next topic.
pub(crate) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Topic names to what `StoredTopic` says, as JSON.
pub(crate) const TOPICS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("topics");
/// (topic, partition) to `Row`.
pub(crate) const PARTITIONS: TableDefinition<'static, (u32, u32), RowTuple> =
    TableDefinition::new("partitions");
/// (topic, partition, first offset) to a block.
pub(crate) const BLOCKS: TableDefinition<'static, BlockKey, &[u8]> = TableDefinition::new("blocks");

pub(crate) type BlockKey = (u32, u32, u64);
type RowTuple = (u64, u64, u64, u64, u64, i64);

/// A topic as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredTopic {
    pub(crate) id: u32,
    pub(crate) partitions: u32,
    pub(crate) cleanup: Cleanup,
}

/// What is known of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Compaction has seen everything below.
    pub(crate) cleaned: u64,
    /// Bytes of all blocks.
    pub(crate) stored_bytes: u64,
    /// Bytes of the blocks that compaction has not seen.
    pub(crate) dirty_bytes: u64,
    /// When the next tombstone may go; `i64::MAX` if none waits.
    pub(crate) next_horizon_ms: i64,
}

impl Row {
    pub(crate) const EMPTY: Self = Self {
        start: 0,
        end: 0,
        cleaned: 0,
        stored_bytes: 0,
        dirty_bytes: 0,
        next_horizon_ms: i64::MAX,
    };

    fn tuple(self) -> RowTuple {
        (
            self.start,
            self.end,
            self.cleaned,
            self.stored_bytes,
            self.dirty_bytes,
            self.next_horizon_ms,
        )
    }

    pub(crate) fn from_tuple(tuple: RowTuple) -> Self {
        let (start, end, cleaned, stored_bytes, dirty_bytes, next_horizon_ms) = tuple;
        Self {
            start,
            end,
            cleaned,
            stored_bytes,
            dirty_bytes,
            next_horizon_ms,
        }
    }
}

/// All keys of a partition's blocks from `first` on.
pub(crate) fn blocks_from(
    topic: u32,
    partition: u32,
    first: u64,
) -> std::ops::RangeInclusive<BlockKey> {
    (topic, partition, first)..=(topic, partition, u64::MAX)
}

/// The shape of the log: topics with the rows of their partitions.
pub(crate) type Shape = BTreeMap<String, (StoredTopic, Vec<Row>)>;

/// Writes the tables of an empty log.
pub(crate) fn initialise(db: &Database) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    txn.open_table(TOPICS)?;
    txn.open_table(PARTITIONS)?;
    txn.open_table(BLOCKS)?;
    {
        let mut meta = txn.open_table(META)?;
        meta.insert(NEXT_TOPIC_KEY, 1)?;
        for key in ID_KEYS {
            meta.insert(key, rand::random::<u64>())?;
        }
    }
    txn.commit()?;
    Ok(())
}

/// The log's identity.
pub(crate) fn id(db: &Database) -> Result<u128, redb::Error> {
    let txn = db.begin_read()?;
    let meta = txn.open_table(META)?;
    let mut id = 0;
    for key in ID_KEYS {
        let half = meta.get(key)?.map(|half| half.value());
        let half = half.ok_or_else(|| redb::Error::Corrupted(format!("meta has no {key:?}")))?;
        id = (id << 64) | u128::from(half);
    }
    Ok(id)
}

/// Reads the shape of the log.
pub(crate) fn shape(db: &Database) -> Result<Shape, redb::Error> {
    let txn = db.begin_read()?;
    let rows = txn.open_table(PARTITIONS)?;
    let mut shape = Shape::new();
    for entry in txn.open_table(TOPICS)?.iter()? {
        let (name, stored) = entry?;
        let name = name.value().to_owned();
        let topic: StoredTopic = serde_json::from_slice(stored.value())
            .map_err(|error| redb::Error::Corrupted(format!("topic {name:?}: {error}")))?;
        let mut of_topic = Vec::new();
        for partition in 0..topic.partitions {
            let row = rows.get((topic.id, partition))?;
            let row = row.map_or(Row::EMPTY, |row| Row::from_tuple(row.value()));
            of_topic.push(row);
        }
        shape.insert(name, (topic, of_topic));
    }
    Ok(shape)
}

/// Writes a topic, and gives it the next id if it has none yet (0).
pub(crate) fn put_topic(
    txn: &WriteTransaction,
    name: &str,
    topic: &mut StoredTopic,
) -> Result<(), redb::Error> {
    if topic.id == 0 {
        let mut meta = txn.open_table(META)?;
        let next = meta.get(NEXT_TOPIC_KEY)?.map_or(1, |next| next.value());
        topic.id = u32::try_from(next)
            .map_err(|_| redb::Error::Corrupted("topic ids are used up".to_owned()))?;
        meta.insert(NEXT_TOPIC_KEY, next + 1)?;
    }
    let json = serde_json::to_vec(topic)
        .map_err(|error| redb::Error::Corrupted(format!("topic {name:?}: {error}")))?;
    txn.open_table(TOPICS)?.insert(name, json.as_slice())?;
    Ok(())
}

/// Writes the row of a partition.
pub(crate) fn put_row(
    txn: &WriteTransaction,
    topic: u32,
    partition: u32,
    row: Row,
) -> Result<(), redb::Error> {
    txn.open_table(PARTITIONS)?
        .insert((topic, partition), row.tuple())?;
    Ok(())
}
