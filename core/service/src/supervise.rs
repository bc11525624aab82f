//! Starting, watching and stopping what runs beside each other: the one supervisor.
//!
//! Stages are added in the order in which one needs the other, and end the other way round: first who brings work in,
//! last what the work is written to. Kept true: every stage ends before the one below it is told to; a stage has a
//! limit for its end, and at the limit it is cut off, named, and makes the whole fail; a stage that fails or panics ends
//! all others in order, so a log is closed and a store is flushed whatever else went wrong; what was started is ended
//! in the same order when a later start fails.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::limits::{PART_STOP_MS_MAX, STOP_MS_MAX};
use crate::running::{Running, Stop, StopHandle, stop_pair};
use crate::watchdog::Pulse;

type End = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Names a stage of one supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageId(usize);

struct Stage {
    name: &'static str,
    /// Taken when the stage is told to stop.
    stop: Option<StopHandle>,
    /// What is done once its tasks have ended.
    end: Option<End>,
    limit: Duration,
}

struct Member {
    stage: usize,
    name: &'static str,
    /// It may be done before anybody stops it.
    may_end: bool,
    task: AbortHandle,
}

type Ended = Result<(Id, anyhow::Result<()>), JoinError>;

pub struct Supervisor {
    stages: Vec<Stage>,
    tasks: JoinSet<anyhow::Result<()>>,
    members: HashMap<Id, Member>,
    pulses: Vec<Pulse>,
    addresses: BTreeMap<String, SocketAddr>,
    as_a_crash: fn(&anyhow::Error) -> bool,
    /// What the whole will have failed with.
    failed: Option<anyhow::Error>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    pub fn new() -> Self {
        Self {
            stages: Vec::new(),
            tasks: JoinSet::new(),
            members: HashMap::new(),
            pulses: Vec::new(),
            addresses: BTreeMap::new(),
            as_a_crash: |_| false,
            failed: None,
        }
    }

    /// Failures after which every task is cut off at once, as a kill would: fault points of tests.
    pub fn crash_if(&mut self, crash: fn(&anyhow::Error) -> bool) {
        self.as_a_crash = crash;
    }

    /// A listener is up; the name stands in `addresses.json`.
    pub fn address(&mut self, name: &str, address: impl Into<Option<SocketAddr>>) {
        if let Some(address) = address.into() {
            self.addresses.insert(name.to_owned(), address);
        }
    }

    pub fn addresses(&self) -> &BTreeMap<String, SocketAddr> {
        &self.addresses
    }

    /// A sign of life that the watchdog asks for.
    pub fn watch(&mut self, pulse: Pulse) {
        self.pulses.push(pulse);
    }

    fn push(&mut self, name: &'static str, limit_ms: u64) -> (StageId, Stop) {
        let (handle, stop) = stop_pair();
        self.stages.push(Stage {
            name,
            stop: Some(handle),
            end: None,
            limit: Duration::from_millis(limit_ms),
        });
        (StageId(self.stages.len() - 1), stop)
    }

    /// A stage for tasks that are told to stop together. It ends before those added earlier.
    pub fn stage(&mut self, name: &'static str) -> (StageId, Stop) {
        self.push(name, STOP_MS_MAX)
    }

    /// A task that runs until its stage is stopped; an earlier end is a failure.
    pub fn spawn<F>(&mut self, stage: StageId, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.member(stage, name, false, task);
    }

    /// A task that may be done before its stage is stopped.
    pub fn spawn_once<F>(&mut self, stage: StageId, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.member(stage, name, true, task);
    }

    fn member<F>(&mut self, stage: StageId, name: &'static str, may_end: bool, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = self.tasks.spawn(task);
        let member = Member {
            stage: stage.0,
            name,
            may_end,
            task: task.clone(),
        };
        self.members.insert(task.id(), member);
    }

    /// A stage of one task.
    pub fn task<F>(&mut self, name: &'static str, run: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (stage, stop) = self.stage(name);
        self.spawn(stage, name, run(stop));
    }

    /// A stage without a task: something that is only closed.
    pub fn closing(
        &mut self,
        name: &'static str,
        end: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let (stage, _) = self.stage(name);
        if let Some(stage) = self.stages.get_mut(stage.0) {
            stage.end = Some(Box::pin(end));
        }
    }

