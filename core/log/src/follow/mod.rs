//! Reading a log: what it holds now (`Scan`), and what it holds now and whatever comes (`Follower`).
//!
//! Nobody else loops over a reader. What both keep true:
//! - every wait has a limit, and what happens at it is an error or an item that names topic, partition and offset;
//! - retention that overtakes the reading, and a log that was replaced, are told before a record is read on;
//! - a stop ends every wait at once.
//!
//! ```no_run
//! # use wardline_log::{LogError, SharedLog, follow::{Follower, Item, Mark, Scan}};
//! # async fn example(log: SharedLog, stop: wardline_service::Stop, kept: Mark) -> Result<(), LogError> {
//! for range in log.offsets("bridge.state").await? {
//!     let mut scan = Scan::new(&*log, "bridge.state", range).until(&stop);
//!     while let Some(entries) = scan.next().await? { /* … */ }
//! }
//!
//! let mut follower = Follower::new(log, &["edge.frames"], stop).starting_at("edge.frames", 0, kept);
//! while let Some(item) = follower.next().await? {
//!     match item {
//!         // Keep `batch.place.mark` in the same commit as what was made of the entries.
//!         Item::Entries(batch) => { /* … */ }
//!         Item::Truncated { lost, .. } => { /* count what is gone */ }
//!         Item::Recreated { .. } => { /* another log: begin a new life */ }
//!         Item::Added(_) | Item::Trouble { .. } | Item::Idle => {}
//!     }
//! }
//! # Ok(()) }
//! ```

mod follower;
mod mark;
mod scan;

pub use follower::Follower;
pub use mark::{LastRead, Mark, fingerprint};
pub use scan::Scan;

use crate::{Entry, LogError};

/// Where a followed partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The position after everything that was given, to be kept and to start from the next time.
    pub mark: Mark,
    /// The next offset that the log will write there, as last seen: never below the position.
    pub end: u64,
}

impl PartitionState {
    /// Offsets that are there and were not given yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.end.saturating_sub(self.mark.next)
    }
}

/// Records of one partition, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The place after them.
    pub place: PartitionState,
    /// None when only the position moved, over what a compaction left out.
    pub entries: Vec<Entry>,
}

/// What a follower tells.
#[derive(Debug, Clone)]
pub enum Item {
    /// A partition is followed from here on: at the start, and when one comes into being later.
    Added(PartitionState),
    /// Records.
    Entries(Followed),
    /// Retention removed `lost` offsets, from `from` to the position of the place, before they were read.
    Truncated {
        /// The place after them.
        place: PartitionState,
        /// Where reading should have gone on.
        from: u64,
        /// How many offsets that are.
        lost: u64,
    },
    /// Another log stands under the name. It is read from its start.
    Recreated {
        /// The place, at the start of the new log.
        place: PartitionState,
        /// How it was known.
        why: String,
    },
    /// Reading cannot go on right now, of one partition or of all; it is tried again after a while.
    Trouble {
        /// The partition that it is about; `None`: all of them.
        place: Option<PartitionState>,
        /// What the log said.
        error: LogError,
    },
    /// Nothing came for a while.
    Idle,
}
