//! Copies one partition of one source to the centre, from where the centre's log says that it ended.
//!
//! Order inside the partition is kept, keys are kept, nothing is copied twice: the set of offsets that are there already
//! comes from the centre's log itself. A truncated or recreated source is recorded, counted and shown before the first
//! record after it is copied; then copying goes on from the start of what is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wardline_log::follow::{Mark, PartitionState};
use wardline_log::{Entry, Position, Record, SharedLog};
use wardline_model::RangeSet;
use wardline_model::record::ORIGIN;
use wardline_model::topic::STATUS;
use wardline_service::Stop;

use super::resume::{Copied, Resume};
use crate::decode::origin::Origin;
use crate::error::AggregatorError;
use crate::health::copies::{CopyProgress, PartitionId};
use crate::hooks::{FaultPoint, Hooks};
use crate::limits::{CHECKPOINT_INTERVAL_MS, CHECKPOINT_RECORDS_MAX};
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

impl Context {
    /// What keeps a partition from being copied right now.
    pub(crate) fn stuck(&self, id: &PartitionId, error: &AggregatorError) {
        self.progress.update(id, |p| {
            p.trouble = Some(format!("copying {}/{}: {error}", id.1, id.2));
        });
    }
}

pub(crate) struct Copier {
    context: Context,
    id: PartitionId,
    key: String,
    state: Resume,
    /// Whether the store has an older checkpoint.
    unsaved: bool,
    uncommitted: u64,
    saved: Instant,
}

impl Copier {
    /// Reads back where the last run ended, and says so before anything is copied.
    pub(crate) async fn open(context: Context, id: PartitionId) -> Result<Self, AggregatorError> {
        let (site, topic, partition) = &id;
        let key = format!("{site}/{topic}/{partition}");
        let hint = load_hint(&context.store, &key).await?;
        let copied = Copied {
            centre: &context.centre,
            site,
            topic,
            partition: *partition,
        };
        let state = match copied.resume(hint.clone()).await {
            Ok(state) => state,
            Err(error) => {
                let error = error.into();
                context.stuck(&id, &error);
                return Err(error);
            }
        };
        let copier = Self {
            unsaved: hint.as_ref() != Some(&state.checkpoint),
            context,
            id,
            key,
            state,
            uncommitted: 0,
            saved: Instant::now(),
        };
        copier.report(None);
        Ok(copier)
    }

    /// Everything below is at the centre or was let go with a word.
    fn expected(&self) -> u64 {
        let after_copies = self.state.covered.last().map_or(0, |last| last + 1);
        self.state.checkpoint.read.next.max(after_copies)
    }

    /// Where reading has to begin: at the first record that is not at the centre yet.
    pub(crate) fn mark(&self) -> Mark {
        let read = &self.state.checkpoint.read;
        let expected = self.expected();
        let holes = match expected.checked_sub(1) {
            Some(last) if read.next <= last => self.state.covered.missing(read.next, last),
            _ => Vec::new(),
        };
        Mark {
            next: holes.first().map_or(expected, |hole| *hole.start()),
            ..read.clone()
        }
    }

    /// RP5. Compaction moves a beginning in the order of things: newer words of the same speakers are there.
    pub(crate) async fn truncated(
        &mut self,
        place: &PartitionState,
    ) -> Result<(), AggregatorError> {
        let (from, start) = (self.expected(), place.mark.next);
        let lost = start.saturating_sub(from);
        if self.id.1 != STATUS && lost > 0 {
            let (topic, partition) = (&place.topic, place.partition);
            self.tell(format!(
                "source truncated at {topic}/{partition}: {lost} records ({from}..{start}) were removed before they were copied"
            ));
            let checkpoint = &mut self.state.checkpoint;
            checkpoint.truncated += lost;
            checkpoint.counts.received += lost;
            checkpoint.counts.evicted += lost;
        }
        self.moved(place).await
    }

