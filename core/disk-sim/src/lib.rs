//! The simulated side of the seam [`Disk`]: one file in memory that fails, fills up and loses power on command.
//!
//! For tests and simulation: no program links it.
//!
//! What was written and not synced is kept apart, as a real disk does it. A power cut decides about each unsynced write
//! by itself: lost, kept, torn, in any order (see [`Cut`]). Everything is decided by what the test asked for and by the
//! seed of the cut, so the same test does the same again.

mod image;

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

pub use image::Cut;
use image::Image;

use wardline_disk::{Disk, Storage};

/// A call to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Read,
    /// Writes, and changes of the length.
    Write,
    Sync,
}

/// Which calls fail.
#[derive(Debug, Clone, Copy)]
struct Fault {
    op: Op,
    /// So many of them still work.
    left: u64,
    /// Then so many fail.
    times: u64,
    kind: ErrorKind,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Arc<Mutex<Image>>>,
    begun: Vec<(PathBuf, Arc<Mutex<Image>>)>,
    aside: u64,
    faults: Vec<Fault>,
    /// Writes and syncs that still work before the power goes.
    power: Option<u64>,
    /// Who has the file, by the number of its handle.
    holder: Option<u64>,
    handles: u64,
    /// Room on the disk, the reserve included.
    space: Option<u64>,
    reserve: u64,
    hold_syncs: bool,
    held_syncs: u64,
    ignore_syncs: bool,
    changes: u64,
    syncs: u64,
    failed: u64,
}

/// One simulated disk; a clone is another handle to the same one.
#[derive(Debug, Clone)]
pub struct SimDisk {
    path: PathBuf,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self {
            path: PathBuf::from("(simulated)"),
            state: Arc::default(),
        }
    }
}

impl SimDisk {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another disk with the same bytes, nobody on it, and nothing that fails.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.lock();
        let copy = |image: &Arc<Mutex<Image>>| Arc::new(Mutex::new(lock(image).clone()));
        let forked = State {
            file: state.file.as_ref().map(copy),
            reserve: state.reserve,
            ..State::default()
        };
        Self {
            path: self.path.clone(),
            state: Arc::new((Mutex::new(forked), Condvar::new())),
        }
    }

    /// After `left` more calls of this sort, `times` of them fail.
    pub fn fail(&self, op: Op, left: u64, times: u64, kind: ErrorKind) {
        self.lock().faults.push(Fault {
            op,
            left,
            times,
            kind,
        });
    }

    /// Nothing fails any more, and there is room.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.space = None;
    }

    /// After `left` more writes and syncs the power is gone: nothing works until `power_on`.
    pub fn power_off_after(&self, left: u64) {
        self.lock().power = Some(left);
    }

    /// What is left after the power was gone; whoever had the file is gone as well.
    pub fn power_on(&self, cut: Cut) {
        let mut state = self.lock();
        state.power = None;
        state.holder = None;
        state.begun.clear();
        if let Some(file) = &state.file {
            lock(file).cut(cut);
        }
    }

    /// The disk has room for so many bytes, the reserve included.
    pub fn set_space(&self, bytes: u64) {
        self.lock().space = Some(bytes);
    }

    /// What the file takes: only what was written, whatever its length.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.lock().file_bytes()
    }

    /// Syncs wait until they are let go.
    pub fn hold_syncs(&self, hold: bool) {
        self.lock().hold_syncs = hold;
        self.state.1.notify_all();
    }

    /// How many syncs wait.
    #[must_use]
    pub fn held_syncs(&self) -> u64 {
        self.lock().held_syncs
    }

    /// A disk that says it has synced, and has not.
    pub fn ignore_syncs(&self, ignore: bool) {
        self.lock().ignore_syncs = ignore;
    }

    /// Changes every byte from `from` on, as if another file had been written over it.
    pub fn scramble(&self, from: usize) {
        if let Some(file) = &self.lock().file {
            lock(file).scramble(from);
        }
    }

    /// Writes and syncs so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// How often the file was opened, or begun, so far.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.lock().handles
    }

    /// Calls that failed on purpose so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state.0)
    }

    fn handle(&self, state: &mut State, image: &Arc<Mutex<Image>>) -> Storage {
        state.handles += 1;
        Storage(Box::new(Handle {
            disk: self.clone(),
            image: Arc::clone(image),
            number: state.handles,
        }))
    }
}

