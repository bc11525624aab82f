//! Compaction: of each key the newest record stays, at its offset; the others go, and leave holes.
//!
//! A job first reads what no earlier job has seen and notes the newest offset of each key, then rewrites the blocks
//! from the oldest on, a few in one commit. Each commit by itself is right: whatever it drops has a newer record of
//! the same key that is durable. A tombstone is dated when a job first keeps it and goes a grace later, so that a
//! reader that saw the value has time to see that it is gone. Small neighbours are merged on the way.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadableDatabase};

use super::block::{self, Block, Stored, pack};
use super::file::bad_block;
use super::maintain::Effort;
use super::state::{Partition, Shared, Topic};
use super::tables::{self, BLOCKS, blocks_from};
use crate::LogError;
use crate::limits::{
    BLOCK_STORED_BYTES_MAX, COMPACT_DIRTY_BYTES_MIN, COMPACT_KEYS_BYTES_MAX,
    MAINTENANCE_STEP_BLOCKS_MAX, MAINTENANCE_STEP_BYTES_MAX, RECORD_OVERHEAD_BYTES,
    TOMBSTONE_GRACE_MS,
};

pub(crate) struct Job {
    topic: Arc<Topic>,
    partition: u32,
    state: Arc<Partition>,
    /// Where the partition ended when the job began.
    end: u64,
    /// The job cleans below this; a block begins here.
    limit: u64,
    newest: HashMap<Bytes, u64>,
    keys_bytes: usize,
    /// Stored bytes that the scan saw.
    scanned_bytes: u64,
    scanning: bool,
    at: u64,
    next_horizon_ms: i64,
    pub(crate) dropped_records: u64,
    pub(crate) freed_bytes: u64,
}

/// A block as read, in order.
struct Read {
    first: u64,
    bytes: u64,
    written_ms: i64,
    records: Vec<Stored>,
}

/// What a rewriting step does to the blocks it was shown.
#[derive(Default)]
struct Plan {
    remove: Vec<u64>,
    removed_bytes: u64,
    insert: Vec<Block>,
    dropped_records: u64,
    next_horizon_ms: Option<i64>,
}

/// Blocks, and where to go on (`None`: that was all).
type Batch = (Vec<Read>, Option<u64>);

impl Job {
    /// A job, if there is something to do.
    pub(crate) fn begin(
        topic: &Arc<Topic>,
        partition: u32,
        state: &Arc<Partition>,
        effort: Effort,
        now_ms: i64,
    ) -> Option<Self> {
        let row = state.row();
        let enough = match effort {
            Effort::Full => row.cleaned < row.end,
            Effort::Background => {
                row.dirty_bytes >= COMPACT_DIRTY_BYTES_MIN
                    && row.dirty_bytes >= row.stored_bytes / 2
            }
        };
        if !enough && row.next_horizon_ms > now_ms {
            return None;
        }
        Some(Self {
            topic: Arc::clone(topic),
            partition,
            state: Arc::clone(state),
            end: row.end,
            limit: row.end,
            newest: HashMap::new(),
            keys_bytes: 0,
            scanned_bytes: 0,
            scanning: true,
            at: row.cleaned.max(row.start),
            next_horizon_ms: i64::MAX,
            dropped_records: 0,
            freed_bytes: 0,
        })
    }

    /// One step; false when the job is done.
    pub(crate) fn step(
        &mut self,
        shared: &Shared,
        now_ms: i64,
        ratio: &mut f32,
    ) -> Result<bool, LogError> {
        if self.scanning {
            self.scan(shared)?;
            return Ok(true);
        }
        self.rewrite(shared, now_ms, ratio)
    }

    /// What the keys that fit left over.
    pub(crate) fn unfinished(self) -> Option<(Arc<Topic>, u32)> {
        (self.limit < self.end).then_some((self.topic, self.partition))
    }

