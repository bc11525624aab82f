//! The seam: where the bytes of one redb file are, and what the file system does for it.

use std::fmt::Debug;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::{BackendError, StorageBackend};

/// One file, its name, and the reserve beside it. The real side is a folder, the simulated one memory.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Where it is, for people.
    fn path(&self) -> &Path;

    /// The bytes of the file; `None` if there is none.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self) -> io::Result<Option<Storage>>;

    /// An empty file that only the caller knows, until `publish` gives it its name.
    ///
    /// # Errors
    /// What the system says.
    fn begin(&self) -> io::Result<(Storage, PathBuf)>;

    /// Gives a file that was begun its name, if there is none of that name: `false` means that another process was first.
    /// After `true` the name is on disk.
    ///
    /// # Errors
    /// What the system says.
    fn publish(&self, begun: &Path) -> io::Result<bool>;

    /// Removes a file that was begun and not published.
    fn discard(&self, begun: &Path);

    /// Gives the file another name, under which it is kept for people. Says which.
    ///
    /// # Errors
    /// What the system says.
    fn set_aside(&self) -> io::Result<PathBuf>;

    /// What the file takes on disk.
    fn used_bytes(&self) -> u64;

    /// Makes sure that so many bytes are kept beside the file; if they were not, that there was room for `spare` more.
    ///
    /// # Errors
    /// What the system says, above all that the disk is full.
    fn keep_reserve(&self, bytes: usize, spare: usize) -> io::Result<()>;

    /// Gives that room back to the disk.
    ///
    /// # Errors
    /// What the system says.
    fn lend_reserve(&self) -> io::Result<()>;
}

/// The bytes of an open file, as redb wants them.
#[derive(Debug)]
pub struct Storage(pub Box<dyn StorageBackend>);

type Locked<T> = Result<T, BackendError>;

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Locked<bool> {
        self.0.try_lock_range(from, to)
    }
    fn try_lock_shared_range(&self, from: Bound<u64>, to: Bound<u64>) -> Locked<bool> {
        self.0.try_lock_shared_range(from, to)
    }
    fn lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Locked<()> {
        self.0.lock_range(from, to)
    }
    fn lock_shared_range(&self, from: Bound<u64>, to: Bound<u64>) -> Locked<()> {
        self.0.lock_shared_range(from, to)
    }
    fn unlock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Locked<()> {
        self.0.unlock_range(from, to)
    }
    fn query_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Locked<bool> {
        self.0.query_lock_range(from, to)
    }
}
