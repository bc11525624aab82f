//! The loop over one partition.
//!
//! Kept true: a position never stands for output that is not durable. With an engine that commits several topics at once
//! both go together; otherwise outputs first and the position soon after, and a crash in between repeats them with the
//! same bytes. While one batch is being written, the next is being mapped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wardline_log::{Entry, LogError, PartitionReader, Record, SharedLog};
use wardline_model::topic::BRIDGE_STATE;
use wardline_service::{Backoff, Stop};

use super::batch::Batch;
use super::counters::Counters;
use super::patience::{Broken, patiently};
use super::position::{Input, Progress};
use super::work::Work;
use crate::limits::{
    POSITION_INTERVAL_MS, READ_RECORDS_MAX, READ_WAIT_MS, TRANSFORM_RETRY_MAX_MS,
    TRANSFORM_RETRY_MIN_MS,
};
use crate::map::{MapEvent, SiteContext};

pub(super) struct Lane {
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

/// Where the lane stands, and what of it `bridge.state` does not know yet.
struct Standing {
    progress: Progress,
    /// The position record that is due.
    unsaved: Option<Record>,
    saved_at: Instant,
}

impl Lane {
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let mut standing = Standing {
            progress: std::mem::take(&mut self.start),
            unsaved: None,
            saved_at: Instant::now(),
        };
        let ended = self.transform(&mut standing).await;
        // Saves a repetition; whether it still goes through does not matter.
        if let (Err(Broken::Stopped), Some(position)) = (&ended, standing.unsaved) {
            self.log.append(BRIDGE_STATE, vec![position]).await.ok();
        }
        match ended {
            Ok(()) | Err(Broken::Stopped) => Ok(()),
            // Whoever stops us may close the log at the same time.
            Err(Broken::Failed(LogError::Closed)) if self.stop.is_stopped() => Ok(()),
            Err(Broken::Failed(error)) => Err(anyhow::Error::new(error).context(format!(
                "transform of {}/{}",
                self.input.topic(),
                self.partition
            ))),
        }
    }

    async fn transform(&self, standing: &mut Standing) -> Result<(), Broken> {
        let mut backoff = Backoff::of_ms(TRANSFORM_RETRY_MIN_MS, TRANSFORM_RETRY_MAX_MS);
        loop {
            self.settle(&mut standing.progress).await?;
            self.counters
                .stands_at(self.input, self.partition, &standing.progress);
            let before = standing.progress.offset;
            match self.follow(standing).await {
                // Retention overtook us: settle again, loudly.
                Err(Broken::Failed(LogError::OffsetOutOfRange { .. })) => {}
                Err(Broken::Failed(error)) if error.retriable() => {
                    self.show(&error.to_string());
                    if standing.progress.offset > before {
                        backoff.progress();
                    }
                    backoff.wait(&self.stop).await?;
                }
                other => return other,
            }
        }
    }

    /// Makes sure that the position is one that the log can be read from.
    async fn settle(&self, progress: &mut Progress) -> Result<(), Broken> {
        let topic = self.input.topic();
        let offsets = || self.log.offsets(topic);
        let ranges = patiently(&self.stop, |why| self.show(why), offsets).await?;
        let Some(range) = ranges.iter().find(|r| r.partition == self.partition) else {
            return Ok(());
        };
        self.counters.set_end(self.input, self.partition, range.end);
        let from = progress.offset;
        if from < range.start {
            // At the very first start there is no position yet, and what is gone was never ours to map.
            if from > 0 || progress.counts.received > 0 {
                progress.lost_records += range.start - from;
            }
            tracing::error!(
                topic,
                partition = self.partition,
                from,
                to = range.start,
                "retention removed records before they were transformed; going on after them"
            );
        } else if from > range.end {
            tracing::error!(
                topic,
                partition = self.partition,
                from,
                end = range.end,
                "the log ends before what was transformed: it was replaced; starting at its beginning"
            );
        } else {
            return Ok(());
        }
        progress.offset = range.start;
        progress.skip = 0;
        Ok(())
    }

    async fn follow(&self, standing: &mut Standing) -> Result<(), Broken> {
        let from = standing.progress.offset;
        let topic = self.input.topic();
        let mut reader = self.log.reader(topic, self.partition, from).await?;
        let mut work = Work::new(
            self.ctx.clone(),
            self.map,
            self.input,
            standing.progress.clone(),
        );
        loop {
            let entries = self.read(&mut reader).await?;
            if entries.is_empty() {
                self.save(standing, Duration::ZERO).await?;
                self.counters.idle(self.input, self.partition);
                continue;
            }
            self.counters
                .set_end(self.input, self.partition, reader.position());
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
                    return Err(Broken::Stopped);
                }
            }
        }
    }

    async fn read(&self, reader: &mut PartitionReader) -> Result<Vec<Entry>, Broken> {
        tokio::select! {
            biased;
            () = self.stop.stopped() => Err(Broken::Stopped),
            entries = reader.next(READ_RECORDS_MAX, Duration::from_millis(READ_WAIT_MS)) => Ok(entries?),
        }
    }

    /// Until it is durable, or the program stops.
    async fn append(&self, batch: Batch, standing: &mut Standing) -> Result<(), Broken> {
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
            standing.progress = batch.progress;
            return Ok(());
        }
        if !outputs.is_empty() {
            self.append_all(outputs).await?;
        }
        standing.progress = batch.progress;
        standing.unsaved = Some(position);
        self.save(standing, Duration::from_millis(POSITION_INTERVAL_MS))
            .await
    }

    /// Writes the position that is due, if the last one is that old.
    async fn save(&self, standing: &mut Standing, after: Duration) -> Result<(), Broken> {
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

    async fn append_all(&self, batches: Vec<(String, Vec<Record>)>) -> Result<(), Broken> {
        let call = || self.log.append_many(batches.clone());
        patiently(&self.stop, |why| self.show(why), call)
            .await
            .map(|_| ())
    }

    fn show(&self, problem: &str) {
        self.counters
            .set_problem(self.input, self.partition, problem.to_owned());
    }
}

/// Mapping is computing: it must not hold up the runtime's other tasks.
async fn compute(mut work: Work) -> Result<(Work, Option<Batch>), Broken> {
    let task = tokio::task::spawn_blocking(move || {
        let batch = work.next_batch();
        (work, batch)
    });
    task.await.map_err(|error| {
        tracing::error!(%error, "mapping events failed");
        Broken::Failed(LogError::Closed)
    })
}