    fn scan(&mut self, shared: &Shared) -> Result<(), LogError> {
        let (blocks, next) = self.read(shared)?;
        for read in blocks {
            self.scanned_bytes += read.bytes;
            for stored in read.records {
                let Some(key) = stored.record.key else {
                    continue;
                };
                if let Some(newest) = self.newest.get_mut(&key) {
                    *newest = stored.offset;
                } else {
                    self.keys_bytes += key.len() + 64;
                    // Copied: a slice would keep its whole block in memory.
                    let key = Bytes::copy_from_slice(&key);
                    self.newest.insert(key, stored.offset);
                }
            }
        }
        if let Some(next) = next {
            self.at = next;
            if self.keys_bytes < COMPACT_KEYS_BYTES_MAX {
                return Ok(());
            }
            self.limit = next;
        }
        self.scanning = false;
        self.at = 0;
        Ok(())
    }

    fn rewrite(&mut self, shared: &Shared, now_ms: i64, ratio: &mut f32) -> Result<bool, LogError> {
        let (blocks, next) = self.read(shared)?;
        let plan = plan(&blocks, &self.newest, now_ms, ratio);
        let horizon = plan.next_horizon_ms.unwrap_or(i64::MAX);
        self.next_horizon_ms = self.next_horizon_ms.min(horizon);
        let inserted: u64 = plan
            .insert
            .iter()
            .map(|block| block.bytes.len() as u64)
            .sum();
        let last = next.is_none();
        if last || !plan.remove.is_empty() {
            shared.change("compact", |db| self.apply(db, &plan, inserted, last))?;
        }
        self.dropped_records += plan.dropped_records;
        self.freed_bytes += plan.removed_bytes.saturating_sub(inserted);
        self.at = next.unwrap_or(self.limit);
        Ok(!last)
    }

    fn apply(
        &self,
        db: &Database,
        plan: &Plan,
        inserted: u64,
        last: bool,
    ) -> Result<(), redb::Error> {
        let state = &self.state;
        let (topic, partition) = (self.topic.id, self.partition);
        let mut row = state.row();
        row.stored_bytes = row.stored_bytes.saturating_sub(plan.removed_bytes) + inserted;
        if last {
            row.cleaned = self.limit;
            row.dirty_bytes = row.dirty_bytes.saturating_sub(self.scanned_bytes);
            row.next_horizon_ms = self.next_horizon_ms;
        }
        let txn = db.begin_write()?;
        {
            let mut blocks = txn.open_table(BLOCKS)?;
            for first in &plan.remove {
                blocks.remove((topic, partition, *first))?;
            }
            for block in &plan.insert {
                blocks.insert((topic, partition, block.first), block.bytes.as_slice())?;
            }
        }
        tables::put_row(&txn, topic, partition, row)?;
        txn.commit()?;
        state.publish(row);
        Ok(())
    }

    /// The next few blocks from `at`, below `limit`.
    fn read(&self, shared: &Shared) -> Result<Batch, LogError> {
        shared.with_db("compact", |db| self.read_blocks(db))
    }

    fn read_blocks(&self, db: &Database) -> Result<Batch, redb::Error> {
        let (topic, partition) = (&self.topic, self.partition);
        let txn = db.begin_read()?;
        let table = txn.open_table(BLOCKS)?;
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for entry in table.range(blocks_from(topic.id, partition, self.at))? {
            let (key, value) = entry?;
            let first = key.value().2;
            if first >= self.limit {
                break;
            }
            if bytes >= MAINTENANCE_STEP_BYTES_MAX || blocks.len() >= MAINTENANCE_STEP_BLOCKS_MAX {
                return Ok((blocks, Some(first)));
            }
            let raw = value.value();
            let bad = |wrong| bad_block(&topic.name, partition, first, wrong);
            let header = block::header(raw).map_err(bad)?;
            let records = block::decode(raw).map_err(bad)?;
            // As they lie in memory, not as they are stored: view rows pack ten to one.
            let records_bytes = records.iter().map(|stored| stored.record.bytes_len());
            bytes += records_bytes.sum::<usize>() + records.len() * RECORD_OVERHEAD_BYTES;
            blocks.push(Read {
                first,
                bytes: raw.len() as u64,
                written_ms: header.written_ms,
                records,
            });
        }
        Ok((blocks, None))
    }
}

