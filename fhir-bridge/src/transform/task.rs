//! The loop over one partition.
//!
//! Kept true: a position never stands for output that is not durable. With an engine that commits several topics at once
//! both go together; otherwise outputs first and the position soon after, and a crash in between repeats them with the
//! same bytes. While one batch is being written, the next is being mapped.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use wardline_log::follow::{Followed, Follower, Item, PartitionState};
use wardline_log::{LogError, Record, SharedLog};
use wardline_model::topic::BRIDGE_STATE;
use wardline_service::{Backoff, Stop};

use super::batch::Batch;
use super::counters::Counters;
use super::position::{Input, Progress};
use super::work::Work;
use crate::limits::{
    LOG_SILENT_MS, POSITION_INTERVAL_MS, READ_RECORDS_MAX, TRANSFORM_RETRY_MAX_MS,
    TRANSFORM_RETRY_MIN_MS,
};
use crate::map::{MapEvent, SiteContext};

pub(super) struct PartitionTask {
    pub(super) ctx: Arc<SiteContext>,
    pub(super) map: MapEvent,
    pub(super) one_commit: bool,
    pub(super) log: SharedLog,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: Stop,
    pub(super) input: Input,
    pub(super) partition: u32,
    pub(super) start: Progress,
}

/// Where the partition stands, and what of it `bridge.state` does not know yet.
struct Standing {
    progress: Progress,
    /// The position record that is due.
    unsaved: Option<Record>,
    saved_at: Instant,
}