    /// A stage that is supervised itself. Its addresses and signs of life become this one's.
    pub fn part(&mut self, name: &'static str, mut part: Running) {
        self.addresses.extend(part.addresses.clone());
        self.pulses.append(&mut part.pulses);
        let (stage, stop) = self.push(name, PART_STOP_MS_MAX);
        self.spawn(stage, name, async move {
            tokio::select! {
                biased;
                () = stop.stopped() => part.stop().await,
                error = part.failed() => Err(error),
            }
        });
    }

    /// Everything is started, or something was not: then what was started is ended in order.
    ///
    /// # Errors
    /// What kept the start from being complete.
    pub async fn up(mut self, started: anyhow::Result<()>) -> anyhow::Result<Running> {
        if let Err(error) = started {
            self.failed = Some(error);
            self.wind_down().await?;
        }
        let (handle, stop) = stop_pair();
        let addresses = std::mem::take(&mut self.addresses);
        let pulses = std::mem::take(&mut self.pulses);
        let task = tokio::spawn(self.run(stop));
        Ok(Running::new(addresses, pulses, handle, task))
    }

    async fn run(mut self, stop: Stop) -> anyhow::Result<()> {
        while self.failed.is_none() {
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                Some(ended) = self.tasks.join_next_with_id() => self.note(ended, false),
            }
        }
        self.wind_down().await
    }

    /// A task has ended: forgets it, and keeps why if that is a failure.
    fn note(&mut self, ended: Ended, stopping: bool) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        let name = member.name;
        match ended {
            Ok((_, Ok(()))) if stopping || member.may_end => {}
            Ok((_, Ok(()))) => self.fail(anyhow::anyhow!("{name} ended without being asked to")),
            Ok((_, Err(error))) => self.fail(error.context(format!("{name} failed"))),
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                let error = anyhow::Error::new(error);
                self.fail(error.context(format!("{name} ended by a panic; report this")));
            }
        }
    }

    /// The first failure is the whole's; later ones are mostly its consequences.
    fn fail(&mut self, error: anyhow::Error) {
        if self.failed.is_some() {
            tracing::error!(error = format!("{error:#}"), "failed as well");
            return;
        }
        if (self.as_a_crash)(&error) {
            self.tasks.abort_all();
        }
        self.failed = Some(error);
    }

    async fn wind_down(&mut self) -> anyhow::Result<()> {
        while let Some(stage) = self.stages.pop() {
            self.end_stage(stage).await;
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    async fn end_stage(&mut self, stage: Stage) {
        // It is the last: whoever has its number belongs to it.
        let number = self.stages.len();
        drop(stage.stop.inspect(StopHandle::stop));
        let deadline = Instant::now() + stage.limit;
        while self.members.values().any(|member| member.stage == number) {
            match timeout_at(deadline, self.tasks.join_next_with_id()).await {
                Ok(Some(ended)) => self.note(ended, true),
                Ok(None) => break,
                Err(_) => self.cut_off(number, stage.limit),
            }
        }
        if let Some(end) = stage.end {
            let task = tokio::spawn(end);
            let abort = task.abort_handle();
            match timeout_at(Instant::now() + stage.limit, task).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => self.fail(error.context(format!("{} failed", stage.name))),
                Ok(Err(error)) => self.fail(anyhow::Error::new(error).context(stage.name)),
                Err(_) => {
                    abort.abort();
                    self.fail(hung(stage.name, stage.limit));
                }
            }
        }
    }

    fn cut_off(&mut self, stage: usize, limit: Duration) {
        let hanging = |member: &Member| member.stage == stage;
        for member in self.members.values().filter(|member| hanging(member)) {
            member.task.abort();
        }
        let names: Vec<&str> = self
            .members
            .values()
            .filter(|m| hanging(m))
            .map(|m| m.name)
            .collect();
        self.fail(hung(&names.join(", "), limit));
        // A task that blocks its thread does not see that it is aborted: nobody waits for it.
        self.members.retain(|_, member| !hanging(member));
    }
}

fn hung(name: &str, limit: Duration) -> anyhow::Error {
    anyhow::anyhow!(
        "{name} did not stop within {} s and was cut off; report this",
        limit.as_secs()
    )
}

#[cfg(test)]
mod tests;