    /// RP6.
    pub(crate) async fn recreated(
        &mut self,
        place: &PartitionState,
        why: &str,
    ) -> Result<(), AggregatorError> {
        let (topic, partition, start) = (&place.topic, place.partition, place.mark.next);
        self.tell(format!(
            "source recreated at {topic}/{partition}: {why}; copying what it holds from {start} on"
        ));
        let checkpoint = &mut self.state.checkpoint;
        checkpoint.recreated += 1;
        checkpoint.epoch += 1;
        checkpoint.last = None;
        self.state.covered = RangeSet::new();
        self.moved(place).await
    }

    /// Reading goes on elsewhere, which must not be found a second time.
    async fn moved(&mut self, place: &PartitionState) -> Result<(), AggregatorError> {
        self.state.checkpoint.read = place.mark.clone();
        self.unsaved = true;
        self.save().await?;
        self.report(Some(place.end));
        Ok(())
    }

    fn tell(&mut self, text: String) {
        tracing::error!(site = self.id.0, "{text}");
        self.state.checkpoint.problem = Some(Problem {
            text,
            at_ms: self.context.hooks.now_ms(),
        });
    }

    /// Appends what is not at the centre yet.
    pub(crate) async fn copy(
        &mut self,
        entries: Vec<Entry>,
        place: &PartitionState,
    ) -> Result<(), AggregatorError> {
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
            offsets.push(entry.offset);
            records.push(self.stamped(entry));
        }
        let copied = records.len() as u64;
        if copied > 0 {
            let appended = self.append(records).await;
            let positions = appended.inspect_err(|error| self.context.stuck(&self.id, error))?;
            self.context.hooks.reach(FaultPoint::AfterCopy)?;
            self.note(&offsets, &positions);
        }
        let checkpoint = &mut self.state.checkpoint;
        checkpoint.counts.received += copied + looped;
        checkpoint.counts.applied += copied;
        checkpoint.counts.filtered += looped;
        checkpoint.read = place.mark.clone();
        self.uncommitted += copied + looped;
        self.unsaved = true;
        self.report(Some(place.end));
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
        origin.stamp(entry.record)
    }

    async fn append(&self, records: Vec<Record>) -> Result<Vec<Position>, AggregatorError> {
        // Not repeated here: after an unknown end only the centre's log knows what to repeat, and opening reads it.
        Ok(self.context.centre.append(&self.id.1, records).await?)
    }

    fn note(&mut self, offsets: &[u64], positions: &[Position]) {
        let checkpoint = &mut self.state.checkpoint;
        for position in positions {
            let next = checkpoint.centre.entry(position.partition).or_default();
            *next = (*next).max(position.offset + 1);
        }
        if let (Some(offset), Some(position)) = (offsets.last(), positions.last()) {
            checkpoint.last = Some(LastCopy {
                offset: *offset,
                centre_partition: position.partition,
                centre_offset: position.offset,
            });
        }
    }

    pub(crate) async fn save_if_due(&mut self) -> Result<(), AggregatorError> {
        let due = self.uncommitted >= CHECKPOINT_RECORDS_MAX
            || self.saved.elapsed() >= Duration::from_millis(CHECKPOINT_INTERVAL_MS);
        if due { self.save().await } else { Ok(()) }
    }

    pub(crate) async fn save(&mut self) -> Result<(), AggregatorError> {
        if !std::mem::take(&mut self.unsaved) {
            return Ok(());
        }
        let current = self.state.checkpoint.clone();
        let (store, key) = (Arc::clone(&self.context.store), self.key.clone());
        tokio::task::spawn_blocking(move || store.put_checkpoint(&key, &current)).await??;
        self.saved = Instant::now();
        self.uncommitted = 0;
        Ok(())
    }

    /// Says how far it is; with what the source holds, the position was compared with it.
    pub(crate) fn report(&self, source_end: Option<u64>) {
        let checkpoint = &self.state.checkpoint;
        let next = self.expected();
        self.context.progress.update(&self.id, |progress| {
            progress.next = next;
            progress.checked |= source_end.is_some();
            progress.source_end = source_end.unwrap_or(progress.source_end).max(next);
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
