//! Retention, compaction and shrinking of the file, in steps small enough to stand between two commits.
//!
//! Only whole blocks go by retention. A pass does one partition after the other; damage in one does not keep the
//! others from being served, and is what the pass reports.

use std::collections::VecDeque;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use super::block;
use super::committer::Reply;
use super::compact::Job;
use super::state::{Partition, Shared, Topic};
use super::tables::{self, BLOCKS, Row, blocks_from};
use crate::limits::{MAINTENANCE_RANGES_MAX, MAINTENANCE_STEP_BLOCKS_MAX};
use crate::{Cleanup, LogError};

/// How much a pass does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Everything that can go.
    Full,
    /// Compaction only where at least half is new: flash wears.
    Background,
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Offsets that retention removed, by topic and partition.
    pub removed: Vec<Removed>,
    /// Records that compaction dropped because a newer one has the key, or a tombstone's grace was over.
    pub compacted_records: u64,
    /// Stored bytes that both gave back.
    pub freed_bytes: u64,
    /// By how much the file became smaller.
    pub file_bytes_freed: u64,
}

/// One range that retention removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// First offset that is gone.
    pub from: u64,
    /// The partition now starts here.
    pub to: u64,
}

pub(crate) struct Pass {
    effort: Effort,
    todo: VecDeque<(Arc<Topic>, u32)>,
    job: Option<Job>,
    report: Maintenance,
    failed: Option<LogError>,
    replies: Vec<Reply<Maintenance>>,
}

/// What a retention step removed.
struct Dropped {
    from: u64,
    to: u64,
    bytes: u64,
    more: bool,
}

impl Pass {
    pub(crate) fn new(shared: &Shared, effort: Effort, replies: Vec<Reply<Maintenance>>) -> Self {
        let todo = shared.topics().into_iter().flat_map(|topic| {
            (0..topic.count()).map(move |partition| (Arc::clone(&topic), partition))
        });
        Self {
            effort,
            todo: todo.collect(),
            job: None,
            report: Maintenance::default(),
            failed: None,
            replies,
        }
    }

    /// One step; false when there is nothing more to do.
    pub(crate) fn step(&mut self, shared: &Shared, now_ms: i64, ratio: &mut f32) -> bool {
        if let Some(mut job) = self.job.take() {
            match job.step(shared, now_ms, ratio) {
                Ok(true) => self.job = Some(job),
                Ok(false) => self.finish_job(job),
                Err(error) => self.note(error),
            }
        } else if let Some((topic, partition)) = self.todo.pop_front() {
            if let Err(error) = self.begin(shared, &topic, partition, now_ms) {
                self.note(error);
            }
        } else {
            self.report.file_bytes_freed = shrink(shared).unwrap_or_else(|error| {
                self.note(error);
                0
            });
            return false;
        }
        // With the storage gone, every further step would fail as well.
        !self
            .failed
            .as_ref()
            .is_some_and(|e| e.retriable() || matches!(e, LogError::Closed))
    }

    fn begin(
        &mut self,
        shared: &Shared,
        topic: &Arc<Topic>,
        partition: u32,
        now_ms: i64,
    ) -> Result<(), LogError> {
        if topic.cleanup() == Cleanup::Compact {
            // It writes before it frees: on a full disk only retention goes on.
            if shared.file.is_full() {
                return Ok(());
            }
            let state = topic.partition(partition)?;
            self.job = Job::begin(topic, partition, state, self.effort, now_ms);
            return Ok(());
        }
        let state = topic.partition(partition)?;
        let dropped = shared.change("apply retention", |db| {
            retain(db, topic, partition, state, now_ms)
        })?;
        if let Some(dropped) = dropped {
            shared.file.moved(0, dropped.bytes);
            if dropped.more {
                self.todo.push_front((Arc::clone(topic), partition));
            }
            self.report_dropped(topic, partition, &dropped);
        }
        Ok(())
    }

    fn report_dropped(&mut self, topic: &Topic, partition: u32, dropped: &Dropped) {
        self.report.freed_bytes += dropped.bytes;
        let known = self.report.removed.last_mut().filter(|last| {
            last.topic == topic.name && last.partition == partition && last.to == dropped.from
        });
        if let Some(last) = known {
            last.to = dropped.to;
        } else if self.report.removed.len() < MAINTENANCE_RANGES_MAX {
            self.report.removed.push(Removed {
                topic: topic.name.clone(),
                partition,
                from: dropped.from,
                to: dropped.to,
            });
        }
    }

    fn finish_job(&mut self, job: Job) {
        self.report.compacted_records += job.dropped_records;
        self.report.freed_bytes += job.freed_bytes;
        if let Some(again) = job.unfinished() {
            self.todo.push_front(again);
        }
    }

