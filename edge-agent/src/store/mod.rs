//! The agent's disk: events are promised only after they are here (promise P1) and go only on a receipt (P2).
//!
//! One thread writes; everybody else hands over and waits for the answer. Reading happens beside it in short
//! transactions. docs/specs/agent-store.md has the numbered rules (S1..) that the tests cite.

mod commit;
mod committer;
mod disk;
pub mod format;
mod open;
mod queue;
mod read;
mod tables;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::{Database, ReadableDatabase, ReadableTable};
use tokio::sync::{oneshot, watch};
use wardline_model::{Event, Incarnation, RangeSet, block};

use crate::Error;
use crate::buffer::gate::Gate;
use crate::clock::Clock;
use committer::Committer;
pub use disk::{Disk, FileDisk, builder};
use queue::{Append, Command, Queue};
pub use read::Run;

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

#[derive(Debug, Clone, Copy)]
pub struct StoreConfig {
    pub quota_bytes: u64,
    pub linger: Duration,
}

pub(crate) struct Shared {
    pub(crate) disk: Box<dyn Disk>,
    /// `None` between a failed commit and the next opening.
    database: RwLock<Option<Database>>,
    pub(crate) held: watch::Sender<Held>,
    queue: Queue,
    foreign_refusals: AtomicU64,
    broken: watch::Sender<Option<String>>,
}

impl Shared {
    /// A database error says what was tried; the caller decides whether to close.
    pub(crate) fn with_database<T>(
        &self,
        doing: &'static str,
        use_it: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| Error::StoreClosed {
            place: self.disk.describe(),
        })?;
        // The database asserts what it believes about its own file, and a damaged file can break such a belief.
        match catch_unwind(AssertUnwindSafe(|| use_it(database))) {
            Ok(result) => result.map_err(|e| Error::store(&self.disk.describe(), doing, e)),
            Err(_) => Err(Error::StoreDamaged {
                place: self.disk.describe(),
                why: format!("its structure contradicts itself (trying to {doing})"),
            }),
        }
    }

    /// Only a new start helps: it sets the file aside and begins a new incarnation.
    pub(crate) fn broken(&self, error: &Error) {
        self.broken.send_replace(Some(error.to_string()));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    pub(crate) fn put_database(&self, database: Database) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(database);
    }

    pub(crate) fn close_database(&self) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn compact(&self) -> Result<(), Error> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match guard.as_mut() {
            None => Ok(()),
            Some(database) => match catch_unwind(AssertUnwindSafe(|| database.compact())) {
                Ok(done) => done
                    .map(|_| ())
                    .map_err(|e| Error::store(&self.disk.describe(), "compact it", e)),
                Err(_) => Err(Error::StoreDamaged {
                    place: self.disk.describe(),
                    why: "its structure contradicts itself (trying to compact it)".to_owned(),
                }),
            },
        }
    }

    pub(crate) fn take_foreign_refusals(&self) -> u64 {
        self.foreign_refusals.swap(0, Ordering::Relaxed)
    }
}

/// The store, as its users see it. Cloning gives another handle to the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Store {
    /// Opens or creates the store and starts its thread.
    pub fn open(
        disk: impl Disk,
        config: StoreConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let opened = open::open(&disk, clock.stamp())?;
        let place = disk.describe();
        let gate = Gate::new(
            config.quota_bytes,
            opened.books.refused,
            opened.books.untold,
        );
        let oldest = opened.oldest(&place)?;
        let held = Held {
            incarnation: opened.books.incarnation,
            oldest,
            next_seq: opened.books.next_seq,
            events: opened.books.events,
            bytes: opened.books.bytes,
            refused: opened.books.refused,
            full: false,
            last_event_ms: opened.books.last_event_ms,
        };
        let shared = Arc::new(Shared {
            disk: Box::new(disk),
            database: RwLock::new(Some(opened.database)),
            held: watch::Sender::new(held),
            queue: Queue::new(config.linger),
            foreign_refusals: AtomicU64::new(0),
            broken: watch::Sender::new(None),
        });
        let reserve = shared.disk.keep_reserve();
        if let Err(error) = &reserve {
            tracing::error!(%error, store = %place, "the disk is full: events are refused until there is room");
        }
        let committer = Committer {
            shared: Arc::clone(&shared),
            clock,
            books: opened.books,
            gate,
            oldest,
            qos2_ids: opened.qos2_ids,
            retry_at: None,
            reserve_lent: reserve.is_err(),
            compacted_at: 0,
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|source| Error::File {
                what: "cannot start the committer thread for",
                path: place,
                source,
            })?;
        Ok(Self {
            shared,
            thread: Arc::new(Mutex::new(Some(thread))),
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

    /// Frees what a checked receipt covers, with the next commit or a little later.
    pub fn free(&self, covered: RangeSet) {
        self.shared.queue.receipt(covered, false);
    }

    /// Counts events that were refused before they came here.
    pub fn note_refused(&self, count: u64) {
        self.shared
            .foreign_refusals
            .fetch_add(count, Ordering::Relaxed);
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
        match self
            .shared
            .with_database("read it", |database| read::run(database, from, to))?
        {
            read::Found::Run(run) => Ok(Some(run)),
            read::Found::Nothing => Ok(None),
            read::Found::Damaged { first, why } => {
                // If the queue is closed the block is found again after the restart.
                self.shared.queue.push(Command::SetAside { first }).ok();
                Err(Error::Block {
                    place: self.shared.disk.describe(),
                    first,
                    why: why.to_owned(),
                })
            }
        }
    }

    /// QoS 2 identifiers of a client that are stored and not released. Blocks.
    pub fn unreleased(&self, client: &str) -> Result<Vec<u16>, Error> {
        self.shared
            .with_database("read it", |database| read::unreleased(database, client))
    }

    /// Resolves only when the store can do nothing more until the agent is started anew.
    pub async fn broken(&self) -> Error {
        let mut receiver = self.shared.broken.subscribe();
        // The sender lives as long as this handle, so there is no error to see.
        let why = match receiver.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => String::new(),
        };
        Error::StoreDamaged {
            place: self.shared.disk.describe(),
            why,
        }
    }

    /// Commits what waits and closes the database. Blocks; a second call does nothing.
    pub fn close(&self) {
        self.shared.queue.close();
        let thread = self
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
        self.shared.with_database("read it", |database| {
            let txn = database.begin_read()?;
            let table = txn.open_table(tables::BLOCKS)?;
            let (mut events, mut bytes) = (0, 0);
            for row in table.iter()? {
                let (_, value) = row?;
                events += format::header(value.value()).map_or(0, |(h, _)| u64::from(h.count));
                bytes += crate::buffer::pack::cost(value.value().len());
            }
            Ok((events, bytes))
        })
    }
}
