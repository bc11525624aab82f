//! `/metrics` in Prometheus' text form: every stage's counts, what is unaccounted, lag, beds. Names begin with
//! `wardline_` and carry their unit; labels are sites, departments, stages and topics, never people.

mod rows;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};

use wardline_api::{Accounting, DepartmentRow, Sources};

use crate::engine::shared::Shared;
use crate::health::SiteInfo;
use crate::health::accounting::accounting;
use crate::health::copies::{PartitionId, PartitionProgress};
use crate::health::fold::FoldProgress;
use crate::ledger::{Counters, View};

/// Everything that one scrape shows.
struct Snapshot {
    departments: Vec<DepartmentRow>,
    counters: Counters,
    devices: usize,
    silent: usize,
    accounting: Accounting,
    sources: Sources,
    fold: FoldProgress,
    /// With the partition's number as a label.
    copies: Vec<(PartitionId, String, PartitionProgress)>,
    requests: u64,
    connections: u64,
    refused_connections: u64,
    stream_clients: u64,
    ready: bool,
}

/// One scrape.
pub(crate) fn scrape(shared: &Shared, sites: &[SiteInfo]) -> String {
    text::text(rows::FAMILIES, &snapshot(shared, sites))
}

fn snapshot(shared: &Shared, sites: &[SiteInfo]) -> Snapshot {
    let folded = shared.folded();
    let now_ms = shared.now_ms();
    let devices = folded.sites.devices(None, now_ms);
    let departments = shared.departments(&folded, None, View::at(now_ms), true);
    let fold = shared.fold().clone();
    let statuses = shared.statuses().clone();
    let copies = shared.progress.all().into_iter();
    let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
    Snapshot {
        departments,
        counters: folded.sites.counters(),
        devices: devices.len(),
        silent: devices.iter().filter(|d| d.silent).count(),
        accounting: accounting(&statuses, &fold, &shared.progress, sites, now_ms),
        sources: shared.sources(&folded, sites),
        fold,
        copies: copies
            .map(|(id, p)| (id.clone(), id.2.to_string(), p))
            .collect(),
        requests: get(&shared.api.requests),
        connections: get(&shared.api.connections),
        refused_connections: get(&shared.api.refused_connections),
        stream_clients: get(&shared.api.stream_clients),
        ready: shared.is_ready(),
    }
}