/// Which records stay, and how they are stored. Blocks that stay as they are and are large enough are not touched.
fn plan(blocks: &[Read], newest: &HashMap<Bytes, u64>, now_ms: i64, ratio: &mut f32) -> Plan {
    let mut plan = Plan::default();
    let mut run: Vec<&Read> = Vec::new();
    let mut kept: Vec<Stored> = Vec::new();
    let mut changed = false;
    for block in blocks {
        let survivors = survivors(block, newest, now_ms);
        let horizon = survivors
            .iter()
            .filter_map(|stored| stored.horizon_ms)
            .min();
        plan.next_horizon_ms = plan.next_horizon_ms.into_iter().chain(horizon).min();
        let same = survivors == block.records;
        if same && block.bytes > BLOCK_STORED_BYTES_MAX as u64 / 2 {
            plan.close(&mut run, &mut kept, std::mem::take(&mut changed), ratio);
            continue;
        }
        changed |= !same;
        plan.dropped_records += (block.records.len() - survivors.len()) as u64;
        run.push(block);
        kept.extend(survivors);
    }
    plan.close(&mut run, &mut kept, changed, ratio);
    plan
}

impl Plan {
    /// Ends a run of blocks that are rewritten together.
    fn close(
        &mut self,
        run: &mut Vec<&Read>,
        kept: &mut Vec<Stored>,
        changed: bool,
        ratio: &mut f32,
    ) {
        let written_ms = run.iter().map(|block| block.written_ms).max().unwrap_or(0);
        let bytes: u64 = run.iter().map(|block| block.bytes).sum();
        let new = if changed || run.len() > 1 {
            pack(kept, written_ms, ratio)
        } else {
            Vec::new()
        };
        // Merging alone must make fewer blocks, or every pass would write the same again.
        if changed || (run.len() > 1 && new.len() < run.len()) {
            self.remove.extend(run.iter().map(|block| block.first));
            self.removed_bytes += bytes;
            self.insert.extend(new);
        }
        run.clear();
        kept.clear();
    }
}

