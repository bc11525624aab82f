//! The loop: one task for each partition of `edge.frames` and `retry`.
//!
//! Kept true: the position never stands for output that is not durable. With an engine that commits several topics at once
//! both go together; otherwise outputs first, and a crash in between repeats them with the same bytes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use wardline_log::{LogError, Record, SharedLog};
use wardline_model::topic::BRIDGE_STATE;
use wardline_service::Stop;

use super::batch::Batch;
use super::context::SiteContext;
use super::counters::Counters;
use super::limits::{READ_RECORDS_MAX, READ_WAIT_MS, RETRY_PAUSE_MAX_MS, RETRY_PAUSE_MIN_MS};
use super::position::{self, Input, Progress};
use super::work::Work;

/// Transforms until `stop`, then returns with everything that was begun either durable or not begun.
///
/// The topics must be there. Log errors that pass are waited out and shown in `counters`; others end the run.
pub async fn run(
    ctx: Arc<SiteContext>,
    log: SharedLog,
    counters: Arc<Counters>,
    stop: Stop,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for input in [Input::Frames, Input::Retry] {
        let partitions = log
            .offsets(input.topic())
            .await
            .with_context(|| format!("topic {}", input.topic()))?;
        for range in partitions {
            let lane = Lane {
                ctx: ctx.clone(),
                log: log.clone(),
                counters: counters.clone(),
                stop: stop.clone(),
                input,
                partition: range.partition,
            };
            tasks.spawn(lane.run());
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a transform task ended unexpectedly")??;
    }
    Ok(())
}

/// One partition.
struct Lane {
    ctx: Arc<SiteContext>,
    log: SharedLog,
    counters: Arc<Counters>,
    stop: Stop,
    input: Input,
    partition: u32,
}

/// Why a call to the log gave nothing.
enum Broken {
    Stopped,
    Failed(LogError),
}

impl From<LogError> for Broken {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

impl Lane {
    async fn run(self) -> anyhow::Result<()> {
        match self.transform().await {
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

    async fn transform(&self) -> Result<(), Broken> {
        let stored = self
            .patiently(|| position::read(&self.log, self.input, self.partition))
            .await?;
        let mut progress = stored.unwrap_or_default();
        loop {
            progress = self.settle(progress).await?;
            self.counters.set(self.input, self.partition, &progress);
            match self.follow(&mut progress).await {
                // Retention overtook us: settle again, loudly.
                Err(Broken::Failed(LogError::OffsetOutOfRange { .. })) => {}
                Err(Broken::Failed(error)) if error.retriable() => {
                    self.show(&error);
                    self.pause(RETRY_PAUSE_MIN_MS).await?;
                }
                other => return other,
            }
        }
    }

    /// Makes sure that the position is one that the log can be read from.
    async fn settle(&self, mut progress: Progress) -> Result<Progress, Broken> {
        let ranges = self
            .patiently(|| self.log.offsets(self.input.topic()))
            .await?;
        let Some(range) = ranges.iter().find(|r| r.partition == self.partition) else {
            return Ok(progress);
        };
        self.counters.set_end(self.input, self.partition, range.end);
        let lost = range.start.saturating_sub(progress.offset);
        if lost > 0 {
            // At the very first start there is no position yet, and what is gone was never ours to map.
            let known = progress.offset > 0 || progress.counts.received > 0;
            progress.lost_records += if known { lost } else { 0 };
            tracing::error!(
                topic = self.input.topic(),
                partition = self.partition,
                from = progress.offset,
                to = range.start,
                "retention removed records before they were transformed; going on after them"
            );
            progress.offset = range.start;
            progress.skip = 0;
        } else if progress.offset > range.end {
            tracing::error!(
                topic = self.input.topic(),
                partition = self.partition,
                position = progress.offset,
                end = range.end,
                "the log is shorter than what was transformed: it was replaced; starting at its beginning"
            );
            progress.offset = range.start;
            progress.skip = 0;
        }
        Ok(progress)
    }

    async fn follow(&self, progress: &mut Progress) -> Result<(), Broken> {
        let topic = self.input.topic();
        let mut reader = self
            .log
            .reader(topic, self.partition, progress.offset)
            .await?;
        let mut work = Work::new(self.ctx.clone(), self.input, progress.clone());
        let wait = Duration::from_millis(READ_WAIT_MS);
        loop {
            let entries = tokio::select! {
                biased;
                () = self.stop.stopped() => return Err(Broken::Stopped),
                entries = reader.next(READ_RECORDS_MAX, wait) => entries?,
            };
            if entries.is_empty() {
                continue;
            }
            let end = reader.position();
            self.counters.set_end(self.input, self.partition, end);
            work.add(entries);
            loop {
                let (back, batch) = compute(work).await?;
                work = back;
                let Some(batch) = batch else { break };
                let reached = batch.progress.clone();
                self.append(batch).await?;
                *progress = reached;
                self.counters.set(self.input, self.partition, progress);
                if self.stop.is_stopped() {
                    return Err(Broken::Stopped);
                }
            }
        }
    }

    /// Until it is durable, or the program stops.
    async fn append(&self, batch: Batch) -> Result<(), Broken> {
        let position = batch
            .progress
            .record(self.input, self.partition, batch.time_ms);
        let position = (BRIDGE_STATE.to_owned(), vec![position]);
        let mut outputs: Vec<(String, Vec<Record>)> = batch
            .topics
            .into_iter()
            .map(|(topic, records)| (topic.to_owned(), records))
            .collect();
        if self.ctx.one_commit {
            outputs.push(position);
            self.append_all(outputs).await
        } else {
            if !outputs.is_empty() {
                self.append_all(outputs).await?;
            }
            self.append_all(vec![position]).await
        }
    }

    async fn append_all(&self, batches: Vec<(String, Vec<Record>)>) -> Result<(), Broken> {
        self.patiently(|| self.log.append_many(batches.clone()))
            .await
            .map(|_| ())
    }

    /// Tries again, with growing pauses, as long as that can help.
    async fn patiently<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Broken>
    where
        F: Future<Output = Result<T, LogError>>,
    {
        let mut pause_ms = RETRY_PAUSE_MIN_MS;
        loop {
            match call().await {
                Ok(value) => return Ok(value),
                Err(error) if error.retriable() => {
                    self.show(&error);
                    self.pause(pause_ms).await?;
                    pause_ms = (pause_ms * 2).min(RETRY_PAUSE_MAX_MS);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn show(&self, error: &LogError) {
        tracing::warn!(topic = self.input.topic(), partition = self.partition, %error, "trying again");
        self.counters
            .set_problem(self.input, self.partition, error.to_string());
    }

    async fn pause(&self, ms: u64) -> Result<(), Broken> {
        tokio::select! {
            () = self.stop.stopped() => Err(Broken::Stopped),
            () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
        }
    }
}

/// Mapping is computing: it must not hold up the runtime's other tasks.
async fn compute(mut work: Work) -> Result<(Work, Option<Batch>), Broken> {
    let task = tokio::task::spawn_blocking(move || {
        let batch = work.next_batch();
        (work, batch)
    });
    task.await.map_err(|error| {
        Broken::Failed(LogError::Fatal {
            doing: "map events",
            why: error.to_string(),
        })
    })
}