impl State {
    fn file_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| lock(file).used_bytes())
    }

    /// Counts a call, and says whether it fails.
    fn call(&mut self, op: Op) -> io::Result<()> {
        let powered = match (&mut self.power, op) {
            (Some(0), _) => false,
            (Some(left), Op::Write | Op::Sync) => {
                *left -= 1;
                true
            }
            _ => true,
        };
        if !powered {
            return Err(io::Error::other("the power is off"));
        }
        if op != Op::Read {
            self.changes += 1;
        }
        for fault in self.faults.iter_mut().filter(|fault| fault.op == op) {
            if fault.left > 0 {
                fault.left -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                self.failed += 1;
                return Err(io::Error::new(fault.kind, "failed on purpose"));
            }
        }
        Ok(())
    }

    fn room(&mut self, more: u64) -> io::Result<()> {
        let taken = self.file_bytes() + self.reserve + more;
        if self.space.is_some_and(|space| taken > space) {
            self.failed += 1;
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> io::Result<Option<Storage>> {
        let mut state = self.lock();
        state.call(Op::Read)?;
        let image = state.file.clone();
        Ok(image.map(|image| self.handle(&mut state, &image)))
    }

    fn begin(&self) -> io::Result<(Storage, PathBuf)> {
        let mut state = self.lock();
        state.call(Op::Write)?;
        let begun = PathBuf::from(format!("(begun {})", state.handles));
        let image = Arc::default();
        state.begun.push((begun.clone(), Arc::clone(&image)));
        Ok((self.handle(&mut state, &image), begun))
    }

    fn publish(&self, begun: &Path) -> io::Result<bool> {
        let mut state = self.lock();
        state.call(Op::Write)?;
        let at = state.begun.iter().position(|(name, _)| name == begun);
        let image = at.map(|at| state.begun.swap_remove(at).1);
        if state.file.is_some() || image.is_none() {
            return Ok(false);
        }
        state.file = image;
        Ok(true)
    }

    fn discard(&self, begun: &Path) {
        self.lock().begun.retain(|(name, _)| name != begun);
    }

    fn set_aside(&self) -> io::Result<PathBuf> {
        let mut state = self.lock();
        state.call(Op::Write)?;
        state.file = None;
        state.holder = None;
        state.aside += 1;
        Ok(PathBuf::from(format!("(set aside {})", state.aside)))
    }

    fn used_bytes(&self) -> u64 {
        self.file_bytes()
    }

    fn keep_reserve(&self, bytes: usize, spare: usize) -> io::Result<()> {
        let mut state = self.lock();
        let bytes = bytes as u64;
        let more = bytes.saturating_sub(state.reserve);
        if more > 0 {
            state.room(more + spare as u64)?;
        }
        state.reserve = state.reserve.max(bytes);
        Ok(())
    }

    fn lend_reserve(&self) -> io::Result<()> {
        self.lock().reserve = 0;
        Ok(())
    }
}

/// What redb has of the file.
#[derive(Debug)]
struct Handle {
    disk: SimDisk,
    image: Arc<Mutex<Image>>,
    number: u64,
}

impl Handle {
    fn locks(&self, state: &State) -> bool {
        let is = |file: &Arc<Mutex<Image>>| Arc::ptr_eq(file, &self.image);
        state.file.as_ref().is_some_and(is)
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.image).len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.lock().call(Op::Read)?;
        lock(&self.image).read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.lock().call(Op::Write)?;
        lock(&self.image).set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.held_syncs += 1;
        while state.hold_syncs {
            let waited = self.disk.state.1.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.held_syncs -= 1;
        state.call(Op::Sync)?;
        state.syncs += 1;
        if !state.ignore_syncs {
            lock(&self.image).sync();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let more = lock(&self.image).more_for(offset, data.len());
        let outcome = state.call(Op::Write).and_then(|()| match more {
            0 => Ok(()),
            more => state.room(more),
        });
        let mut image = lock(&self.image);
        if outcome.is_err() && state.power != Some(0) {
            // A write that fails may have come half the way.
            let (head, _) = data.split_at(data.len() / 2);
            image.write(offset, head)?;
            return outcome;
        }
        outcome?;
        image.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.holder == Some(self.number) {
            state.holder = None;
        }
        Ok(())
    }

    /// One lock for all ranges: who opens to write has the file.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        let mut state = self.disk.lock();
        if !self.locks(&state) {
            return Ok(true);
        }
        let free = state.holder.is_none_or(|holder| holder == self.number);
        if free {
            state.holder = Some(self.number);
        }
        Ok(free)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