    fn note(&mut self, error: LogError) {
        tracing::warn!(%error, "log maintenance failed");
        self.failed.get_or_insert(error);
    }

    /// Answers those who asked.
    pub(crate) fn finish(self) {
        let report = &self.report;
        for removed in &report.removed {
            tracing::info!(
                topic = removed.topic,
                partition = removed.partition,
                from = removed.from,
                to = removed.to,
                "log retention removed offsets"
            );
        }
        if report.compacted_records > 0 || report.file_bytes_freed > 0 {
            tracing::info!(
                records = report.compacted_records,
                freed_bytes = report.freed_bytes,
                file_bytes_freed = report.file_bytes_freed,
                "log maintenance done"
            );
        }
        for reply in self.replies {
            let answer = match &self.failed {
                Some(error) => Err(error.clone()),
                None => Ok(self.report.clone()),
            };
            // The caller may have gone away.
            reply.send(answer).ok();
        }
    }
}

/// Whether a block must go: (stored bytes of the partition with it, its own, when it was written).
fn must_go(cleanup: Cleanup, left: u64, bytes: u64, written_ms: i64, now_ms: i64) -> bool {
    let Cleanup::Delete {
        retention_bytes,
        retention_ms,
    } = cleanup
    else {
        return false;
    };
    let over = retention_bytes.is_some_and(|keep| left.saturating_sub(bytes) >= keep);
    let age = u64::try_from(now_ms.saturating_sub(written_ms)).unwrap_or(0);
    over || retention_ms.is_some_and(|keep| age > keep)
}

fn retain(
    db: &Database,
    topic: &Topic,
    partition: u32,
    state: &Partition,
    now_ms: i64,
) -> Result<Option<Dropped>, redb::Error> {
    let mut row = state.row();
    let from = row.start;
    let (mut keys, mut to) = (Vec::new(), row.end);
    let mut left = row.stored_bytes;
    {
        let txn = db.begin_read()?;
        for entry in txn
            .open_table(BLOCKS)?
            .range(blocks_from(topic.id, partition, 0))?
        {
            let (key, value) = entry?;
            let bytes = value.value().len() as u64;
            // A block that cannot be read is old as well: retention is the way to get rid of it.
            let written_ms = block::header(value.value()).map_or(0, |header| header.written_ms);
            let full = keys.len() >= MAINTENANCE_STEP_BLOCKS_MAX;
            if full || !must_go(topic.cleanup(), left, bytes, written_ms, now_ms) {
                to = key.value().2;
                break;
            }
            left = left.saturating_sub(bytes);
            keys.push(key.value());
        }
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let txn = db.begin_write()?;
    {
        let mut blocks = txn.open_table(BLOCKS)?;
        for key in &keys {
            blocks.remove(key)?;
        }
    }
    let freed = row.stored_bytes.saturating_sub(left);
    row = Row {
        start: to,
        stored_bytes: left,
        dirty_bytes: row.dirty_bytes.min(left),
        ..row
    };
    tables::put_row(&txn, topic.id, partition, row)?;
    txn.commit()?;
    state.publish(row);
    Ok(Some(Dropped {
        from,
        to,
        bytes: freed,
        more: keys.len() >= MAINTENANCE_STEP_BLOCKS_MAX,
    }))
}

/// Makes the file smaller when it is large and holds little. Everybody waits meanwhile (rule LG43).
fn shrink(shared: &Shared) -> Result<u64, LogError> {
    let stored = shared
        .topics()
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|partition| partition.row().stored_bytes)
        .sum();
    let shrunk = shared.file.shrink(stored)?;
    Ok(shrunk.map_or(0, |shrunk| {
        shrunk.before_bytes.saturating_sub(shrunk.after_bytes)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg40_blocks_go_by_bytes_or_age_and_never_by_neither() {
        let delete = |retention_bytes, retention_ms| Cleanup::Delete {
            retention_bytes,
            retention_ms,
        };
        assert!(!must_go(delete(None, None), 1000, 10, 0, i64::MAX));
        assert!(!must_go(Cleanup::Compact, 1000, 10, 0, i64::MAX));
        assert!(must_go(delete(Some(990), None), 1000, 10, 0, 0));
        assert!(!must_go(delete(Some(991), None), 1000, 10, 0, 0));
        assert!(must_go(delete(None, Some(5)), 1, 1, 10, 16));
        assert!(!must_go(delete(None, Some(5)), 1, 1, 10, 15));
        // A clock that was set back removes nothing.
        assert!(!must_go(delete(None, Some(0)), 1, 1, 10, 9));
    }
}
