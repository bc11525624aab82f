//! `/metrics` in Prometheus' text form: every stage's counts, what is unaccounted, lag, beds. Names begin with
//! `wardline_` and carry their unit; labels are sites, departments, stages and topics, never people.

mod rows;
mod text;

use wardline_api::{Accounting, DepartmentRow, Sources};

use crate::engine::shared::Shared;
use crate::health::SiteInfo;
use crate::health::accounting::accounting;
use crate::health::coverage::Listening;
use crate::health::fold::FoldProgress;
use crate::health::sources::sources;
use crate::ledger::{Counters, View};
use text::Text;

/// Everything that one scrape shows.
struct Snapshot {
    departments: Vec<DepartmentRow>,
    counters: Counters,
    devices: usize,
    silent: usize,
    accounting: Accounting,
    sources: Sources,
    fold: FoldProgress,
}

/// One scrape.
pub(crate) fn scrape(shared: &Shared, sites: &[SiteInfo]) -> String {
    let snapshot = snapshot(shared, sites);
    let mut text = Text::default();
    rows::departments(&mut text, &snapshot.departments);
    rows::stages(&mut text, &snapshot.accounting);
    rows::ledger(&mut text, &snapshot);
    rows::logs(&mut text, shared, &snapshot.fold);
    rows::agents(&mut text, &snapshot.sources, &snapshot.fold);
    rows::clients(&mut text, shared);
    text.out
}

fn snapshot(shared: &Shared, sites: &[SiteInfo]) -> Snapshot {
    let folded = shared.folded();
    let now_ms = shared.now_ms();
    let devices = folded.sites.devices(None, now_ms);
    let departments = shared.departments(&folded, None, View::at(now_ms), true);
    let fold = shared.fold().clone();
    let statuses = shared.statuses().clone();
    let listening = Listening {
        statuses: &statuses,
        heard: &folded.heard,
        now_ms,
        silent_after_ms: shared.agent_silent_ms,
    };
    Snapshot {
        departments,
        counters: folded.sites.counters(),
        devices: devices.len(),
        silent: devices.iter().filter(|d| d.silent).count(),
        accounting: accounting(&statuses, &fold, &shared.progress, sites, now_ms),
        sources: sources(&listening, &fold, &shared.progress, sites),
        fold,
    }
}
