//! What the transform has done, for status and metrics. The numbers are those of the persisted positions: they move when
//! a commit is durable, and never ahead of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use wardline_model::status::StageCounts;

use super::position::{Input, Progress};
use crate::feeds::{Feeds, Seen};

#[derive(Debug, Default)]
pub struct Counters {
    parts: Mutex<BTreeMap<(Input, u32), Part>>,
    /// Why all of it is being started anew.
    failure: Mutex<Option<String>>,
    feeds: Mutex<Feeds>,
}

#[derive(Debug, Clone, Default)]
struct Part {
    progress: Progress,
    end: u64,
    problem: Option<String>,
}

/// One moment's sum over all partitions. What is skipped has a place of its own in the bridge's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TransformStatus {
    /// Events of `edge.frames`: received = applied + filtered + sidelined.
    #[serde(skip)]
    pub counts: StageCounts,
    /// The same of `retry`, apart: those events were counted as sidelined already.
    pub retried: StageCounts,
    /// Records written to `fhir.*`, by both.
    #[serde(skip)]
    pub records: u64,
    pub filtered: BTreeMap<String, u64>,
    /// Log records that wait to be read.
    pub lag_records: u64,
    /// Log records that retention removed unread.
    pub lost_records: u64,
    /// Events on which the mapping itself broke: they are in the sideline, cause `internal`.
    pub internal: u64,
    /// Why nothing moves at the moment.
    #[serde(skip)]
    pub problem: Option<String>,
}

impl TransformStatus {
    /// Grows with everything that is durable.
    pub(super) fn moved_events(&self) -> u64 {
        self.counts.received + self.retried.received
    }
}

impl Counters {
    pub(super) fn stands_at(&self, input: Input, partition: u32, progress: &Progress) {
        self.with(input, partition, |part| {
            part.progress = progress.clone();
            part.end = part.end.max(progress.read.next);
        });
    }

    /// Something was made durable: whatever was wrong is over.
    pub(super) fn moved(&self, input: Input, partition: u32, progress: &Progress) {
        self.stands_at(input, partition, progress);
        self.idle(input, partition);
    }

    /// Nothing waits and the log answers: whatever was wrong is over.
    pub(super) fn idle(&self, input: Input, partition: u32) {
        self.with(input, partition, |part| part.problem = None);
        *self.failure() = None;
    }

    pub(super) fn set_failure(&self, failure: String) {
        *self.failure() = Some(failure);
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_end(&self, input: Input, partition: u32, end: u64) {
        self.with(input, partition, |part| part.end = end);
    }

    pub(super) fn set_problem(&self, input: Input, partition: u32, problem: String) {
        self.with(input, partition, |part| part.problem = Some(problem));
    }

    fn with(&self, input: Input, partition: u32, change: impl FnOnce(&mut Part)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(parts.entry((input, partition)).or_default());
    }

    pub(super) fn saw(&self, seen: Vec<Seen>) {
        let mut feeds = self.feeds();
        seen.into_iter().for_each(|seen| feeds.note(seen));
    }

    /// Only where nothing is known yet: a transform that is started again knows better.
    pub(super) fn restore_feeds(&self, stored: Feeds) {
        let mut feeds = self.feeds();
        if *feeds == Feeds::default() {
            *feeds = stored;
        }
    }

    pub fn feeds(&self) -> MutexGuard<'_, Feeds> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn snapshot(&self) -> TransformStatus {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = TransformStatus {
            problem: self.failure().clone(),
            ..TransformStatus::default()
        };
        for ((input, _), part) in parts.iter() {
            let counts = match input {
                Input::Frames => &mut sum.counts,
                Input::Retry => &mut sum.retried,
            };
            let of = &part.progress.counts;
            counts.received += of.received;
            counts.applied += of.applied;
            counts.filtered += of.filtered;
            counts.sidelined += of.sidelined;
            sum.records += part.progress.records;
            for (reason, count) in &part.progress.filtered {
                *sum.filtered.entry(reason.clone()).or_default() += count;
            }
            sum.lag_records += part.end.saturating_sub(part.progress.read.next);
            sum.lost_records += part.progress.lost_records;
            sum.internal += part.progress.internal;
            sum.problem = sum.problem.or_else(|| part.problem.clone());
        }
        sum
    }
}
