//! The shell around one redb file.
//!
//! What it keeps true:
//! - a file is there whole, with its tables and its format, or not at all, and one process has it;
//! - redb's own assertions, which a damaged file can break, end as [`DiskError::Damaged`] and not as a dead thread;
//! - redb refuses every call on a handle that met an I/O error, so the handle is closed at once and the file opened again,
//!   not more often than `health.rs` allows; who opens checks the file before anybody else can use it;
//! - an answer comes in bounded time: the only thing that everybody waits for is an opening, or a shrinking whose work is
//!   bounded ([`crate::limits::SHRINK_HELD_BYTES_MAX`]).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use redb::{Builder, Database, ReadableDatabase, StorageBackend, TableDefinition, TableError};

use crate::error::{Cause, guarded};
use crate::health::{Failure, Gate, Health};
use crate::limits::{CREATE_ROUNDS_MAX, RESERVE_BYTES};
use crate::shrink::{LastShrink, Shrunk};
use crate::{Disk, DiskError, Storage};

/// The one row of this table says what the file is: the name of its kind -> its format.
const FILE: TableDefinition<'static, &str, u64> = TableDefinition::new("file");

/// What one sort of file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// As it is called in the file and in messages.
    pub name: &'static str,
    /// The newest format that is known; there is no older one that is still read.
    pub format: u64,
    /// redb's page cache.
    pub cache_bytes: usize,
    /// What a person does when it is damaged.
    pub if_damaged: &'static str,
}

/// A redb file: not yet open, open, failed and to be opened again, or closed for good.
#[derive(Debug)]
pub struct RedbFile {
    disk: Box<dyn Disk>,
    kind: Kind,
    slot: RwLock<Slot>,
    health: Mutex<Health>,
    last_shrink: Mutex<LastShrink>,
    /// Why the last opening failed: the answer until the next one is tried.
    last_error: Mutex<Option<DiskError>>,
}

#[derive(Debug)]
enum Slot {
    Open {
        database: Database,
        /// Which opening it was: a failure of an earlier one closes nothing.
        opening: u64,
    },
    /// Not open, after so many openings.
    Failed(u64),
    Closed,
}

