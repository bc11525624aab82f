//! The one writer of `edge.frames`: decide, append, and only then let everything else move.
//!
//! Kept true (docs/specs/ingest.md I5, I18 to I20): what came while the last append ran goes into one next append;
//! watermarks, acknowledgements and receipts follow the append and never precede it; after an append that failed
//! the log is read back before it is tried again, so that a half-seen success is not written twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, error, warn};
use wardline_log::limits::RECORD_BYTES_MAX;
use wardline_log::{LogError, Position, SharedLog};
use wardline_model::topic::{self, BRIDGE_STATE, EDGE_FRAMES, SIDELINE};
use wardline_model::{AgentName, SiteName};
use wardline_service::{Backoff, Pulse, Stop};

use crate::error::BridgeError;
use crate::ingest::decide::{Group, Known, Plan, Refused, decide};
use crate::ingest::queue::{Job, ReceiptSink};
use crate::ingest::state::IngestState;
use crate::limits::{
    APPEND_RETRY_MAX_MS, APPEND_RETRY_MIN_MS, BATCH_FRAMES_MAX, INGEST_BATCH_BYTES_MAX,
    SNAPSHOT_FRAMES, SNAPSHOT_INTERVAL_MS, SNAPSHOT_TICK_MS, STOP_WAIT_MS,
};
use crate::status::StatusCollector;

pub struct Ingest {
    site: SiteName,
    log: SharedLog,
    state: IngestState,
    collector: Arc<StatusCollector>,
    receipts: ReceiptSink,
    unsaved: u64,
    saved_at: Instant,
    /// Ticked with every round, and with every try while the log is away: waiting for it is not being stuck.
    pulse: Pulse,
}

/// Jobs of one append.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    frames: usize,
    bytes: usize,
}

type Positions = (Vec<Position>, Vec<Position>);

impl Ingest {
    pub fn new(
        site: SiteName,
        log: SharedLog,
        state: IngestState,
        collector: Arc<StatusCollector>,
        receipts: ReceiptSink,
    ) -> Self {
        collector.ingest_is(&state);
        Self {
            site,
            log,
            state,
            collector,
            receipts,
            unsaved: 0,
            saved_at: Instant::now(),
            pulse: Pulse::new("ingest"),
        }
    }

