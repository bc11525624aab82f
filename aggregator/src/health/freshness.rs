//! How far an answer reaches: whether something that a source is known to hold is missing, and up to when nothing is.
//! Pure.
//!
//! Proof, not hope: an agent says what it numbered, its bridge says up to where the log is complete and later that it mapped
//! as much as it had logged by then, and the fold has read what the log holds. Whoever says nothing proves nothing; a word that is older than what it is compared with
//! neither proves nor disproves, and what was proved before stays.

use std::collections::BTreeMap;

use wardline_api::Freshness;
use wardline_model::time::rfc3339;

use super::SiteInfo;
use super::accounting::watermark_of;
use super::copies::CopyProgress;
use super::fold::FoldProgress;
use super::status::{Speaker, Statuses};
use crate::limits::{CATCHING_UP_AFTER_S, UNMAPPED_AFTER_MS};

/// What was proved of each agent, and what is logged and not proved to be mapped yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proofs {
    /// The time up to which its events were last proved to be all in.
    proved: BTreeMap<Speaker, i64>,
    logged: BTreeMap<Speaker, Logged>,
}

/// All that an agent had said it had is in the site's log.
#[derive(Debug, Clone, Copy)]
struct Logged {
    said_ms: i64,
    /// Events that the bridge had logged by then: once it has mapped so many, these are among them.
    events: u64,
    since_ms: i64,
}

/// What is known at one moment.
pub(crate) struct Known<'a> {
    pub(crate) statuses: &'a Statuses,
    pub(crate) fold: &'a FoldProgress,
    pub(crate) copies: &'a CopyProgress,
    pub(crate) sites: &'a [SiteInfo],
    /// What the logs held when the aggregator started is folded.
    pub(crate) ready: bool,
    pub(crate) now_ms: i64,
}

