//! The conservation law of every stage, as rows: what came in is somewhere, or it is shown as unaccounted. Pure.
//!
//! A stage is never compared with another one at a different moment. Where two words are needed (an agent's and its
//! bridge's), the later one of the two bounds what can be missing; what may be on its way is in flight, not missing.

use std::collections::{BTreeMap, BTreeSet};

use wardline_api::{Accounting, StageRow};
use wardline_model::status::{AgentStatus, AgentWatermark, StageCounts};
use wardline_model::time::rfc3339;

use super::SiteInfo;
use crate::health::copies::CopyProgress;
use crate::health::fold::FoldProgress;
use crate::health::status::{LastStatus, Statuses};

pub(crate) fn accounting(
    statuses: &Statuses,
    fold: &FoldProgress,
    progress: &CopyProgress,
    sites: &[SiteInfo],
    now_ms: i64,
) -> Accounting {
    let mut stages = Vec::new();
    for ((site, agent), said) in &statuses.agents {
        let (at_ms, watermark) = watermark_of(statuses, site, agent);
        let counts = agent_counts(said, at_ms, watermark);
        stages.push(row(&format!("agent/{agent}"), site, &counts, 0));
    }
    for (site, said) in &statuses.bridges {
        stages.push(row("ingest", site, &said.status.ingest, 0));
        stages.push(row("transform", site, &said.status.transform, 0));
    }
    for info in sites.iter().filter(|info| !info.local) {
        stages.push(row("replicate", &info.site, &progress.stage(&info.site), 0));
    }
    stages.extend(ledger_rows(statuses, fold, progress, sites));
    stages.sort_by(|a, b| a.site.cmp(&b.site));
    let unaccounted = stages.iter().map(|stage| stage.unaccounted).sum();
    Accounting {
        as_of: rfc3339(now_ms),
        stages,
        unaccounted,
    }
}

fn row(stage: &str, site: &str, counts: &StageCounts, missing: u64) -> StageRow {
    StageRow {
        stage: stage.to_owned(),
        site: site.to_owned(),
        received: counts.received,
        applied: counts.applied,
        late: counts.late,
        duplicate: counts.duplicate,
        sidelined: counts.sidelined,
        evicted: counts.evicted,
        filtered: counts.filtered,
        in_flight: counts.in_flight,
        unaccounted: counts
            .unaccounted()
            .saturating_add(i64::try_from(missing).unwrap_or(i64::MAX)),
    }
}

pub(crate) fn watermark_of<'a>(
    statuses: &'a Statuses,
    site: &str,
    agent: &str,
) -> (i64, Option<&'a AgentWatermark>) {
    let Some(bridge) = statuses.bridges.get(site) else {
        return (0, None);
    };
    let current = statuses
        .agents
        .get(&(site.to_owned(), agent.to_owned()))
        .map(|said| said.status.incarnation);
    let watermark = bridge
        .status
        .agents
        .iter()
        .find(|c| c.agent == agent && current.is_none_or(|i| i == c.incarnation));
    (bridge.at_ms, watermark)
}

/// Of an agent: everything it numbered is in the site's log, or gone with a record that says so, or still on its disk.
fn agent_counts(
    said: &LastStatus<AgentStatus>,
    bridge_at_ms: i64,
    watermark: Option<&AgentWatermark>,
) -> StageCounts {
    let status = &said.status;
    let received = status.next_seq.saturating_sub(1);
    let evicted = watermark.map_or(0, |c| c.gap_events).min(received);
    let held = status.backlog_events.min(received - evicted);
    let Some(watermark) = watermark.filter(|_| bridge_at_ms >= said.at_ms) else {
        // The bridge's word is older than the agent's, or there is none: what the agent no longer holds was receipted.
        return StageCounts {
            received,
            applied: received - evicted - held,
            evicted,
            in_flight: held,
            ..StageCounts::default()
        };
    };
    let ranges: u64 = watermark
        .ranges
        .iter()
        .filter(|(first, _)| *first > watermark.up_to)
        .map(|(first, last)| last.saturating_sub(*first) + 1)
        .sum();
    let in_log = (watermark.up_to + ranges).saturating_sub(watermark.gap_events);
    // The bridge spoke later: it may have more than the agent had numbered, and part of what the agent still held.
    let applied = in_log.min(received - evicted);
    StageCounts {
        received,
        applied,
        evicted,
        in_flight: held.min(received - evicted - applied),
        ..StageCounts::default()
    }
}

