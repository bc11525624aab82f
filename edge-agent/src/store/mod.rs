//! The agent's disk: events are promised only after they are here (promise P1) and go only on a receipt (P2).
//!
//! One thread writes; everybody else hands over and waits for the answer. Reading happens beside it in short
//! transactions. docs/specs/agent-store.md has the numbered rules (S1..) that the tests cite.

mod commit;
mod committer;
pub mod format;
mod open;
mod queue;
mod read;
mod shared;
mod tables;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::{ReadableDatabase, ReadableTable};
use tokio::sync::{oneshot, watch};
use wardline_disk::{Disk, DiskError, RedbFile};
use wardline_model::{Event, Incarnation, RangeSet, block};
use wardline_service::Pulse;

use crate::Error;
use crate::buffer::gate::Gate;
use crate::clock::Stamper;
use crate::limits::FREE_DELAY_MS;
use committer::Committer;
use queue::{Append, Command, Covered, Queue};
pub use read::Run;
use shared::Shared;
use tables::Totals;

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("the store's quota is reached")]
    Full,
    #[error("the store could not write")]
    Failed,
    #[error("too much waits for the store")]
    Busy,
    #[error("the agent is stopping")]
    Stopping,
}

/// What the store holds, as of the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub incarnation: Incarnation,
    /// Lowest number held; equals `next_seq` when nothing is held.
    pub oldest: u64,
    pub next_seq: u64,
    pub events: u64,
    /// What the held blocks cost on disk.
    pub bytes: u64,
    pub refused: u64,
    pub full: bool,
    pub last_event_ms: Option<i64>,
}

