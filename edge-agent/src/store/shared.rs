//! What the committer thread and the handles share: the file, the queue, and what is held.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use wardline_disk::RedbFile;
use wardline_service::Pulse;

use super::Held;
use super::queue::Queue;

pub(super) struct Shared {
    pub(super) file: RedbFile,
    pub(super) held: watch::Sender<Held>,
    pub(super) queue: Queue,
    foreign_refusals: AtomicU64,
    /// Ticked by the committer whenever its loop comes round, and so with every commit.
    pub(super) pulse: Pulse,
}

impl Shared {
    pub(super) fn new(file: RedbFile, held: Held, queue: Queue) -> Self {
        Self {
            file,
            held: watch::Sender::new(held),
            queue,
            foreign_refusals: AtomicU64::new(0),
            pulse: Pulse::new("the store"),
        }
    }

    pub(super) fn note_refused(&self, count: u64) {
        self.foreign_refusals.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn take_foreign_refusals(&self) -> u64 {
        self.foreign_refusals.swap(0, Ordering::Relaxed)
    }
}
