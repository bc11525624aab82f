//! What waits for the ingest task, whichever way it came.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::ingest::decide::{Group, Refused};
use crate::limits::QUEUE_JOBS_MAX;

/// One connection of one agent. Once a frame on it was refused, nothing that follows is taken: an agent that
/// comes back sends from its disk again, in order.
#[derive(Debug)]
pub struct AgentConnection {
    pub id: u64,
    closed: AtomicBool,
}

impl AgentConnection {
    pub fn new(id: u64) -> Arc<Self> {
        Arc::new(Self {
            id,
            closed: AtomicBool::new(false),
        })
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// What became of each frame of a group.
pub type Answers = Vec<Result<(), Refused>>;

/// Frames that came together, and whoever waits for them. Dropped without a reply: nothing was taken.
#[derive(Debug)]
pub struct Job {
    pub group: Group,
    pub connection: Option<Arc<AgentConnection>>,
    pub reply: oneshot::Sender<Answers>,
    /// Room that a source without limits of its own holds until the job is settled.
    pub room: Option<OwnedSemaphorePermit>,
}

impl Job {
    pub fn bytes(&self) -> usize {
        self.group
            .frames
            .iter()
            .map(|frame| frame.bytes.len())
            .sum()
    }
}

/// Sends a receipt: topic and payload. Never waits; receipts are cumulative, so a lost one is replaced by the next.
pub type ReceiptSink = Arc<dyn Fn(&str, Bytes) + Send + Sync>;

pub fn channel() -> (mpsc::Sender<Job>, mpsc::Receiver<Job>) {
    mpsc::channel(QUEUE_JOBS_MAX)
}