impl PartitionTask {
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let mut standing = Standing {
            progress: std::mem::take(&mut self.start),
            unsaved: None,
            saved_at: Instant::now(),
        };
        let ended = self.transform(&mut standing).await;
        let stopped = matches!(ended, Ok(()) | Err(LogError::Stopped));
        // Saves a repetition; whether it still goes through does not matter.
        if let (true, Some(position)) = (stopped, standing.unsaved) {
            self.log.append(BRIDGE_STATE, vec![position]).await.ok();
        }
        match ended {
            Ok(()) | Err(LogError::Stopped) => Ok(()),
            // Whoever stops us may close the log at the same time.
            Err(LogError::Closed) if self.stop.is_stopped() => Ok(()),
            Err(error) => Err(anyhow::Error::new(error).context(format!(
                "transform of {}/{}",
                self.input.topic(),
                self.partition
            ))),
        }
    }

    /// Until the program stops, or something fails that waiting does not help.
    async fn transform(&self, standing: &mut Standing) -> Result<(), LogError> {
        let topic = self.input.topic();
        let mut follower = Follower::new(self.log.clone(), &[topic], self.stop.clone())
            .partition(self.partition)
            .starting_at(topic, self.partition, standing.progress.read.clone())
            .max(READ_RECORDS_MAX);
        while let Some(item) = self.answer(follower.next()).await? {
            match item {
                Item::Added(place) => self.shown(&place, standing),
                Item::Entries(followed) => self.map(followed, standing).await?,
                Item::Truncated { place, from, lost } => {
                    // At the very first start there is no position yet, and what is gone was never ours to map.
                    if from > 0 || standing.progress.counts.received > 0 {
                        standing.progress.lost_records += lost;
                    }
                    self.go_on_at(&place, standing);
                }
                Item::Recreated { place, .. } => self.go_on_at(&place, standing),
                Item::Trouble { error, .. } => self.show(&error.to_string()),
                Item::Idle => {
                    self.save(standing, Duration::ZERO).await?;
                    for place in follower.places() {
                        self.shown(place, standing);
                    }
                    self.counters.idle(self.input, self.partition);
                }
            }
        }
        Ok(())
    }

    fn shown(&self, place: &PartitionState, standing: &Standing) {
        let (input, partition) = (self.input, self.partition);
        self.counters
            .stands_at(input, partition, &standing.progress);
        self.counters.set_end(input, partition, place.end);
    }

    /// The log does not hold what comes after the position: what it holds instead begins with a whole record.
    fn go_on_at(&self, place: &PartitionState, standing: &mut Standing) {
        standing.progress.read = place.mark.clone();
        standing.progress.skip = 0;
        self.shown(place, standing);
    }

    async fn map(&self, followed: Followed, standing: &mut Standing) -> Result<(), LogError> {
        let Followed { place, entries } = followed;
        self.counters.set_end(self.input, self.partition, place.end);
        let mut progress = standing.progress.clone();
        progress.read.log.clone_from(&place.mark.log);
        let mut work = Work::new(self.ctx.clone(), self.map, self.input, progress);
        work.add(entries);
        let mut batch;
        (work, batch) = compute(work).await?;
        while let Some(now) = batch.take() {
            let append = self.append(now, standing);
            let (appended, computed) = tokio::join!(append, compute(work));
            appended?;
            (work, batch) = computed?;
            self.counters
                .moved(self.input, self.partition, &standing.progress);
            if self.stop.is_stopped() {
                return Err(LogError::Stopped);
            }
        }
        // Behind the last record there may be offsets without one.
        standing.progress.read.next = place.mark.next;
        self.shown(&place, standing);
        Ok(())
    }

    /// Until it is durable, or the program stops.
    async fn append(&self, mut batch: Batch, standing: &mut Standing) -> Result<(), LogError> {
        let seen = std::mem::take(&mut batch.seen);
        let position = batch
            .progress
            .record(self.input, self.partition, batch.time_ms);
        let mut outputs: Vec<(String, Vec<Record>)> = batch
            .topics
            .into_iter()
            .map(|(topic, records)| (topic.to_owned(), records))
            .collect();
        if self.one_commit {
            outputs.push((BRIDGE_STATE.to_owned(), vec![position]));
            self.append_all(outputs).await?;
            self.counters.saw(seen);
            standing.progress = batch.progress;
            return Ok(());
        }
        if !outputs.is_empty() {
            self.append_all(outputs).await?;
        }
        self.counters.saw(seen);
        standing.progress = batch.progress;
        standing.unsaved = Some(position);
        self.save(standing, Duration::from_millis(POSITION_INTERVAL_MS))
            .await
    }

    /// Writes the position that is due, if the last one is that old.
    async fn save(&self, standing: &mut Standing, after: Duration) -> Result<(), LogError> {
        if standing.saved_at.elapsed() < after {
            return Ok(());
        }
        if let Some(position) = &standing.unsaved {
            let batch = vec![(BRIDGE_STATE.to_owned(), vec![position.clone()])];
            self.append_all(batch).await?;
            standing.unsaved = None;
            standing.saved_at = Instant::now();
        }
        Ok(())
    }

    /// Again, after growing waits, while the error is one that passes.
    async fn append_all(&self, batches: Vec<(String, Vec<Record>)>) -> Result<(), LogError> {
        let mut backoff = Backoff::of_ms(TRANSFORM_RETRY_MIN_MS, TRANSFORM_RETRY_MAX_MS);
        loop {
            match self.answer(self.log.append_many(batches.clone())).await {
                Err(error) if error.retriable() => {
                    tracing::warn!(%error, "trying again");
                    self.show(&error.to_string());
                    let waited = backoff.wait(&self.stop).await;
                    waited.map_err(|_| LogError::Stopped)?;
                }
                other => return other.map(|_| ()),
            }
        }
    }

    async fn answer<T>(&self, call: impl Future<Output = T>) -> T {
        answer(|why| self.show(why), call).await
    }

    fn show(&self, problem: &str) {
        self.counters
            .set_problem(self.input, self.partition, problem.to_owned());
    }
}

/// A call that gives no answer goes on, because the log keeps trying, but not in silence.
pub(super) async fn answer<T>(show: impl Fn(&str), call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    match timeout(Duration::from_millis(LOG_SILENT_MS), &mut call).await {
        Ok(answer) => answer,
        Err(_) => {
            tracing::warn!("the log does not answer; waiting for it");
            show("the log does not answer");
            call.await
        }
    }
}

/// Mapping is computing: it must not hold up the runtime's other tasks.
async fn compute(mut work: Work) -> Result<(Work, Option<Batch>), LogError> {
    let task = tokio::task::spawn_blocking(move || {
        let batch = work.next_batch();
        (work, batch)
    });
    task.await.map_err(|error| {
        tracing::error!(%error, "mapping events failed");
        LogError::Closed
    })
}