    /// What the watchdog looks at.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Runs until `stop`, or until the log cannot be used any more. Whoever sends jobs is stopped first.
    pub async fn run(
        mut self,
        mut queue: mpsc::Receiver<Job>,
        stop: Stop,
    ) -> Result<(), BridgeError> {
        let mut tick = interval(Duration::from_millis(SNAPSHOT_TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.pulse.tick();
            let job = tokio::select! {
                biased;
                job = queue.recv() => job,
                () = stop.stopped() => break,
                _ = tick.tick() => {
                    self.save_if_due().await;
                    continue;
                }
            };
            let Some(job) = job else { break };
            if !self.settle(gather(job, &mut queue), &stop).await? {
                break;
            }
            self.save_if_due().await;
        }
        self.save().await;
        Ok(())
    }

    /// Brings a batch into the log. False: the stop came while the log could not take it; nothing was acknowledged.
    async fn settle(&mut self, batch: Batch, stop: &Stop) -> Result<bool, BridgeError> {
        let mut backoff = Backoff::of_ms(APPEND_RETRY_MIN_MS, APPEND_RETRY_MAX_MS);
        loop {
            let known = Known {
                site: &self.site,
                marks: &self.state.marks,
                damaged: &self.state.damaged,
            };
            let groups = batch.jobs.iter().map(|job| &job.group);
            let mut plan = decide(&known, groups, self.collector.now_ms());
            let appended = tokio::select! {
                biased;
                appended = self.append(&mut plan) => appended,
                () = waited_after(stop) => return Ok(false),
            };
            let failed = match appended {
                Ok(positions) => {
                    self.finish(plan, &positions, batch);
                    return Ok(true);
                }
                Err(source) => source,
            };
            if !failed.retriable() {
                let doing = "writing frames";
                return Err(BridgeError::Log {
                    doing,
                    source: failed,
                });
            }
            self.collector
                .problem(format!("frames cannot be written at the moment: {failed}"));
            if !self.recover(&mut backoff, stop).await? {
                return Ok(false);
            }
        }
    }

    async fn append(&self, plan: &mut Plan) -> Result<Positions, LogError> {
        let frames = std::mem::take(&mut plan.frames);
        let sideline = std::mem::take(&mut plan.sideline);
        match (frames.is_empty(), sideline.is_empty()) {
            (true, true) => Ok(Positions::default()),
            (false, true) => Ok((self.log.append(EDGE_FRAMES, frames).await?, Vec::new())),
            (true, false) => Ok((Vec::new(), self.log.append(SIDELINE, sideline).await?)),
            (false, false) => {
                let batches = vec![
                    (EDGE_FRAMES.to_owned(), frames),
                    (SIDELINE.to_owned(), sideline),
                ];
                let mut positions = self.log.append_many(batches).await?.into_iter();
                let frames = positions.next().unwrap_or_default();
                Ok((frames, positions.next().unwrap_or_default()))
            }
        }
    }

    /// Waits, then reads back what the log holds, until that succeeds. False: the stop came first.
    async fn recover(&mut self, backoff: &mut Backoff, stop: &Stop) -> Result<bool, BridgeError> {
        loop {
            self.pulse.tick();
            if backoff.wait(stop).await.is_err() {
                return Ok(false);
            }
            let read = tokio::select! {
                read = self.state.catch_up(self.log.as_ref()) => read,
                () = waited_after(stop) => return Ok(false),
            };
            match read {
                Ok(0) => return Ok(true),
                Ok(records) => {
                    warn!(
                        records,
                        "an append that had failed is in the log after all; it is counted"
                    );
                    self.unsaved += records;
                    self.collector.ingest_is(&self.state);
                    return Ok(true);
                }
                Err(error) if error.retriable() => {
                    debug!(%error, "the log cannot be read back yet");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The append is durable: watermarks move, acknowledgements go, receipts leave.
    fn finish(&mut self, mut plan: Plan, positions: &Positions, batch: Batch) {
        let answers = std::mem::take(&mut plan.answers);
        let heard = std::mem::take(&mut plan.heard);
        let closed = std::mem::take(&mut plan.closed);
        let refused = plan.refused;
        self.unsaved += batch.frames as u64;
        self.state.commit(plan, &positions.0, &positions.1);
        self.collector.ingest_moved(&self.state, &heard, refused);
        for (job, answers) in batch.jobs.into_iter().zip(answers) {
            if let Some(connection) = job.connection.filter(|c| closed.contains(&c.id)) {
                connection.close();
            }
            self.report(&job.group, &answers);
            // Nobody waits when the connection has gone: the agent asks again, and the numbers are covered.
            job.reply.send(answers).ok();
        }
        for life in &heard {
            if let Some(receipt) = self.state.marks.receipt(life) {
                let topic = topic::receipt(&self.site, &life.0);
                (self.receipts)(&topic, receipt.encode().into());
            }
        }
    }

    fn report(&self, group: &Group, answers: &[Result<(), Refused>]) {
        for (frame, answer) in group.frames.iter().zip(answers) {
            if let Err(refused) = answer
                && *refused != Refused::ConnectionClosed
            {
                self.refused(&frame.agent, *refused);
            }
        }
    }

    fn refused(&self, agent: &AgentName, refused: Refused) {
        if self.collector.problem(format!("{agent}: {refused}")) {
            error!(%agent, %refused, "a frame was refused");
        }
    }

    async fn save_if_due(&mut self) {
        let old = self.saved_at.elapsed() >= Duration::from_millis(SNAPSHOT_INTERVAL_MS);
        if self.unsaved >= SNAPSHOT_FRAMES || (self.unsaved > 0 && old) {
            self.save().await;
        }
    }

    /// Without a new snapshot a restart reads more of the log, and nothing else changes: a failure is not fatal.
    async fn save(&mut self) {
        self.saved_at = Instant::now();
        if self.unsaved == 0 {
            return;
        }
        let record = self.state.snapshot(self.collector.now_ms());
        if record.bytes_len() > RECORD_BYTES_MAX {
            warn!(
                bytes = record.bytes_len(),
                "the watermarks are too large to be written down; a restart reads the log instead"
            );
            return;
        }
        let wait = Duration::from_millis(STOP_WAIT_MS);
        match timeout(wait, self.log.append(BRIDGE_STATE, vec![record])).await {
            Ok(Ok(_)) => self.unsaved = 0,
            Ok(Err(error)) => {
                warn!(%error, "the watermarks could not be written down; tried again later");
            }
            Err(_) => {
                warn!("the log took too long to write the watermarks down; tried again later");
            }
        }
    }
}

/// An append may hang for as long as a cluster is away; the end of the bridge must not.
async fn waited_after(stop: &Stop) {
    stop.stopped().await;
    sleep(Duration::from_millis(STOP_WAIT_MS)).await;
}

/// Everything that waits, up to what one append may carry. Jobs of closed connections are dropped: not taken.
fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Batch {
    let mut batch = Batch::default();
    let mut next = Some(first);
    while let Some(job) = next {
        if job.connection.as_ref().is_none_or(|c| !c.is_closed()) {
            batch.frames += job.group.frames.len();
            batch.bytes += job.bytes();
            batch.jobs.push(job);
        }
        if batch.frames >= BATCH_FRAMES_MAX || batch.bytes >= INGEST_BATCH_BYTES_MAX {
            break;
        }
        next = queue.try_recv().ok();
    }
    batch
}
