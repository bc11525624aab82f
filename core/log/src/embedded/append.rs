//! From waiting appends to one commit: offsets are given, records become blocks, all of it is synced once.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::Database;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::block::{Block, Stored, pack};
use super::state::{Shared, Topic};
use super::tables::{self, BLOCKS};
use crate::{LogError, Position, Record, partition_for};

pub(crate) type Positions = Vec<Vec<Position>>;

/// One call of `append` or `append_many` that waits for its commit.
pub(crate) struct Append {
    pub(crate) batches: Vec<(Arc<Topic>, Vec<Record>)>,
    pub(crate) bytes: usize,
    pub(crate) reply: oneshot::Sender<Result<Positions, LogError>>,
    /// Holds the caller's share of the pending bytes until the reply is sent.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What goes to one partition in one commit.
struct Lot {
    topic: Arc<Topic>,
    partition: u32,
    end: u64,
    records: Vec<Stored>,
}

/// Commits all of them together, and answers each.
pub(crate) fn commit(shared: &Shared, appends: Vec<Append>, now_ms: i64, ratio: &mut f32) {
    let mut lots = BTreeMap::new();
    let mut replies = Vec::with_capacity(appends.len());
    for append in appends {
        let placed = place(&mut lots, append.batches);
        replies.push((append.reply, placed, append.permit));
    }
    let lots: Vec<(Lot, Vec<Block>)> = lots
        .into_values()
        .map(|lot| {
            let blocks = pack(&lot.records, now_ms, ratio);
            (lot, blocks)
        })
        .collect();
    let written = shared.with_db("append", |db| write(db, &lots));
    for (reply, placed, _permit) in replies {
        // Nobody may wait any more: a dropped future still writes.
        reply.send(written.clone().map(|()| placed)).ok();
    }
}

fn place(
    lots: &mut BTreeMap<(u32, u32), Lot>,
    batches: Vec<(Arc<Topic>, Vec<Record>)>,
) -> Positions {
    let mut positions = Vec::with_capacity(batches.len());
    for (topic, records) in batches {
        let mut of_batch = Vec::with_capacity(records.len());
        for record in records {
            let partition = partition_for(record.key.as_deref(), topic.count());
            let lot = lots.entry((topic.id, partition)).or_insert_with(|| Lot {
                topic: Arc::clone(&topic),
                partition,
                end: topic.partition(partition).map_or(0, |p| p.row().end),
                records: Vec::new(),
            });
            let offset = lot.end;
            lot.end += 1;
            lot.records.push(Stored {
                offset,
                horizon_ms: None,
                record,
            });
            of_batch.push(Position { partition, offset });
        }
        positions.push(of_batch);
    }
    positions
}

fn write(db: &Database, lots: &[(Lot, Vec<Block>)]) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    let mut rows = Vec::with_capacity(lots.len());
    {
        let mut table = txn.open_table(BLOCKS)?;
        for (lot, blocks) in lots {
            let Ok(partition) = lot.topic.partition(lot.partition) else {
                continue;
            };
            let mut row = partition.row();
            for block in blocks {
                let key = (lot.topic.id, lot.partition, block.first);
                table.insert(key, block.bytes.as_slice())?;
                row.stored_bytes += block.bytes.len() as u64;
                row.dirty_bytes += block.bytes.len() as u64;
            }
            row.end = lot.end;
            rows.push((lot, partition, row));
        }
    }
    for (lot, _, row) in &rows {
        tables::put_row(&txn, lot.topic.id, lot.partition, *row)?;
    }
    txn.commit()?;
    for (_, partition, row) in rows {
        partition.publish(row);
    }
    Ok(())
}
