//! What waits for the next commit.
//!
//! Putting something in never waits, so that a connection can hand over in the order of its wire and go on reading;
//! those who put in bound themselves, and a hard bound here refuses if they do not. Taking waits for company: the
//! oldest entry waits at most the linger time, and a large batch does not wait at all.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wardline_model::{Event, Incarnation, RangeSet};

use super::Refusal;
use crate::limits::{COMMIT_LARGE_BYTES, COMMIT_RAW_BYTES_MAX, QUEUE_RAW_BYTES_MAX};

/// What a receipt covers, and of which life of the store it speaks.
#[derive(Debug, Clone)]
pub(super) struct Covered {
    pub(super) incarnation: Incarnation,
    pub(super) numbers: RangeSet,
}

pub(super) type AppendAnswer = oneshot::Sender<Result<(), Refusal>>;

pub(super) struct Append {
    pub events: Vec<Event>,
    /// QoS 2 identifiers of these events.
    pub ids: Vec<(Arc<str>, u16)>,
    pub raw_len: usize,
    pub answer: AppendAnswer,
}

pub(super) enum Command {
    Append(Append),
    Release {
        client: Arc<str>,
        ids: Vec<u16>,
        answer: oneshot::Sender<bool>,
    },
    Clear {
        client: Arc<str>,
        answer: oneshot::Sender<bool>,
    },
    SetAside {
        first: u64,
    },
    /// A reader found that this incarnation's file contradicts itself.
    Damaged {
        incarnation: Incarnation,
        why: String,
    },
}

impl Command {
    fn weight(&self) -> usize {
        match self {
            Command::Append(append) => append.raw_len,
            Command::Release { ids, .. } => 64 + 2 * ids.len(),
            Command::Clear { .. } | Command::SetAside { .. } | Command::Damaged { .. } => 64,
        }
    }
}

struct Queued {
    at: Instant,
    weight: usize,
    command: Command,
}

#[derive(Default)]
struct Inner {
    commands: VecDeque<Queued>,
    bytes: usize,
    /// The newest receipt and when its deletions are due.
    receipt: Option<(Covered, Instant)>,
    closed: bool,
}

/// What goes into one commit.
pub(super) struct Taken {
    pub commands: Vec<Command>,
    pub receipt: Option<Covered>,
    /// Nothing more will come.
    pub closed: bool,
}

impl Taken {
    pub(super) fn nothing() -> Self {
        Self {
            commands: Vec::new(),
            receipt: None,
            closed: false,
        }
    }
}

pub(super) struct Queue {
    linger: Duration,
    inner: Mutex<Inner>,
    ready: Condvar,
}

