//! Copies one partition of one source to the centre, from where the centre's log says that it ended.
//!
//! Order inside the partition is kept, keys are kept, nothing is copied twice: the set of offsets that are there already
//! comes from the centre's log itself. A truncated or recreated source is recorded, counted and shown before the first
//! record after it is copied; then copying goes on from the start of what is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wardline_log::{
    Entry, LogError, PartitionOffsets, PartitionReader, Position, Record, SharedLog,
};
use wardline_model::record::ORIGIN;
use wardline_model::topic::STATUS;
use wardline_service::Stop;

use super::check::{Verdict, by_offsets, by_record, identity};
use super::resume::{Copied, Resume};
use crate::decode::origin::Origin;
use crate::error::AggregatorError;
use crate::health::copies::{CopyProgress, PartitionId};
use crate::hooks::{FaultPoint, Hooks};
use crate::limits::{
    CHECKPOINT_INTERVAL_MS, CHECKPOINT_RECORDS_MAX, COPY_RECORDS_MAX, DISCOVER_INTERVAL_MS,
    READ_WAIT_MS,
};
use crate::store::{Checkpoint, LastCopy, Problem, Store};

/// What all copies of one aggregator share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) centre: SharedLog,
    pub(crate) store: Arc<Store>,
    pub(crate) progress: Arc<CopyProgress>,
    pub(crate) hooks: Hooks,
    pub(crate) stop: Stop,
}

pub(crate) struct Copier {
    context: Context,
    source: SharedLog,
    id: PartitionId,
    key: String,
    state: Resume,
    /// The checkpoint as it stands in the store.
    stored: Option<Checkpoint>,
    uncommitted: u64,
    checked: Instant,
    saved: Instant,
}

impl Copier {
    /// Reads back where the last run ended, and says so before anything is copied.
    pub(crate) async fn open(
        context: Context,
        source: SharedLog,
        id: PartitionId,
    ) -> Result<Self, AggregatorError> {
        let (site, topic, partition) = &id;
        let key = format!("{site}/{topic}/{partition}");
        let hint = load_hint(&context.store, &key).await?;
        let copied = Copied {
            centre: &context.centre,
            site,
            topic,
            partition: *partition,
        };
        let state = copied.resume(hint.clone()).await?;
        let now = Instant::now();
        let copier = Self {
            context,
            source,
            id,
            key,
            state,
            stored: hint,
            uncommitted: 0,
            checked: now,
            saved: now,
        };
        copier.report(None);
        Ok(copier)
    }

    /// Copies until told to stop; errors are for the caller, who opens a new copier after a while.
    pub(crate) async fn run(&mut self) -> Result<(), AggregatorError> {
        let mut reader = self.reader().await?;
        while !self.context.stop.is_stopped() {
            let entries = tokio::select! {
                entries = reader.next(COPY_RECORDS_MAX, Duration::from_millis(READ_WAIT_MS)) => entries,
                () = self.context.stop.stopped() => break,
            };
            match entries {
                Ok(entries) if entries.is_empty() => reader = self.idle(reader).await?,
                Ok(entries) => self.copy(entries, reader.position()).await?,
                Err(LogError::OffsetOutOfRange { .. }) => reader = self.reader().await?,
                Err(error) => return Err(error.into()),
            }
            if self.uncommitted >= CHECKPOINT_RECORDS_MAX
                || self.saved.elapsed() >= Duration::from_millis(CHECKPOINT_INTERVAL_MS)
            {
                self.save().await?;
            }
        }
        self.save().await
    }

    /// Nothing to copy: compare positions now and then, because a recreated log may be silent for long.
    async fn idle(&mut self, reader: PartitionReader) -> Result<PartitionReader, AggregatorError> {
        if self.checked.elapsed() < Duration::from_millis(DISCOVER_INTERVAL_MS) {
            return Ok(reader);
        }
        self.checked = Instant::now();
        match self.verdict().await? {
            Verdict::Same => Ok(reader),
            _ => self.reader().await,
        }
    }

    async fn held(&self) -> Result<PartitionOffsets, AggregatorError> {
        let (_, topic, partition) = &self.id;
        let all = self.source.offsets(topic).await?;
        all.into_iter()
            .find(|o| o.partition == *partition)
            .ok_or_else(|| {
                LogError::UnknownPartition {
                    topic: topic.clone(),
                    partition: *partition,
                    partitions: 0,
                }
                .into()
            })
    }

    async fn verdict(&self) -> Result<Verdict, AggregatorError> {
        let held = self.held().await?;
        let next = self.expected();
        let verdict = by_offsets(next, held);
        let Some(last) = self.state.checkpoint.last.as_ref() else {
            return Ok(verdict);
        };
        if verdict != Verdict::Same || last.offset < held.start || last.offset >= held.end {
            return Ok(verdict);
        }
        let (_, topic, partition) = &self.id;
        let mut reader = self.source.reader(topic, *partition, last.offset).await?;
        let found = reader.next(1, Duration::from_millis(READ_WAIT_MS)).await?;
        Ok(by_record(
            (last.offset, &last.event_id),
            found.first(),
            held,
        ))
    }

    /// Everything below is at the centre or was let go with a word.
    fn expected(&self) -> u64 {
        let after_copies = self.state.covered.last().map_or(0, |last| last + 1);
        self.state.checkpoint.next.max(after_copies)
    }

