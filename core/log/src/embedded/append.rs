//! From waiting appends to one commit: offsets are given, records become blocks, all of it is synced once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use redb::Database;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::block::{Block, Stored, pack};
use super::state::{Partition, Shared, Topic};
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
struct PartitionBatch {
    state: Arc<Partition>,
    end: u64,
    records: Vec<Stored>,
    blocks: Vec<Block>,
}

/// By topic id and partition.
type Batches = BTreeMap<(u32, u32), PartitionBatch>;

/// Commits all of them together, and answers each.
pub(crate) fn commit(shared: &Shared, appends: Vec<Append>, now_ms: i64, ratio: &mut f32) {
    let mut batches = Batches::new();
    let mut waiting = Vec::with_capacity(appends.len());
    let mut placed = Ok(());
    for append in appends {
        let positions = place(&mut batches, append.batches).unwrap_or_else(|error| {
            placed = Err(error);
            Positions::new()
        });
        waiting.push((append.reply, positions, append.permit));
    }
    for batch in batches.values_mut() {
        batch.blocks = pack(&batch.records, now_ms, ratio);
    }
    let written = placed
        .and_then(|()| shared.add("append", stored_bytes(&batches), |db| write(db, &batches)));
    for (reply, positions, _permit) in waiting {
        // Nobody may wait any more: a dropped future still writes.
        reply.send(written.clone().map(|()| positions)).ok();
    }
}

fn stored_bytes(batches: &Batches) -> u64 {
    let blocks = batches.values().flat_map(|batch| &batch.blocks);
    blocks.map(|block| block.bytes.len() as u64).sum()
}

fn place(
    batches: &mut Batches,
    appended: Vec<(Arc<Topic>, Vec<Record>)>,
) -> Result<Positions, LogError> {
    let mut positions = Vec::with_capacity(appended.len());
    for (topic, records) in appended {
        let mut of_topic = Vec::with_capacity(records.len());
        for record in records {
            let partition = partition_for(record.key.as_deref(), topic.count());
            let batch = match batches.entry((topic.id, partition)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let state = Arc::clone(topic.partition(partition)?);
                    new.insert(PartitionBatch {
                        end: state.row().end,
                        state,
                        records: Vec::new(),
                        blocks: Vec::new(),
                    })
                }
            };
            let offset = batch.end;
            batch.end += 1;
            batch.records.push(Stored {
                offset,
                horizon_ms: None,
                record,
            });
            of_topic.push(Position { partition, offset });
        }
        positions.push(of_topic);
    }
    Ok(positions)
}

fn write(db: &Database, batches: &Batches) -> Result<(), redb::Error> {
    let txn = db.begin_write()?;
    let mut rows = Vec::with_capacity(batches.len());
    {
        let mut table = txn.open_table(BLOCKS)?;
        for ((topic, partition), batch) in batches {
            let mut row = batch.state.row();
            for block in &batch.blocks {
                let key = (*topic, *partition, block.first);
                table.insert(key, block.bytes.as_slice())?;
                row.stored_bytes += block.bytes.len() as u64;
                row.dirty_bytes += block.bytes.len() as u64;
            }
            row.end = batch.end;
            rows.push(((*topic, *partition), &batch.state, row));
        }
    }
    for ((topic, partition), _, row) in &rows {
        tables::put_row(&txn, *topic, *partition, *row)?;
    }
    txn.commit()?;
    for (_, state, row) in rows {
        state.publish(row);
    }
    Ok(())
}
