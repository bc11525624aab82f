//! The one thread that writes: everything that was appended while the last commit ran goes into the next one.
//!
//! Maintenance runs on the same thread in small steps between the commits, so it needs no locks of its own and an
//! append never waits for more than one step.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::append::{self, Append};
use super::maintain::{Effort, Maintenance, Pass};
use super::state::{Shared, Topic};
use super::tables::{self, Row, StoredTopic};
use super::topics_change;
use crate::limits::{COMMIT_BYTES_MAX, MAINTENANCE_INTERVAL_MS};
use crate::{LogError, TopicSpec};
use wardline_service::clock::SharedClock;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// What the thread is asked to do.
pub(crate) enum Command {
    Append(Append),
    Create(Vec<TopicSpec>, Reply<()>),
    Maintain(Reply<Maintenance>),
    /// Answered once everything before it is.
    Barrier(Reply<()>),
    Close(Reply<()>),
}

pub(crate) struct Committer {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    clock: SharedClock,
    /// Stored bytes per raw byte, as last seen.
    ratio: f32,
    /// Taken from the queue while appends were gathered.
    held: Option<Command>,
    pass: Option<Pass>,
    waiting: Vec<Reply<Maintenance>>,
    /// `None` if nothing runs by itself.
    next_pass: Option<Instant>,
}

enum Next {
    Command(Command),
    Nothing,
    Gone,
}

impl Committer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        clock: SharedClock,
        background: bool,
    ) -> Self {
        Self {
            shared,
            commands,
            clock,
            ratio: 0.5,
            held: None,
            pass: None,
            waiting: Vec::new(),
            next_pass: background.then(next_pass),
        }
    }

    /// Until `Close`, or until the handle is gone.
    pub(crate) fn run(mut self) {
        loop {
            match self.next() {
                Next::Command(Command::Append(first)) => self.commit(first),
                Next::Command(Command::Create(specs, reply)) => {
                    // As everywhere here: the caller may have gone away.
                    reply.send(create(&self.shared, &specs)).ok();
                }
                Next::Command(Command::Maintain(reply)) => self.waiting.push(reply),
                Next::Command(Command::Barrier(reply)) => {
                    reply.send(Ok(())).ok();
                }
                Next::Command(Command::Close(reply)) => {
                    self.shared.close();
                    reply.send(Ok(())).ok();
                    return;
                }
                Next::Nothing => {}
                Next::Gone => {
                    self.shared.close();
                    return;
                }
            }
            self.maintain();
        }
    }

    fn next(&mut self) -> Next {
        if let Some(command) = self.held.take() {
            return Next::Command(command);
        }
        if self.pass.is_some() || !self.waiting.is_empty() {
            return match self.commands.try_recv() {
                Ok(command) => Next::Command(command),
                Err(TryRecvError::Empty) => Next::Nothing,
                Err(TryRecvError::Disconnected) => Next::Gone,
            };
        }
        let Some(at) = self.next_pass else {
            return self.commands.recv().map_or(Next::Gone, Next::Command);
        };
        match self
            .commands
            .recv_timeout(at.saturating_duration_since(Instant::now()))
        {
            Ok(command) => Next::Command(command),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Gone,
        }
    }

    fn commit(&mut self, first: Append) {
        let mut bytes = first.bytes;
        let mut appends = vec![first];
        while bytes < COMMIT_BYTES_MAX {
            match self.commands.try_recv() {
                Ok(Command::Append(append)) => {
                    bytes += append.bytes;
                    appends.push(append);
                }
                Ok(other) => {
                    self.held = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        append::commit(&self.shared, appends, self.clock.wall_ms(), &mut self.ratio);
    }

    /// One step of a running pass, or the begin of one that is due or asked for.
    fn maintain(&mut self) {
        if self.pass.is_none() {
            let due = self.next_pass.is_some_and(|at| at <= Instant::now());
            if !self.waiting.is_empty() {
                self.pass = Some(Pass::new(
                    &self.shared,
                    Effort::Full,
                    std::mem::take(&mut self.waiting),
                ));
            } else if due {
                self.pass = Some(Pass::new(&self.shared, Effort::Background, Vec::new()));
            }
        }
        let Some(pass) = &mut self.pass else {
            return;
        };
        if pass.step(&self.shared, self.clock.wall_ms(), &mut self.ratio) {
            return;
        }
        if let Some(pass) = self.pass.take() {
            pass.finish();
        }
        self.next_pass = self.next_pass.map(|_| next_pass());
    }
}

fn next_pass() -> Instant {
    Instant::now() + Duration::from_millis(MAINTENANCE_INTERVAL_MS)
}

fn create(shared: &Shared, specs: &[TopicSpec]) -> Result<(), LogError> {
    let change = topics_change(shared, specs)?;
    if change.is_empty() {
        return Ok(());
    }
    shared.change("create topics", |db| {
        let txn = db.begin_write()?;
        let mut stored = Vec::with_capacity(change.len());
        for spec in &change {
            let id = shared.topic(&spec.name).map_or(0, |topic| topic.id);
            let mut topic = StoredTopic {
                id,
                partitions: spec.partitions,
                cleanup: spec.cleanup,
            };
            tables::put_topic(&txn, &spec.name, &mut topic)?;
            stored.push((&spec.name, topic));
        }
        txn.commit()?;
        for (name, topic) in stored {
            if let Ok(known) = shared.topic(name) {
                known.set_cleanup(topic.cleanup);
            } else {
                let rows = vec![Row::EMPTY; topic.partitions as usize];
                shared.insert_topic(Topic::new(name, &topic, &rows));
            }
        }
        Ok(())
    })
}
