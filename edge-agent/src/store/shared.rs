//! What the committer thread and the handles share: the database, the queue, and what is held.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::Database;
use tokio::sync::watch;

use super::Held;
use super::disk::Disk;
use super::queue::Queue;
use crate::Error;

pub(super) struct Shared {
    pub(super) disk: Box<dyn Disk>,
    /// `None` between a failed commit and the next opening.
    database: RwLock<Option<Database>>,
    pub(super) held: watch::Sender<Held>,
    pub(super) queue: Queue,
    foreign_refusals: AtomicU64,
}

impl Shared {
    pub(super) fn new(disk: Box<dyn Disk>, database: Database, held: Held, queue: Queue) -> Self {
        Self {
            disk,
            database: RwLock::new(Some(database)),
            held: watch::Sender::new(held),
            queue,
            foreign_refusals: AtomicU64::new(0),
        }
    }

    /// A database error says what was tried; the caller decides whether to close.
    pub(super) fn with_database<T>(
        &self,
        doing: &'static str,
        use_it: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| Error::StoreClosed {
            place: self.disk.describe(),
        })?;
        self.guarded(doing, || use_it(database))
    }

    /// The database asserts what it believes about its own file, and a damaged file can break such a belief.
    fn guarded<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce() -> Result<T, redb::Error>,
    ) -> Result<T, Error> {
        let damaged = |why: String| Error::StoreDamaged {
            place: self.disk.describe(),
            why,
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Err(redb::Error::Corrupted(why))) => Err(damaged(why)),
            Ok(result) => result.map_err(|e| Error::store(&self.disk.describe(), doing, e)),
            Err(_) => Err(damaged(format!(
                "its structure contradicts itself (trying to {doing})"
            ))),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    pub(super) fn put_database(&self, database: Database) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(database);
    }

    pub(super) fn close_database(&self) {
        let closing = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Closing writes as well, with the same beliefs.
        if catch_unwind(AssertUnwindSafe(|| drop(closing))).is_err() {
            tracing::error!(store = %self.disk.describe(), "the database could not be closed in order");
        }
    }

    pub(super) fn compact(&self) -> Result<(), Error> {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_mut() else {
            return Ok(());
        };
        self.guarded("compact it", || {
            database.compact()?;
            Ok(())
        })
    }

    pub(super) fn note_refused(&self, count: u64) {
        self.foreign_refusals.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn take_foreign_refusals(&self) -> u64 {
        self.foreign_refusals.swap(0, Ordering::Relaxed)
    }
}
