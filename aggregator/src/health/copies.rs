//! What replication has to say about itself: per partition and per site, read by the API and the metrics.
//!
//! Written by the copies, one partition each, and awaited by the start: ready means that what the sources held is at the
//! centre, but for sources that cannot be reached, whose problem is shown instead.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wardline_model::status::StageCounts;

use crate::store::Problem;

/// Site, topic, partition.
pub(crate) type PartitionId = (String, String, u32);

#[derive(Debug, Clone, Default)]
pub(crate) struct PartitionProgress {
    pub(crate) next: u64,
    /// Next offset that the source would write, as last seen.
    pub(crate) source_end: u64,
    /// Whether the position was compared with what the source holds now.
    pub(crate) checked: bool,
    /// The end that was known when this run began.
    pub(crate) target: u64,
    pub(crate) counts: StageCounts,
    pub(crate) truncated: u64,
    pub(crate) recreated: u64,
    /// Found at the source, kept for a day.
    pub(crate) problem: Option<Problem>,
    /// What keeps it from going on right now.
    pub(crate) trouble: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct SiteProgress {
    listed: bool,
    failed: bool,
    trouble: Option<String>,
}

#[derive(Debug)]
pub(crate) struct CopyProgress {
    partitions: Mutex<BTreeMap<PartitionId, PartitionProgress>>,
    sites: Mutex<BTreeMap<String, SiteProgress>>,
    changed: watch::Sender<u64>,
}

impl Default for CopyProgress {
    fn default() -> Self {
        Self {
            partitions: Mutex::default(),
            sites: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }
}

impl CopyProgress {
    fn partitions(&self) -> MutexGuard<'_, BTreeMap<PartitionId, PartitionProgress>> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sites(&self) -> MutexGuard<'_, BTreeMap<String, SiteProgress>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Wakes at every change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn expect(&self, site: &str) {
        self.sites().entry(site.to_owned()).or_default();
    }

    /// All topics of a site have been looked for once; `trouble` if they could not.
    pub(crate) fn listed(&self, site: &str, trouble: Option<String>) {
        let mut sites = self.sites();
        let entry = sites.entry(site.to_owned()).or_default();
        match trouble {
            Some(_) => entry.failed = true,
            None => entry.listed = true,
        }
        entry.trouble = trouble;
        drop(sites);
        self.tick();
    }

    pub(crate) fn update(&self, id: &PartitionId, change: impl FnOnce(&mut PartitionProgress)) {
        change(self.partitions().entry(id.clone()).or_default());
        self.tick();
    }

    pub(crate) fn all(&self) -> Vec<(PartitionId, PartitionProgress)> {
        self.partitions()
            .iter()
            .map(|(id, p)| (id.clone(), p.clone()))
            .collect()
    }

    /// Everything that was at the sources when this run began is at the centre. A source that could not be reached does
    /// not count: the centre shows what it has, and the source shows its problem.
    pub(crate) fn caught_up(&self) -> bool {
        let sites = self.sites().clone();
        let partitions = self.partitions();
        sites.iter().all(|(site, progress)| {
            progress.failed
                || (progress.listed
                    && partitions
                        .iter()
                        .filter(|((s, _, _), _)| s == site)
                        .all(|(_, p)| (p.checked && p.next >= p.target) || p.trouble.is_some()))
        })
    }

    /// What a person should know about a site's copies.
    pub(crate) fn problems(&self, site: &str, now_ms: i64) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(trouble) = self.sites().get(site).and_then(|s| s.trouble.clone()) {
            out.push(trouble);
        }
        for ((s, _, _), progress) in self.partitions().iter() {
            if s != site {
                continue;
            }
            out.extend(progress.trouble.clone());
            out.extend(
                progress
                    .problem
                    .as_ref()
                    .filter(|p| now_ms - p.at_ms < crate::limits::PROBLEM_SHOWN_MS)
                    .map(|p| p.text.clone()),
            );
        }
        out.dedup();
        out
    }

    /// Something keeps a site's records from being copied right now.
    pub(crate) fn is_stuck(&self, site: &str) -> bool {
        self.sites().get(site).is_some_and(|s| s.trouble.is_some())
            || self
                .partitions()
                .iter()
                .any(|((s, _, _), p)| s == site && p.trouble.is_some())
    }

    /// Copies of all partitions of a site together; what still waits at the source is in flight.
    pub(crate) fn stage(&self, site: &str) -> StageCounts {
        let mut sum = StageCounts::default();
        for ((s, _, _), progress) in self.partitions().iter() {
            if s != site {
                continue;
            }
            let waiting = progress.source_end.saturating_sub(progress.next);
            sum.received += progress.counts.received + waiting;
            sum.applied += progress.counts.applied;
            sum.filtered += progress.counts.filtered;
            sum.evicted += progress.counts.evicted;
            sum.in_flight += waiting;
        }
        sum
    }
}