fn ledger_rows(
    statuses: &Statuses,
    fold: &FoldProgress,
    progress: &CopyProgress,
    sites: &[SiteInfo],
) -> Vec<StageRow> {
    let mut waiting: BTreeMap<&str, u64> = BTreeMap::new();
    let remote: Vec<&SiteInfo> = sites.iter().filter(|info| !info.local).collect();
    for input in fold.inputs.values() {
        // What waits in the centre's log belongs to a site only once it is read; with one site there is no doubt.
        let site = match remote.as_slice() {
            [only] if input.site.is_empty() => only.site.as_str(),
            _ => input.site.as_str(),
        };
        *waiting.entry(site).or_default() += input.lag();
    }
    let names: BTreeSet<&str> = sites
        .iter()
        .map(|info| info.site.as_str())
        .chain(fold.counts.keys().map(String::as_str))
        .chain(waiting.iter().filter(|(_, n)| **n > 0).map(|(s, _)| *s))
        .collect();
    let empty = StageCounts::default();
    names
        .into_iter()
        .map(|site| {
            let of_site = fold.counts.get(site);
            let mut counts = of_site.map_or(&empty, |c| &c.stage).clone();
            let lag = waiting.get(site).copied().unwrap_or(0);
            counts.received += lag;
            counts.in_flight += lag;
            row(
                "ledger",
                site,
                &counts,
                missing(statuses, progress, site, &counts),
            )
        })
        .collect()
}

/// Records that the site's bridge had written long ago and that never arrived here, as far as that can be known.
fn missing(statuses: &Statuses, progress: &CopyProgress, site: &str, ledger: &StageCounts) -> u64 {
    let Some(written) = statuses.settled_records(site) else {
        return 0;
    };
    let copies = progress.stage(site);
    // Evicted at the copy: counted and shown there. Waiting at the copy: on its way.
    written.saturating_sub(ledger.received + copies.evicted + copies.in_flight)
}

#[cfg(test)]
mod tests {
    use wardline_model::Incarnation;

    use super::*;

    fn agent(next_seq: u64, backlog: u64, at_ms: i64) -> LastStatus<AgentStatus> {
        LastStatus {
            at_ms,
            status: AgentStatus {
                v: 1,
                agent: "gw-1".into(),
                incarnation: Incarnation(1),
                version: String::new(),
                online: true,
                at_ms,
                next_seq,
                oldest_held: next_seq - backlog,
                backlog_events: backlog,
                backlog_bytes: 0,
                quota_bytes: 0,
                refused: 0,
                last_event_ms: None,
                clock_uncertainty_ms: None,
                mqtt_connections: 0,
                mllp_connections: 0,
                insecure: false,
            },
        }
    }

    fn watermark(up_to: u64, ranges: &[(u64, u64)], gap_events: u64) -> AgentWatermark {
        AgentWatermark {
            agent: "gw-1".into(),
            incarnation: Incarnation(1),
            up_to,
            ranges: ranges.to_vec(),
            gap_events,
            last_frame_ms: 0,
        }
    }

    #[test]
    fn p4_an_agents_events_are_in_the_log_or_gone_with_a_record_or_on_its_disk() {
        // Quiet: 100 numbered, 5 evicted, 10 held.
        let counts = agent_counts(&agent(101, 10, 5), 9, Some(&watermark(90, &[], 5)));
        assert_eq!(
            (counts.applied, counts.evicted, counts.in_flight),
            (85, 5, 10)
        );
        assert_eq!(counts.unaccounted(), 0);
        // The bridge spoke later and has more than the agent knew of: nothing is missing.
        let counts = agent_counts(&agent(101, 10, 5), 9, Some(&watermark(150, &[], 0)));
        assert_eq!((counts.unaccounted(), counts.in_flight), (0, 0));
        // The bridge spoke earlier: nothing can be said, so nothing is said to be missing.
        let counts = agent_counts(&agent(101, 10, 9), 5, Some(&watermark(20, &[], 0)));
        assert_eq!((counts.unaccounted(), counts.applied), (0, 90));
        // The bridge spoke later, and 7 are neither in the log nor on the disk.
        let counts = agent_counts(&agent(101, 10, 5), 9, Some(&watermark(70, &[(81, 93)], 0)));
        assert_eq!(counts.unaccounted(), 7);
    }

    #[test]
    fn p4_what_waits_in_the_log_is_in_flight() {
        let mut fold = FoldProgress::default();
        let counts = StageCounts {
            received: 10,
            applied: 8,
            duplicate: 2,
            ..StageCounts::default()
        };
        fold.counts.insert(
            "a".into(),
            crate::store::FoldCounts {
                stage: counts,
                ..Default::default()
            },
        );
        fold.inputs.insert(
            "a/fhir.encounter/0".into(),
            crate::health::fold::InputProgress {
                site: "a".into(),
                next: 10,
                end: 14,
                ..Default::default()
            },
        );
        let sites = [SiteInfo {
            site: "a".into(),
            local: true,
        }];
        let all = accounting(
            &Statuses::default(),
            &fold,
            &CopyProgress::default(),
            &sites,
            0,
        );
        assert_eq!(all.stages.len(), 1);
        assert_eq!((all.stages[0].received, all.stages[0].in_flight), (14, 4));
        assert_eq!(all.unaccounted, 0);
    }
}