impl RedbFile {
    /// A file that is not open yet.
    pub fn new(disk: impl Disk, kind: Kind) -> Self {
        Self {
            disk: Box::new(disk),
            kind,
            slot: RwLock::new(Slot::Failed(0)),
            health: Mutex::new(Health::NEW),
            last_shrink: Mutex::new(LastShrink::default()),
            last_error: Mutex::new(None),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// What the file takes on disk.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.disk.used_bytes()
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        matches!(*slot, Slot::Open { .. })
    }

    /// Opens a file that is there, for the first time or after it failed; `check` sees it before anybody else.
    /// `None`: it is open already.
    ///
    /// # Errors
    /// `Missing`, what is wrong with the file, and `Unavailable` while the pause after the last failure lasts.
    pub fn open<T>(
        &self,
        check: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<Option<T>, DiskError> {
        let mut slot = self.exclusive();
        let Slot::Failed(opening) = *slot else {
            return match *slot {
                Slot::Closed => Err(self.closed()),
                _ => Ok(None),
            };
        };
        if let Some(wait) = self.health().open_in(Instant::now()) {
            let paused = || self.error("open it again", Cause::Io(later(wait)));
            return Err(self.last_error().clone().unwrap_or_else(paused));
        }
        let begun = Instant::now();
        let opened = self.open_now(check);
        self.health().opened(begun.elapsed(), Instant::now());
        *self.last_error() = opened.as_ref().err().cloned();
        let (database, found) = opened?;
        *slot = Slot::Open {
            database,
            opening: opening + 1,
        };
        drop(slot);
        // What was lent to a full disk is what freeing works with now.
        if !self.is_full() {
            self.keep_reserve();
        }
        Ok(Some(found))
    }

    /// Makes a file and opens it, if there is none; `None`: there is one, made by another process or before.
    /// `fill` writes its first tables. A crash leaves all of it or nothing.
    ///
    /// # Errors
    /// What the disk says.
    pub fn create<T>(
        &self,
        fill: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<Option<T>, DiskError> {
        let mut slot = self.exclusive();
        let Slot::Failed(opening) = *slot else {
            return match *slot {
                Slot::Closed => Err(self.closed()),
                _ => Ok(None),
            };
        };
        let doing = "create it";
        let failed = |error: std::io::Error| self.error(doing, Cause::of_io(&error));
        if self.disk.open().map_err(failed)?.is_some() {
            return Ok(None);
        }
        let (storage, begun) = self.disk.begin().map_err(failed)?;
        let made = self.fill(storage, fill).and_then(|made| {
            let ours = self.disk.publish(&begun).map_err(failed)?;
            Ok(ours.then_some(made))
        });
        let (database, made) = match made {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.disk.discard(&begun);
                return Err(error);
            }
        };
        *slot = Slot::Open {
            database,
            opening: opening + 1,
        };
        drop(slot);
        self.keep_reserve();
        Ok(Some(made))
    }

    /// Opens the file, or makes it if there is none.
    ///
    /// # Errors
    /// As `open` and `create`.
    pub fn open_or_create(
        &self,
        fill: impl Fn(&Database) -> Result<(), redb::Error>,
    ) -> Result<(), DiskError> {
        for _ in 0..CREATE_ROUNDS_MAX {
            match self.open(|_| Ok(())) {
                Err(DiskError::Missing { .. }) => {}
                other => return other.map(|_| ()),
            }
            if self.create(&fill)?.is_some() {
                return Ok(());
            }
        }
        let why = "it comes and goes: other processes make and remove it".to_owned();
        Err(self.error("open it", Cause::Io(why)))
    }

    /// Runs one piece of work on the open file. An I/O error closes it: `open` is the way on.
    ///
    /// # Errors
    /// What redb said, sorted; `Unavailable` while it is not open.
    pub fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, DiskError> {
        let (opening, cause) = {
            let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
            let (database, opening) = match &*slot {
                Slot::Open { database, opening } => (database, *opening),
                Slot::Failed(_) => return Err(self.not_open(doing)),
                Slot::Closed => return Err(self.closed()),
            };
            match guarded(|| Ok(work(database)?)) {
                Ok(done) => return Ok(done),
                Err(cause) => (opening, cause),
            }
        };
        self.note(opening, &cause);
        Err(self.error(doing, cause))
    }

    /// Whether about so many bytes may be added now. What is full, or has just failed, is not touched.
    ///
    /// # Errors
    /// `Full`, `Unavailable`, `Closed`.
    pub fn admit(&self, bytes: u64) -> Result<(), DiskError> {
        let doing = "add to it";
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        if matches!(*slot, Slot::Closed) {
            return Err(self.closed());
        }
        drop(slot);
        let gate = self.health().gate(bytes, Instant::now());
        match gate {
            Gate::Open => Ok(()),
            Gate::TakeReserve if self.keep_reserve() => Ok(()),
            Gate::TakeReserve | Gate::Full => Err(self.error(doing, Cause::Full)),
            Gate::Wait(wait) => Err(self.error(doing, Cause::Io(later(wait)))),
        }
    }

    /// Whether the disk was full and the reserve is not back yet.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.health().is_full()
    }

    /// So many bytes were added, and so many freed, by work that is done.
    pub fn moved(&self, added_bytes: u64, freed_bytes: u64) {
        let mut health = self.health();
        health.added(added_bytes);
        health.freed(freed_bytes);
    }

    /// Makes the file smaller if it is large and holds little. Everybody waits meanwhile, for as long as it takes to move what is held.
    ///
    /// # Errors
    /// As `with`.
    pub fn shrink(&self, held_bytes: u64) -> Result<Option<Shrunk>, DiskError> {
        let before_bytes = self.used_bytes();
        if !self.last_shrink().worth(before_bytes, held_bytes) {
            return Ok(None);
        }
        let mut slot = self.exclusive();
        let (opening, compacted) = match &mut *slot {
            Slot::Open { database, opening } => (*opening, guarded(|| Ok(database.compact()?))),
            Slot::Failed(_) => return Err(self.not_open("shrink it")),
            Slot::Closed => return Err(self.closed()),
        };
        drop(slot);
        let after_bytes = self.used_bytes();
        self.last_shrink().tried(after_bytes, held_bytes);
        if let Err(cause) = compacted {
            self.note(opening, &cause);
            return Err(self.error("shrink it", cause));
        }
        Ok(Some(Shrunk {
            before_bytes,
            after_bytes,
        }))
    }

    /// Gives a damaged file another name, under which it is kept for people; `create` makes a new one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn set_aside(&self) -> Result<PathBuf, DiskError> {
        let mut slot = self.exclusive();
        self.fail(&mut slot);
        self.disk
            .set_aside()
            .map_err(|error| self.error("set it aside", Cause::of_io(&error)))
    }

    /// Waits for what is under way and gives the file free, for good.
    pub fn close(&self) {
        let mut slot = self.exclusive();
        self.fail(&mut slot);
        *slot = Slot::Closed;
    }

    /// What was read from the file, and was not written there by this program.
    #[must_use]
    pub fn damaged(&self, what: String) -> DiskError {
        DiskError::Damaged {
            path: self.path().to_owned(),
            what,
            advice: self.kind.if_damaged,
        }
    }

