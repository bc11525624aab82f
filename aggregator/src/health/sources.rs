//! Where the numbers come from, and what is wrong there: one row for every agent, every feed, and every site's bridge.
//! Pure.
//!
//! A row says what is known and from when: an agent that never spoke is not connected, a number that nobody said is absent
//! (P10). What keeps a site's records from coming here stands at its bridge, with the newest problem of a day.

use std::collections::BTreeSet;

use wardline_api::{SourceRow, Sources};
use wardline_model::time::rfc3339;

use crate::health::SiteInfo;
use crate::health::accounting::watermark_of;
use crate::health::copies::CopyProgress;
use crate::health::coverage::{Heard, Listening};
use crate::health::fold::FoldProgress;
use crate::health::status::Speaker;
use crate::ledger::Units;
use crate::limits::PROBLEM_SHOWN_MS;

pub(crate) fn sources(
    listening: &Listening<'_>,
    fold: &FoldProgress,
    progress: &CopyProgress,
    sites: &[SiteInfo],
    units: &Units,
) -> Sources {
    let now_ms = listening.now_ms;
    let names: BTreeSet<&Speaker> = listening
        .statuses
        .agents
        .keys()
        .chain(listening.heard.keys())
        .collect();
    let mut rows: Vec<SourceRow> = names
        .into_iter()
        .map(|agent| agent_row(listening, agent))
        .collect();
    rows.extend(
        sites
            .iter()
            .map(|info| bridge_row(listening, fold, progress, info)),
    );
    rows.extend(listening.feed_rows(units));
    rows.sort_by(|a, b| (&a.site, &a.kind, &a.name).cmp(&(&b.site, &b.kind, &b.name)));
    Sources {
        as_of: rfc3339(now_ms),
        sources: rows,
    }
}

fn seconds_since(now_ms: i64, at_ms: i64) -> i64 {
    (now_ms - at_ms).max(0) / 1000
}

fn agent_row(listening: &Listening<'_>, agent: &Speaker) -> SourceRow {
    let (site, name) = agent;
    let now_ms = listening.now_ms;
    let heard = listening.heard.get(agent).copied();
    let status = listening
        .statuses
        .agents
        .get(agent)
        .map(|said| &said.status);
    let (_, coverage) = watermark_of(listening.statuses, site, name);
    let last_event = status
        .and_then(|s| s.last_event_ms)
        .max(heard.map(|h: Heard| h.received_ms));
    SourceRow {
        site: site.clone(),
        kind: "agent".to_owned(),
        name: name.clone(),
        connected: status.is_some() && listening.hears(agent),
        last_event: last_event.map(rfc3339),
        age_s: last_event.map(|at| seconds_since(now_ms, at)),
        backlog: status.map_or(0, |s| s.backlog_events),
        lag_s: heard.map(|h| seconds_since(h.folded_ms, h.received_ms)),
        watermark: coverage.map(|c| c.up_to),
        incarnation: status.map(|s| s.incarnation.to_string()),
        gaps: coverage.map_or(0, |c| c.gap_events),
        clock_uncertainty_ms: status
            .and_then(|s| s.clock_uncertainty_ms)
            .filter(|ms| *ms != u32::MAX),
        insecure: status.is_some_and(|s| s.insecure),
        problem: agent_problem(listening, agent),
        feed: None,
    }
}

fn agent_problem(listening: &Listening<'_>, agent: &Speaker) -> Option<String> {
    let Some(said) = listening.statuses.agents.get(agent) else {
        return Some("never said a status".to_owned());
    };
    if !said.status.online {
        return Some(format!("offline since {}", rfc3339(said.at_ms)));
    }
    if !listening.hears(agent) {
        return Some(format!("silent since {}", rfc3339(said.at_ms)));
    }
    (said.status.refused > 0).then(|| {
        format!(
            "{} events were refused for want of room or form",
            said.status.refused
        )
    })
}

fn bridge_row(
    listening: &Listening<'_>,
    fold: &FoldProgress,
    progress: &CopyProgress,
    info: &SiteInfo,
) -> SourceRow {
    let now_ms = listening.now_ms;
    let said = listening.statuses.bridges.get(&info.site);
    let last_event = listening
        .heard
        .iter()
        .filter(|((site, _), _)| *site == info.site)
        .map(|(_, heard)| heard.received_ms)
        .max();
    let mut problems = progress.problems(&info.site, now_ms);
    let mine = |site: &str| site == info.site || (!info.local && site.is_empty());
    for input in fold.inputs.values().filter(|input| mine(&input.site)) {
        problems.extend(input.trouble.clone());
        problems.extend(
            input
                .problem
                .as_ref()
                .filter(|p| now_ms - p.at_ms < PROBLEM_SHOWN_MS)
                .map(|p| p.text.clone()),
        );
    }
    let misnamed = fold.counts.get(&info.site).map_or(0, |c| c.misnamed);
    if misnamed > 0 {
        problems.push(format!(
            "{misnamed} records call themselves another site's: compare site.name there with the name here"
        ));
    }
    problems.extend(fold.store_trouble.clone());
    problems.extend(fold.outbox_trouble.clone());
    let copies = progress.stage(&info.site);
    let waiting: u64 = fold
        .inputs
        .values()
        .filter(|input| mine(&input.site))
        .map(crate::health::fold::InputProgress::lag)
        .sum();
    SourceRow {
        site: info.site.clone(),
        kind: "bridge".to_owned(),
        name: "bridge".to_owned(),
        connected: said.is_some_and(|s| now_ms - s.at_ms <= listening.silent_after_ms),
        last_event: last_event.map(rfc3339),
        age_s: last_event.map(|at| seconds_since(now_ms, at)),
        backlog: copies.in_flight + waiting,
        lag_s: None,
        watermark: None,
        incarnation: None,
        gaps: said.map_or(0, |s| s.status.gaps),
        clock_uncertainty_ms: None,
        insecure: false,
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
        feed: None,
    }
}
