//! How far the fold is, what became of what it took, and what keeps it.

use std::collections::BTreeMap;

use crate::store::{FoldCounts, Problem};

/// One partition that the fold reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct InputProgress {
    /// The site of records without origin.
    pub(crate) site: String,
    pub(crate) next: u64,
    pub(crate) end: u64,
    /// When the record that was folded last was written to the log.
    pub(crate) folded_to_ms: Option<i64>,
    /// Whether the position was compared with what the log holds now.
    pub(crate) checked: bool,
    pub(crate) problem: Option<Problem>,
    pub(crate) trouble: Option<String>,
}

impl InputProgress {
    pub(crate) fn lag(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }
}

/// Counts and positions as they are in memory; the store follows with the next commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoldProgress {
    pub(crate) counts: BTreeMap<String, FoldCounts>,
    pub(crate) inputs: BTreeMap<String, InputProgress>,
    pub(crate) store_trouble: Option<String>,
    pub(crate) outbox_trouble: Option<String>,
    pub(crate) commits: u64,
    /// The number of the last commit: it never goes back, not over a restart either.
    pub(crate) version: u64,
    pub(crate) status_records: u64,
    pub(crate) unreadable_statuses: u64,
}