impl Known<'_> {
    /// Of one site, or of all.
    pub(crate) fn freshness(&self, proofs: &Proofs, site: Option<&str>) -> Freshness {
        let sites = || {
            let all = self.sites.iter().map(|info| info.site.as_str());
            all.filter(move |name| site.is_none_or(|site| site == *name))
        };
        let lag_s = sites().map(|site| self.lag_s(site)).max().unwrap_or(0);
        let behind = sites().any(|site| self.is_behind(site) || self.maps_too_little(proofs, site));
        Freshness {
            version: Some(self.fold.version),
            catching_up: Some(!self.ready || behind || lag_s >= CATCHING_UP_AFTER_S),
            complete_to: self
                .complete_to_ms(proofs, sites().collect::<Vec<_>>().as_slice())
                .map(rfc3339),
            lag_s: Some(lag_s),
        }
    }

    /// Takes down what is proved now.
    pub(crate) fn prove(&self, proofs: &mut Proofs) {
        for (speaker, said) in &self.statuses.agents {
            let (site, agent) = speaker;
            let Some(bridge) = self.statuses.bridges.get(site) else {
                continue;
            };
            if self.has_all(site, agent) == Some(true) {
                let logged = proofs.logged.entry(speaker.clone());
                logged.or_insert(Logged {
                    said_ms: said.at_ms,
                    events: bridge.status.ingest.applied,
                    since_ms: self.now_ms,
                });
            }
            let mapped = bridge.status.transform.received;
            let in_log = proofs.logged.get(speaker).copied();
            if let Some(logged) = in_log.filter(|logged| mapped >= logged.events)
                && self.ready
                && self.reads_everything(site)
            {
                proofs.proved.insert(speaker.clone(), logged.said_ms);
                proofs.logged.remove(speaker);
            }
        }
    }

    /// The least of what is proved of the agents of these sites.
    fn complete_to_ms(&self, proofs: &Proofs, sites: &[&str]) -> Option<i64> {
        let agents = self.statuses.agents.keys();
        let here = agents.filter(|(site, _)| sites.contains(&site.as_str()));
        let proved: Option<Vec<i64>> = here
            .map(|agent| proofs.proved.get(agent).copied())
            .collect();
        proved?.into_iter().min()
    }

    /// Whether the site's log had all that an agent said it had numbered; `None` while the bridge has not spoken since.
    fn has_all(&self, site: &str, agent: &str) -> Option<bool> {
        let said = self
            .statuses
            .agents
            .get(&(site.to_owned(), agent.to_owned()))?;
        let (bridge_ms, watermark) = watermark_of(self.statuses, site, agent);
        let numbered = said.status.next_seq.saturating_sub(1);
        let up_to = watermark.map_or(0, |watermark| watermark.up_to);
        match up_to >= numbered {
            true => Some(true),
            false => (bridge_ms >= said.at_ms).then_some(false),
        }
    }

    /// A source is known to hold something that is not in the site's log yet, or the log cannot be read.
    fn is_behind(&self, site: &str) -> bool {
        let agents = self.statuses.agents.keys();
        let mut here = agents.filter(|(of, _)| of == site);
        here.any(|(site, agent)| self.has_all(site, agent) == Some(false))
            || self.inputs(site).any(|input| input.trouble.is_some())
            || self.copies.is_stuck(site)
    }

    /// The bridge has had events in its log for a while and has not mapped them.
    fn maps_too_little(&self, proofs: &Proofs, site: &str) -> bool {
        let mapped = self.statuses.bridges.get(site);
        let mapped = mapped.map_or(0, |said| said.status.transform.received);
        let of_site = proofs.logged.iter().filter(|((of, _), _)| of == site);
        of_site.map(|(_, logged)| logged).any(|logged| {
            mapped < logged.events && self.now_ms - logged.since_ms > UNMAPPED_AFTER_MS
        })
    }

    /// Nothing waits in a log, as far as it was seen.
    fn reads_everything(&self, site: &str) -> bool {
        self.inputs(site)
            .all(|input| input.lag() == 0 && input.trouble.is_none())
            && self.copies.stage(site).in_flight == 0
            && !self.copies.is_stuck(site)
    }

    /// While something waits: how old what was folded last is.
    fn lag_s(&self, site: &str) -> i64 {
        let waiting = self.inputs(site).filter(|input| input.lag() > 0);
        let since = waiting.filter_map(|input| input.folded_to_ms).min();
        since.map_or(0, |since| (self.now_ms - since).max(0) / 1000)
    }

    /// The logs that a site's records come from; a copy's site is known only once it is read.
    fn inputs(&self, site: &str) -> impl Iterator<Item = &super::fold::InputProgress> {
        let local = self.sites.iter().find(|info| info.site == site);
        let copied = local.is_some_and(|info| !info.local);
        let inputs = self.fold.inputs.values();
        let site = site.to_owned();
        inputs.filter(move |input| input.site == site || (copied && input.site.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use wardline_model::Incarnation;
    use wardline_model::status::{AgentStatus, AgentWatermark, BridgeStatus};

    use super::*;
    use crate::health::fold::InputProgress;
    use crate::health::status::LastStatus;

    const SITE: &str = "s";

    /// An agent that had numbered up to `numbered` at `agent_ms`, and its bridge, complete to `up_to` at `bridge_ms`.
    fn said(numbered: u64, agent_ms: i64, up_to: u64, bridge_ms: i64) -> Statuses {
        let agent = AgentStatus {
            v: 1,
            agent: "gw-1".into(),
            incarnation: Incarnation(1),
            version: String::new(),
            online: true,
            at_ms: agent_ms,
            next_seq: numbered + 1,
            oldest_held: 1,
            backlog_events: 0,
            backlog_bytes: 0,
            quota_bytes: 0,
            refused: 0,
            last_event_ms: None,
            clock_uncertainty_ms: None,
            mqtt_connections: 0,
            mllp_connections: 0,
            insecure: false,
        };
        let watermark = AgentWatermark {
            agent: "gw-1".into(),
            incarnation: Incarnation(1),
            up_to,
            ranges: Vec::new(),
            gap_events: 0,
            last_frame_ms: 0,
        };
        let bridge = BridgeStatus {
            agents: vec![watermark],
            ..BridgeStatus::default()
        };
        let mut statuses = Statuses::default();
        let agent = LastStatus {
            at_ms: agent_ms,
            status: agent,
        };
        statuses.agents.insert((SITE.into(), "gw-1".into()), agent);
        let bridge = LastStatus {
            at_ms: bridge_ms,
            status: bridge,
        };
        statuses.bridges.insert(SITE.into(), bridge);
        statuses
    }

    fn ask(
        statuses: &Statuses,
        input: InputProgress,
        ready: bool,
        proofs: &mut Proofs,
    ) -> Freshness {
        let mut fold = FoldProgress {
            version: 7,
            ..FoldProgress::default()
        };
        let site = SITE.to_owned();
        fold.inputs
            .insert("s/t/0".into(), InputProgress { site, ..input });
        let known = Known {
            statuses,
            fold: &fold,
            copies: &CopyProgress::default(),
            sites: &[SiteInfo {
                site: SITE.into(),
                local: true,
            }],
            ready,
            now_ms: 100_000,
        };
        known.prove(proofs);
        known.freshness(proofs, Some(SITE))
    }

    fn read() -> InputProgress {
        InputProgress {
            next: 10,
            end: 10,
            folded_to_ms: Some(40_000),
            ..InputProgress::default()
        }
    }

    #[test]
    fn p10_complete_is_what_both_ends_said_and_the_fold_has_read() {
        let mut proofs = Proofs::default();
        let all = ask(&said(50, 90_000, 50, 95_000), read(), true, &mut proofs);
        assert_eq!(
            (all.version, all.catching_up, all.lag_s),
            (Some(7), Some(false), Some(0))
        );
        assert_eq!(all.complete_to.as_deref(), Some("1970-01-01T00:01:30Z"));
        // The bridge spoke before the agent and had less: nothing is known to be missing, and nothing more is proved.
        let later = ask(&said(60, 99_000, 50, 95_000), read(), true, &mut proofs);
        assert_eq!(later.catching_up, Some(false));
        assert_eq!(later.complete_to, all.complete_to);
        // Nobody spoke: nothing is proved.
        let none = ask(&Statuses::default(), read(), true, &mut Proofs::default());
        assert_eq!(none.complete_to, None);
    }

    /// Logged is not mapped: a transform that stands still leaves the views behind although every log is read to its end.
    #[test]
    fn p10_what_is_logged_and_not_mapped_is_not_in() {
        let mut statuses = said(50, 90_000, 50, 95_000);
        let bridge = |statuses: &mut Statuses, logged, mapped| {
            let said = statuses.bridges.get_mut(SITE).unwrap();
            said.status.ingest.applied = logged;
            said.status.transform.received = mapped;
        };
        bridge(&mut statuses, 50, 20);
        let mut proofs = Proofs::default();
        let first = ask(&statuses, read(), true, &mut proofs);
        assert_eq!((first.catching_up, first.complete_to), (Some(false), None));
        for logged in proofs.logged.values_mut() {
            logged.since_ms -= UNMAPPED_AFTER_MS + 1;
        }
        let stuck = ask(&statuses, read(), true, &mut proofs);
        assert_eq!((stuck.catching_up, stuck.complete_to), (Some(true), None));
        // More was logged meanwhile, and it never rests: what was to be mapped is.
        bridge(&mut statuses, 90, 60);
        let mapped = ask(&statuses, read(), true, &mut proofs);
        assert_eq!(mapped.catching_up, Some(false));
        assert_eq!(mapped.complete_to.as_deref(), Some("1970-01-01T00:01:30Z"));
    }

    #[test]
    fn p10_what_a_source_holds_and_the_log_has_not_is_catching_up() {
        let missing = ask(
            &said(60, 90_000, 50, 95_000),
            read(),
            true,
            &mut Proofs::default(),
        );
        assert_eq!(
            (missing.catching_up, missing.complete_to),
            (Some(true), None)
        );
        let all = said(50, 90_000, 50, 95_000);
        let waits = InputProgress { end: 14, ..read() };
        let waiting = ask(&all, waits, true, &mut Proofs::default());
        assert_eq!((waiting.catching_up, waiting.lag_s), (Some(true), Some(60)));
        assert_eq!(waiting.complete_to, None);
        let starting = ask(&all, read(), false, &mut Proofs::default());
        assert_eq!(
            (starting.catching_up, starting.complete_to),
            (Some(true), None)
        );
        let trouble = Some("the log is gone".to_owned());
        let stuck = ask(
            &all,
            InputProgress { trouble, ..read() },
            true,
            &mut Proofs::default(),
        );
        assert_eq!(stuck.catching_up, Some(true));
    }
}