    fn open_now<T>(
        &self,
        check: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<(Database, T), DiskError> {
        let doing = "open it";
        let failed = |error: &std::io::Error| self.error(doing, Cause::of_io(error));
        let storage = self.disk.open().map_err(|error| failed(&error))?;
        let storage = storage.ok_or_else(|| DiskError::Missing {
            path: self.path().to_owned(),
            kind: self.kind.name,
        })?;
        if storage.len().map_err(|error| failed(&error))? == 0 {
            return Err(self.error(doing, Cause::Damaged("it is empty".to_owned())));
        }
        guarded(|| {
            let database = self.builder().create_with_backend(storage)?;
            check_format(&database, self.kind)?;
            let found = check(&database)?;
            Ok((database, found))
        })
        .map_err(|cause| self.error(doing, cause))
    }

    fn fill<T>(
        &self,
        storage: Storage,
        fill: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<(Database, T), DiskError> {
        guarded(|| {
            let database = self.builder().create_with_backend(storage)?;
            let made = fill(&database)?;
            let txn = database.begin_write()?;
            txn.open_table(FILE)?
                .insert(self.kind.name, self.kind.format)?;
            txn.commit()?;
            Ok((database, made))
        })
        .map_err(|cause| self.error("create it", cause))
    }

    fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder.set_cache_size(self.kind.cache_bytes);
        builder
    }

    /// Closes the handle that failed, unless the file was opened again meanwhile.
    fn note(&self, failed: u64, how: &Cause) {
        let failure = match how {
            Cause::Asserted => Failure::Damage,
            Cause::Full => Failure::Full,
            Cause::Io(_) => Failure::Io,
            _ => return,
        };
        let mut slot = self.exclusive();
        if !matches!(*slot, Slot::Open { opening, .. } if opening == failed) {
            return;
        }
        self.fail(&mut slot);
        let lend = self.health().failed(failure, Instant::now());
        if lend {
            tracing::error!(file = %self.path().display(), "the disk is full: nothing is added until there is room");
            if let Err(error) = self.disk.lend_reserve() {
                tracing::error!(%error, "the reserve cannot be given to the disk");
            }
        }
    }

    fn fail(&self, slot: &mut RwLockWriteGuard<'_, Slot>) {
        let openings = match **slot {
            Slot::Open { opening, .. } | Slot::Failed(opening) => opening,
            Slot::Closed => return,
        };
        let old = std::mem::replace(&mut **slot, Slot::Failed(openings));
        // Closing writes as well, with the same beliefs about the file.
        if catch_unwind(AssertUnwindSafe(|| drop(old))).is_err() {
            tracing::error!(file = %self.path().display(), "the file could not be closed in order");
        }
    }

    /// `true`: the reserve is there.
    fn keep_reserve(&self) -> bool {
        // What was lent is free as long as nothing needed it: only as much again shows that there is room.
        let was_full = self.is_full();
        let spare = if was_full { RESERVE_BYTES } else { 0 };
        let kept = self.disk.keep_reserve(RESERVE_BYTES, spare);
        self.health().reserve(kept.is_ok(), Instant::now());
        let file = self.path().display();
        match &kept {
            Ok(()) if was_full => tracing::warn!(%file, "there is room on the disk again"),
            Err(error) if !was_full => {
                tracing::error!(%error, %file, "the disk is full: nothing is added until there is room");
            }
            _ => {}
        }
        kept.is_ok()
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Slot> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_shrink(&self) -> MutexGuard<'_, LastShrink> {
        self.last_shrink
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn last_error(&self) -> MutexGuard<'_, Option<DiskError>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> DiskError {
        DiskError::Closed {
            path: self.path().to_owned(),
        }
    }

    fn not_open(&self, doing: &'static str) -> DiskError {
        let why = "it failed and is not open again yet".to_owned();
        self.error(doing, Cause::Io(why))
    }

    fn error(&self, doing: &'static str, cause: Cause) -> DiskError {
        let path = self.path().to_owned();
        match cause {
            Cause::Locked => DiskError::Locked { path },
            Cause::Newer(found) => DiskError::Newer {
                path,
                found,
                known: self.kind.format,
            },
            Cause::Damaged(what) => self.damaged(what),
            Cause::Asserted => self.damaged("its structure contradicts itself".to_owned()),
            Cause::Full => DiskError::Full { path, doing },
            Cause::Io(why) | Cause::Refused(why) => DiskError::Unavailable { path, doing, why },
        }
    }
}

impl Drop for RedbFile {
    /// Also when it is forgotten open: closing a damaged file must not take its owner's thread along.
    fn drop(&mut self) {
        self.close();
    }
}

/// The file is of the kind, in a format that is known.
fn check_format(database: &Database, kind: Kind) -> Result<(), Cause> {
    let found = match database.begin_read()?.open_table(FILE) {
        Ok(table) => table.get(kind.name)?.map(|found| found.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match found {
        Some(found) if found == kind.format => Ok(()),
        Some(found) if found > kind.format => Err(Cause::Newer(found.to_string())),
        _ => Err(Cause::Damaged(format!(
            "it is a database, but no {}",
            kind.name
        ))),
    }
}

fn later(wait: Duration) -> String {
    format!(
        "it failed a moment ago and is tried again in {} ms",
        wait.as_millis()
    )
}