impl Held {
    fn of(books: &Totals, gate: &Gate) -> Self {
        Self {
            incarnation: books.incarnation,
            oldest: books.oldest,
            next_seq: books.next_seq,
            events: books.events,
            bytes: books.bytes,
            refused: gate.total(),
            full: gate.is_full(),
            last_event_ms: books.last_event_ms,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct StoreConfig {
    pub quota_bytes: u64,
    pub linger: Duration,
}

/// The store, as its users see it. Cloning gives another handle to the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
}

/// Lives as long as any handle: a store that everybody forgot commits what it has and lets go of its file.
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Store {
    /// Opens or creates the store and starts its thread.
    pub fn open(disk: impl Disk, config: StoreConfig, clock: Stamper) -> Result<Self, Error> {
        let file = RedbFile::new(disk, open::KIND);
        let opening = open::Opening {
            known: None,
            stamp: clock.stamp(),
            publish: &|_| {},
        };
        let books = open::open(&file, &opening)?;
        let gate = Gate::new(config.quota_bytes, books.refused, books.untold);
        let held = Held::of(&books, &gate);
        let shared = Arc::new(Shared::new(file, held, Queue::new(config.linger)));
        let committer = Committer {
            shared: Arc::clone(&shared),
            clock,
            books,
            gate,
            retry_at: None,
            damaged: None,
            housekept: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|source| Error::File {
                what: "cannot start the committer thread for",
                path: shared.file.path().display().to_string(),
                source,
            })?;
        let owner = Owner {
            shared: Arc::clone(&shared),
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self {
            shared,
            owner: Arc::new(owner),
        })
    }

    /// Hands events over, at once and in order. The answer comes after the commit.
    pub fn append(
        &self,
        events: Vec<Event>,
        ids: Vec<(Arc<str>, u16)>,
    ) -> oneshot::Receiver<Result<(), Refusal>> {
        let (answer, receiver) = oneshot::channel();
        let raw_len = events.iter().map(block::encoded_len).sum();
        let count = events.len() as u64;
        let command = Command::Append(Append {
            events,
            ids,
            raw_len,
            answer,
        });
        if let Err((Command::Append(append), refusal)) = self.shared.queue.push(command) {
            self.note_refused(count);
            append.answer.send(Err(refusal)).ok();
        }
        receiver
    }

    /// Forgets QoS 2 identifiers. The answer comes after the commit.
    pub fn release(&self, client: Arc<str>, ids: Vec<u16>) -> oneshot::Receiver<bool> {
        let (answer, receiver) = oneshot::channel();
        // A refused command is dropped with its answer, which the receiver sees as a no.
        self.shared
            .queue
            .push(Command::Release {
                client,
                ids,
                answer,
            })
            .ok();
        receiver
    }

    /// Forgets all QoS 2 identifiers of a client.
    pub fn clear(&self, client: Arc<str>) -> oneshot::Receiver<bool> {
        let (answer, receiver) = oneshot::channel();
        // As for `release`.
        self.shared
            .queue
            .push(Command::Clear { client, answer })
            .ok();
        receiver
    }

    /// Frees what a checked receipt covers, with the next commit or a little later; nothing when the store begins
    /// another incarnation before that.
    pub fn free(&self, incarnation: Incarnation, covered: RangeSet) {
        let covered = Covered {
            incarnation,
            numbers: covered,
        };
        let wait = Duration::from_millis(FREE_DELAY_MS);
        self.shared.queue.receipt(covered, wait);
    }

    /// Counts events that were refused before they came here.
    pub fn note_refused(&self, count: u64) {
        self.shared.note_refused(count);
    }

    /// What the watchdog looks at: the thread that writes.
    pub fn pulse(&self) -> Pulse {
        self.shared.pulse.clone()
    }

    pub fn held(&self) -> Held {
        *self.shared.held.borrow()
    }

    /// Changes after every commit.
    pub fn watch(&self) -> watch::Receiver<Held> {
        self.shared.held.subscribe()
    }

    /// The next run of held events within `from..=to`. Blocks; a damaged block is set aside and reported once.
    pub fn read(&self, from: u64, to: u64) -> Result<Option<Run>, Error> {
        let found = self
            .shared
            .file
            .with("read it", |database| read::run(database, from, to))
            .inspect_err(|error| {
                if let DiskError::Damaged { what, .. } = error {
                    let (incarnation, why) = (self.held().incarnation, what.clone());
                    // If the queue is closed the damage is found again after the restart.
                    self.shared
                        .queue
                        .push(Command::Damaged { incarnation, why })
                        .ok();
                }
            })?;
        match found {
            read::Found::Run(run) => Ok(Some(run)),
            read::Found::Nothing => Ok(None),
            read::Found::Damaged { first, why } => {
                // If the queue is closed the block is found again after the restart.
                self.shared.queue.push(Command::SetAside { first }).ok();
                Err(Error::Block {
                    place: self.shared.file.path().display().to_string(),
                    first,
                    why: why.to_owned(),
                })
            }
        }
    }

    /// QoS 2 identifiers of a client that are stored and not released. Blocks.
    pub fn unreleased(&self, client: &str) -> Result<Vec<u16>, Error> {
        let read = |database: &_| read::unreleased(database, client);
        Ok(self.shared.file.with("read it", read)?)
    }

    /// Commits what waits and closes the database. Blocks; a second call does nothing.
    pub fn close(&self) {
        self.shared.queue.close();
        let thread = self
            .owner
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the committer thread ended badly");
        }
    }

    /// For tests and tools: how many events and bytes the blocks really hold, by reading all of them.
    pub fn audit(&self) -> Result<(u64, u64), Error> {
        let audited = self.shared.file.with("read it", |database| {
            let txn = database.begin_read()?;
            let table = txn.open_table(tables::BLOCKS)?;
            let (mut events, mut bytes) = (0, 0);
            for row in table.iter()? {
                let (_, value) = row?;
                events += format::header(value.value()).map_or(0, |(h, _)| u64::from(h.count));
                bytes += crate::buffer::pack::cost(value.value().len());
            }
            Ok((events, bytes))
        });
        Ok(audited?)
    }
}
