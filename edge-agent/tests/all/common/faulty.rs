//! A disk in memory that fails on purpose, and that can lose what was written and not synced.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use redb::{BackendError, Database, DatabaseError, StorageBackend};
use wardline_agent::store::{Disk, builder};

pub(crate) const RESERVE: u64 = 256 * 1024;

#[derive(Default)]
pub(crate) struct Faults {
    image: Mutex<Image>,
    pub(crate) fail_sync: AtomicBool,
    /// Room on the disk, the reserve included; 0 = no limit.
    pub(crate) space: AtomicU64,
    pub(crate) reserve: AtomicU64,
    /// The next opening finds every byte changed.
    pub(crate) scramble: AtomicBool,
    pub(crate) syncs: AtomicU64,
    hold: Mutex<bool>,
    held: Condvar,
    pub(crate) waiting: AtomicU64,
}

#[derive(Default)]
struct Image {
    live: Vec<u8>,
    synced: Vec<u8>,
    /// Pages that were ever written: a file takes room for these only, whatever its length.
    pages: std::collections::BTreeSet<u64>,
}

impl Faults {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn disk(self: &Arc<Self>) -> FaultyDisk {
        FaultyDisk(Arc::clone(self))
    }

    pub(crate) fn hold_syncs(&self, hold: bool) {
        *self.hold.lock().unwrap() = hold;
        self.held.notify_all();
    }

    /// What is left after a power cut: the synced bytes only.
    pub(crate) fn power_cut(&self) {
        let mut image = self.image.lock().unwrap();
        image.live = image.synced.clone();
    }

    pub(crate) fn pages(&self) -> u64 {
        self.image.lock().unwrap().pages.len() as u64
    }

    pub(crate) fn len(&self) -> u64 {
        self.image.lock().unwrap().live.len() as u64
    }
}

#[derive(Clone)]
pub(crate) struct FaultyDisk(Arc<Faults>);

impl Disk for FaultyDisk {
    fn open(&self) -> Result<Database, DatabaseError> {
        if self.0.scramble.swap(false, Ordering::SeqCst) {
            let mut image = self.0.image.lock().unwrap();
            image.live.iter_mut().for_each(|b| *b ^= 0x5a);
        }
        builder().create_with_backend(Backend(Arc::clone(&self.0)))
    }

    fn set_aside(&self) -> io::Result<PathBuf> {
        *self.0.image.lock().unwrap() = Image::default();
        Ok(PathBuf::from("(aside)"))
    }

    fn used_bytes(&self) -> u64 {
        self.0.len()
    }

    fn describe(&self) -> String {
        "(memory)".into()
    }

    fn keep_reserve(&self) -> io::Result<()> {
        let (space, used) = (self.0.space.load(Ordering::SeqCst), self.0.pages() * 4096);
        if space > 0 && used + RESERVE > space {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.reserve.store(RESERVE, Ordering::SeqCst);
        Ok(())
    }

    fn lend_reserve(&self) {
        self.0.reserve.store(0, Ordering::SeqCst);
    }
}

struct Backend(Arc<Faults>);

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.0.image.lock().unwrap();
        let from = offset as usize;
        let bytes = image
            .live
            .get(from..from + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.image.lock().unwrap().live.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut hold = self.0.hold.lock().unwrap();
        self.0.waiting.fetch_add(1, Ordering::SeqCst);
        while *hold {
            hold = self.0.held.wait(hold).unwrap();
        }
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(hold);
        if self.0.fail_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("sync failed on purpose"));
        }
        let mut image = self.0.image.lock().unwrap();
        image.synced = image.live.clone();
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut image = self.0.image.lock().unwrap();
        let (space, reserve) = (
            self.0.space.load(Ordering::SeqCst),
            self.0.reserve.load(Ordering::SeqCst),
        );
        for page in offset / 4096..=(offset + data.len().max(1) as u64 - 1) / 4096 {
            let full = (image.pages.len() as u64 + 1) * 4096 + reserve > space;
            if space > 0 && full && !image.pages.contains(&page) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            image.pages.insert(page);
        }
        let from = offset as usize;
        let place = image
            .live
            .get_mut(from..from + data.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        place.copy_from_slice(data);
        Ok(())
    }

    fn try_lock_range(
        &self,
        _: std::ops::Bound<u64>,
        _: std::ops::Bound<u64>,
    ) -> Result<bool, BackendError> {
        Err(BackendError::Unsupported)
    }
}
