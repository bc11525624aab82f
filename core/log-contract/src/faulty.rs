//! Storage that fails on command: after so many writes, or like a full disk.
//!
//! It stands between redb and the real file. What was written before the failure is there afterwards, in the order it
//! was written; a failing write may be cut in the middle, as a real one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use wardline_log::embedded::{WrapStorage, Wrapped};

/// What goes wrong, and when. Shared between the test and every storage it stands for.
#[derive(Debug)]
pub struct Faults {
    /// Writes and syncs that still work; negative: they fail. `i64::MAX` means never.
    left: AtomicI64,
    /// The file cannot grow beyond this.
    size_max: AtomicU64,
    failed: AtomicU64,
}

impl Faults {
    /// Nothing fails yet.
    #[must_use]
    pub fn none() -> Arc<Self> {
        Arc::new(Self {
            left: AtomicI64::new(i64::MAX),
            size_max: AtomicU64::new(u64::MAX),
            failed: AtomicU64::new(0),
        })
    }

    /// After `count` more writes or syncs all of them fail.
    pub fn fail_after(&self, count: u32) {
        self.left.store(i64::from(count), Ordering::SeqCst);
    }

    /// The disk is full when the file has `bytes`.
    pub fn full_at(&self, bytes: u64) {
        self.size_max.store(bytes, Ordering::SeqCst);
    }

    /// All works again.
    pub fn heal(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
        self.size_max.store(u64::MAX, Ordering::SeqCst);
    }

    /// How many calls failed so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    /// For `embedded::Options::wrap_storage`.
    #[must_use]
    pub fn wrap(self: &Arc<Self>) -> WrapStorage {
        let faults = Arc::clone(self);
        Arc::new(move |file| {
            Wrapped(Box::new(FaultyFile {
                file,
                faults: Arc::clone(&faults),
            }))
        })
    }

    fn refuse(&self, kind: io::ErrorKind) -> io::Error {
        self.failed.fetch_add(1, Ordering::SeqCst);
        io::Error::new(kind, "injected failure")
    }

    fn spend(&self) -> io::Result<()> {
        let unlimited = self.left.load(Ordering::SeqCst) == i64::MAX;
        if unlimited || self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(self.refuse(io::ErrorKind::Other))
    }

    fn room(&self, upto: u64) -> io::Result<()> {
        if upto <= self.size_max.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(self.refuse(io::ErrorKind::StorageFull))
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: FileBackend,
    faults: Arc<Faults>,
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.spend()?;
        if len > self.file.len()? {
            self.faults.room(len)?;
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.spend()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if let Err(error) = self.faults.spend() {
            let (head, _) = data.split_at(data.len() / 2);
            self.file.write(offset, head)?;
            return Err(error);
        }
        self.faults.room(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