    /// A reader at the right place, after saying what is wrong with it.
    async fn reader(&mut self) -> Result<PartitionReader, AggregatorError> {
        let (_, topic, partition) = self.id.clone();
        match self.verdict().await? {
            Verdict::Same => {}
            // Compaction moves the beginning in the order of things: newer words of the same speakers are there.
            Verdict::Truncated { start, .. } if topic == STATUS => {
                self.state.checkpoint.next = start;
            }
            Verdict::Truncated { start, lost } => {
                let from = self.expected();
                self.tell(format!(
                    "source truncated at {topic}/{partition}: {lost} records ({from}..{start}) were removed before they were copied"
                ));
                let checkpoint = &mut self.state.checkpoint;
                checkpoint.truncated += lost;
                checkpoint.counts.received += lost;
                checkpoint.counts.evicted += lost;
                checkpoint.next = start;
                self.save().await?;
            }
            Verdict::Recreated { start, why } => {
                self.tell(format!(
                    "source recreated at {topic}/{partition}: {why}; copying what it holds from {start} on"
                ));
                let checkpoint = &mut self.state.checkpoint;
                checkpoint.recreated += 1;
                checkpoint.epoch += 1;
                checkpoint.next = start;
                checkpoint.last = None;
                self.state.covered = wardline_model::RangeSet::new();
                self.save().await?;
            }
        }
        let held = self.held().await?;
        let next = self.state.checkpoint.next.max(held.start);
        self.report(Some(held.end));
        self.context.progress.update(&self.id, |p| p.checked = true);
        Ok(self.source.reader(&topic, partition, next).await?)
    }

    fn tell(&mut self, text: String) {
        tracing::error!(site = self.id.0, "{text}");
        self.state.checkpoint.problem = Some(Problem {
            text,
            at_ms: self.context.hooks.now_ms(),
        });
    }

    async fn copy(&mut self, entries: Vec<Entry>, next: u64) -> Result<(), AggregatorError> {
        let mut records = Vec::with_capacity(entries.len());
        let mut offsets = Vec::with_capacity(entries.len());
        let mut looped = 0;
        for entry in entries {
            if self.state.covered.contains(entry.offset) {
                continue;
            }
            if entry.record.header(ORIGIN).is_some() {
                looped += 1;
                continue;
            }
            offsets.push((entry.offset, identity(&entry.record)));
            records.push(self.stamped(entry));
        }
        let copied = records.len() as u64;
        if copied > 0 {
            let positions = self.append(records).await?;
            self.context.hooks.reach(FaultPoint::AfterCopy)?;
            self.note(&offsets, &positions);
        }
        let checkpoint = &mut self.state.checkpoint;
        checkpoint.counts.received += copied + looped;
        checkpoint.counts.applied += copied;
        checkpoint.counts.filtered += looped;
        checkpoint.next = next;
        self.uncommitted += copied + looped;
        self.report(None);
        Ok(())
    }

    fn stamped(&self, entry: Entry) -> Record {
        let (site, topic, partition) = &self.id;
        let origin = Origin {
            site: site.clone(),
            topic: topic.clone(),
            partition: *partition,
            offset: entry.offset,
            epoch: self.state.checkpoint.epoch,
        };
        let mut record = origin.stamp(entry.record);
        if topic == STATUS {
            // Agent names are unique within a site only, and the topic keeps one record a key.
            let name = record.key.as_deref().unwrap_or_default();
            let mut key = format!("{site}/").into_bytes();
            key.extend_from_slice(name);
            record.key = Some(key.into());
        }
        record
    }

    async fn append(&self, records: Vec<Record>) -> Result<Vec<Position>, AggregatorError> {
        // Not repeated here: after an unknown end only the centre's log knows what to repeat, and opening reads it.
        Ok(self.context.centre.append(&self.id.1, records).await?)
    }

    fn note(&mut self, offsets: &[(u64, String)], positions: &[Position]) {
        let checkpoint = &mut self.state.checkpoint;
        for position in positions {
            let next = checkpoint.centre.entry(position.partition).or_default();
            *next = (*next).max(position.offset + 1);
        }
        if let (Some((offset, id)), Some(position)) = (offsets.last(), positions.last()) {
            checkpoint.last = Some(LastCopy {
                offset: *offset,
                event_id: id.clone(),
                centre_partition: position.partition,
                centre_offset: position.offset,
            });
        }
    }

    async fn save(&mut self) -> Result<(), AggregatorError> {
        self.saved = Instant::now();
        let current = self.state.checkpoint.clone();
        let (store, key) = (Arc::clone(&self.context.store), self.key.clone());
        if self.stored.as_ref() == Some(&current) {
            return Ok(());
        }
        let kept = current.clone();
        tokio::task::spawn_blocking(move || store.put_checkpoint(&key, &current)).await??;
        self.stored = Some(kept);
        self.uncommitted = 0;
        let end = self.held().await.ok().map(|held| held.end);
        self.report(end);
        Ok(())
    }

    fn report(&self, source_end: Option<u64>) {
        let checkpoint = &self.state.checkpoint;
        let next = self.expected();
        self.context.progress.update(&self.id, |progress| {
            progress.next = next;
            progress.source_end = source_end.unwrap_or(progress.source_end.max(next));
            progress.counts = checkpoint.counts.clone();
            progress.truncated = checkpoint.truncated;
            progress.recreated = checkpoint.recreated;
            progress.problem = checkpoint.problem.clone();
            progress.trouble = None;
        });
    }
}

async fn load_hint(store: &Arc<Store>, key: &str) -> Result<Option<Checkpoint>, AggregatorError> {
    let (store, key) = (Arc::clone(store), key.to_owned());
    tokio::task::spawn_blocking(move || store.checkpoint(&key)).await?
}