impl Queue {
    pub(super) fn new(linger: Duration) -> Self {
        Self {
            linger,
            inner: Mutex::new(Inner::default()),
            ready: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves the queue whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the command back when it cannot be taken.
    pub(super) fn push(&self, command: Command) -> Result<(), (Command, Refusal)> {
        let weight = command.weight();
        let mut inner = self.lock();
        if inner.closed {
            return Err((command, Refusal::Stopping));
        }
        if inner.bytes.saturating_add(weight) > QUEUE_RAW_BYTES_MAX {
            return Err((command, Refusal::Busy));
        }
        inner.bytes += weight;
        inner.commands.push_back(Queued {
            at: Instant::now(),
            weight,
            command,
        });
        drop(inner);
        self.ready.notify_one();
        Ok(())
    }

    /// Its deletions are due after `wait` at the latest. Receipts of one life are cumulative, so they add up: one that is
    /// put back, because it could not be worked off whole, takes nothing from a newer one.
    pub(super) fn receipt(&self, covered: Covered, wait: Duration) {
        let mut inner = self.lock();
        let due = Instant::now() + wait;
        match &mut inner.receipt {
            Some((held, at)) if held.incarnation == covered.incarnation => {
                for (first, last) in covered.numbers.iter() {
                    held.numbers.insert(first, last);
                }
                *at = due.min(*at);
            }
            other => *other = Some((covered, due)),
        }
        drop(inner);
        self.ready.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// Waits until something is due. Comes back with nothing after an idle tick.
    pub(super) fn take(&self, idle: Duration) -> Taken {
        let idle = Instant::now() + idle;
        let mut inner = self.lock();
        loop {
            let now = Instant::now();
            let due = inner.due(self.linger).unwrap_or(idle);
            if inner.closed || due <= now || idle <= now {
                return inner.take();
            }
            let wait = due.min(idle).saturating_duration_since(now);
            let (guard, _) = self
                .ready
                .wait_timeout(inner, wait)
                .unwrap_or_else(PoisonError::into_inner);
            inner = guard;
        }
    }
}

impl Inner {
    fn due(&self, linger: Duration) -> Option<Instant> {
        let company = self.commands.front().map(|oldest| {
            if self.bytes >= COMMIT_LARGE_BYTES {
                oldest.at
            } else {
                oldest.at + linger
            }
        });
        let freeing = self.receipt.as_ref().map(|(_, due)| *due);
        match (company, freeing) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn take(&mut self) -> Taken {
        let mut commands = Vec::new();
        let mut bytes = 0usize;
        while bytes < COMMIT_RAW_BYTES_MAX {
            let Some(queued) = self.commands.pop_front() else {
                break;
            };
            bytes += queued.weight;
            commands.push(queued.command);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        Taken {
            commands,
            receipt: self.receipt.take().map(|(covered, _)| covered),
            closed: self.closed && self.commands.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FREE_DELAY_MS;

    fn clear() -> Command {
        Command::Clear {
            client: "c".into(),
            answer: oneshot::channel().0,
        }
    }

    #[test]
    fn s5_a_commit_waits_for_company_only_as_long_as_the_linger() {
        let queue = Queue::new(Duration::from_millis(30));
        let begun = Instant::now();
        assert!(queue.push(clear()).is_ok());
        assert_eq!(queue.take(Duration::from_secs(60)).commands.len(), 1);
        assert!(begun.elapsed() >= Duration::from_millis(30));
        let queue = Queue::new(Duration::from_secs(3600));
        let (answer, _) = oneshot::channel();
        let append = Append {
            events: Vec::new(),
            ids: Vec::new(),
            raw_len: COMMIT_LARGE_BYTES,
            answer,
        };
        assert!(queue.push(Command::Append(append)).is_ok());
        assert_eq!(
            queue.take(Duration::from_secs(60)).commands.len(),
            1,
            "a large batch does not wait"
        );
    }

    fn covered(up_to: u64) -> Covered {
        Covered {
            incarnation: Incarnation(1),
            numbers: [(1, up_to)].into_iter().collect(),
        }
    }

    #[test]
    fn s6_what_is_left_of_a_receipt_takes_nothing_from_a_newer_one() {
        let queue = Queue::new(Duration::ZERO);
        queue.receipt(covered(9), Duration::ZERO);
        let taken = queue.take(Duration::from_secs(60)).receipt.unwrap();
        // While the commit ran.
        queue.receipt(covered(12), Duration::from_secs(60));
        queue.receipt(taken, Duration::ZERO);
        let both = queue.take(Duration::from_secs(60)).receipt.unwrap();
        assert_eq!(both.numbers.up_to(), 12);
    }

    #[test]
    fn s7_the_newest_receipt_replaces_an_older_one() {
        let queue = Queue::new(Duration::ZERO);
        let delay = Duration::from_millis(FREE_DELAY_MS);
        queue.receipt(covered(5), delay);
        queue.receipt(covered(9), delay);
        assert!(queue.push(clear()).is_ok());
        let taken = queue.take(Duration::from_secs(60));
        assert_eq!(taken.receipt.and_then(|r| r.numbers.last()), Some(9));
        queue.receipt(covered(10), delay);
        assert_eq!(
            queue
                .take(Duration::from_secs(60))
                .receipt
                .and_then(|r| r.numbers.last()),
            Some(10),
            "due without a commit"
        );
    }

    #[test]
    fn p7_the_queue_is_bounded_and_a_closed_one_takes_nothing() {
        let queue = Queue::new(Duration::ZERO);
        let (answer, _) = oneshot::channel();
        let huge = Append {
            events: Vec::new(),
            ids: Vec::new(),
            raw_len: QUEUE_RAW_BYTES_MAX + 1,
            answer,
        };
        assert!(matches!(
            queue.push(Command::Append(huge)),
            Err((_, Refusal::Busy))
        ));
        queue.close();
        assert!(matches!(queue.push(clear()), Err((_, Refusal::Stopping))));
        assert!(queue.take(Duration::from_secs(60)).closed);
    }
}