fn survivors(block: &Read, newest: &HashMap<Bytes, u64>, now_ms: i64) -> Vec<Stored> {
    let stays = |stored: &&Stored| {
        let key = stored.record.key.as_ref();
        let superseded = key
            .and_then(|key| newest.get(key))
            .is_some_and(|newest| *newest > stored.offset);
        let expired =
            stored.record.value.is_none() && stored.horizon_ms.is_some_and(|at| at <= now_ms);
        !superseded && !expired
    };
    let dated = |stored: &Stored| {
        let mut stored = stored.clone();
        if stored.record.value.is_none()
            && stored.record.key.is_some()
            && stored.horizon_ms.is_none()
        {
            let grace = i64::try_from(TOMBSTONE_GRACE_MS).unwrap_or(i64::MAX);
            stored.horizon_ms = Some(now_ms.saturating_add(grace));
        }
        stored
    };
    block.records.iter().filter(stays).map(dated).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Record;
    use crate::embedded::tables::Row;

    fn stored(offset: u64, key: u8, value: bool) -> Stored {
        Stored {
            offset,
            horizon_ms: None,
            record: Record {
                key: Some(Bytes::from(vec![key])),
                value: value.then(|| Bytes::from(offset.to_string())),
                headers: crate::Headers::new(),
                time_ms: 0,
            },
        }
    }

    fn read(records: Vec<Stored>) -> Read {
        let packed = pack(&records, 5, &mut 1.0);
        Read {
            first: records[0].offset,
            bytes: packed.iter().map(|block| block.bytes.len() as u64).sum(),
            written_ms: 5,
            records,
        }
    }

    /// What the blocks hold after the plan.
    fn after(blocks: &[Read], plan: &Plan) -> Vec<Stored> {
        let mut left: Vec<Stored> = blocks
            .iter()
            .filter(|block| !plan.remove.contains(&block.first))
            .flat_map(|block| block.records.clone())
            .chain(
                plan.insert
                    .iter()
                    .flat_map(|block| block::decode(&block.bytes).unwrap()),
            )
            .collect();
        left.sort_by_key(|stored| stored.offset);
        left
    }

    proptest! {
        #[test]
        fn lg50_the_newest_of_each_key_stays_at_its_offset(
            records in proptest::collection::vec((0_u8..9, any::<bool>()), 1..200),
            cut in 1_usize..40,
        ) {
            let all: Vec<Stored> = (0_u64..)
                .zip(&records)
                .map(|(offset, (key, value))| stored(offset, *key, *value))
                .collect();
            let blocks: Vec<Read> = all.chunks(cut).map(|chunk| read(chunk.to_vec())).collect();
            let newest: HashMap<Bytes, u64> = all
                .iter()
                .map(|stored| (stored.record.key.clone().unwrap(), stored.offset))
                .collect();
            let first = plan(&blocks, &newest, 1000, &mut 1.0);
            let left = after(&blocks, &first);
            let mut want: Vec<(u64, Record)> = newest
                .values()
                .map(|offset| (*offset, all[usize::try_from(*offset).unwrap()].record.clone()))
                .collect();
            want.sort_by_key(|(offset, _)| *offset);
            let have: Vec<(u64, Record)> = left.iter().map(|s| (s.offset, s.record.clone())).collect();
            prop_assert_eq!(have, want);
            prop_assert_eq!(first.dropped_records as usize, all.len() - left.len());

            // Rule LG52: tombstones stay for the grace, then go; values stay.
            let grace = i64::try_from(TOMBSTONE_GRACE_MS).unwrap();
            let again = [read(left.clone())];
            let none = HashMap::new();
            prop_assert!(plan(&again, &none, 1000 + grace - 1, &mut 1.0).remove.is_empty());
            let later = after(&again, &plan(&again, &none, 1000 + grace, &mut 1.0));
            let values: Vec<Stored> = left.into_iter().filter(|s| s.record.value.is_some()).collect();
            prop_assert_eq!(later, values);
        }
    }

    #[test]
    fn lg53_the_background_pass_waits_until_half_is_new() {
        let stored = tables::StoredTopic {
            id: 1,
            partitions: 1,
            cleanup: crate::Cleanup::Compact,
        };
        let topic = Arc::new(Topic::new("t", &stored, &[Row::EMPTY]));
        let begins = |effort, dirty_bytes, next_horizon_ms| {
            let row = Row {
                end: 10,
                stored_bytes: 2 * COMPACT_DIRTY_BYTES_MIN,
                dirty_bytes,
                next_horizon_ms,
                ..Row::EMPTY
            };
            let state = Arc::new(Partition::new(row));
            Job::begin(&topic, 0, &state, effort, 1000).is_some()
        };
        assert!(begins(Effort::Full, 1, i64::MAX));
        assert!(begins(
            Effort::Background,
            COMPACT_DIRTY_BYTES_MIN,
            i64::MAX
        ));
        assert!(!begins(
            Effort::Background,
            COMPACT_DIRTY_BYTES_MIN - 1,
            i64::MAX
        ));
        assert!(begins(Effort::Background, 0, 1000));
        assert!(!begins(Effort::Background, 0, 1001));
    }

    #[test]
    fn lg53_what_is_clean_and_large_is_not_written_again() {
        let large = |from: u64| {
            let records = (from..from + 50).map(|offset| {
                let mut stored = stored(offset, 1, true);
                let noise: Vec<u8> = (0..1000_u64)
                    .map(|n| (((n + 1) * (offset + 7) * 2_654_435_761) >> 13).to_le_bytes()[0])
                    .collect();
                stored.record.key = Some(Bytes::from(offset.to_string()));
                stored.record.value = Some(Bytes::from(noise));
                stored
            });
            read(records.collect())
        };
        let blocks = [large(0), large(50)];
        let plan = plan(&blocks, &HashMap::new(), 0, &mut 1.0);
        assert!(plan.remove.is_empty() && plan.insert.is_empty());
    }
}
