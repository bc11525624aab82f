//! Who was heard lately, and what share of a department's sources that is. Pure.
//!
//! A department rests on the agents whose events its beds and devices came from. An agent is heard when it is online by
//! its own word and said or sent something within the expected interval. One that never said a status counts by its
//! events alone. So a gateway that was unplugged lowers the coverage of the departments behind it, and of no other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::health::status::{Speaker, Statuses};

/// The last that was folded of one agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// Newest time at which the agent took an event in.
    pub(crate) received_ms: i64,
    /// Event time of that event.
    pub(crate) event_ms: i64,
    /// When it was folded.
    pub(crate) folded_ms: i64,
}

pub(crate) struct Listening<'a> {
    pub(crate) statuses: &'a Statuses,
    pub(crate) heard: &'a BTreeMap<Speaker, Heard>,
    pub(crate) now_ms: i64,
    pub(crate) silent_after_ms: i64,
}

impl Listening<'_> {
    pub(crate) fn hears(&self, agent: &Speaker) -> bool {
        let event = self.heard.get(agent).map(|h| h.received_ms);
        match self.statuses.agents.get(agent) {
            Some(said) => said.status.online && self.lately(Some(said.at_ms).max(event)),
            None => self.lately(event),
        }
    }

    fn lately(&self, at_ms: Option<i64>) -> bool {
        at_ms.is_some_and(|at| self.now_ms - at <= self.silent_after_ms)
    }

    /// 0 to 1; `None` when it rests on nobody.
    pub(crate) fn coverage(&self, sources: Option<&BTreeSet<Speaker>>) -> Option<f64> {
        let sources = sources.filter(|s| !s.is_empty())?;
        let heard = sources.iter().filter(|agent| self.hears(agent)).count();
        let share = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        Some(share(heard) / share(sources.len()))
    }
}

/// The agent that an event id names, at a site.
pub(crate) fn speaker(site: &str, event_id: &str) -> Speaker {
    let agent = event_id.split('/').next().unwrap_or(event_id);
    (site.to_owned(), agent.to_owned())
}

#[cfg(test)]
mod tests {
    use wardline_model::Incarnation;
    use wardline_model::status::AgentStatus;

    use super::*;
    use crate::health::status::LastStatus;

    fn said(online: bool, at_ms: i64) -> LastStatus<AgentStatus> {
        LastStatus {
            at_ms,
            status: AgentStatus {
                v: 1,
                agent: "x".into(),
                incarnation: Incarnation(1),
                version: String::new(),
                online,
                at_ms,
                next_seq: 1,
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
            },
        }
    }

    #[test]
    fn p10_coverage_is_the_share_of_sources_heard_in_time() {
        let id = |name: &str| ("s".to_owned(), name.to_owned());
        let mut statuses = Statuses::default();
        statuses.agents.insert(id("on"), said(true, 100_000));
        statuses.agents.insert(id("off"), said(false, 100_000));
        statuses.agents.insert(id("gone"), said(true, 10_000));
        let mut heard = BTreeMap::new();
        let at = |received_ms| Heard {
            received_ms,
            ..Heard::default()
        };
        heard.insert(id("eventful"), at(99_000));
        heard.insert(id("off"), at(100_000));
        let listening = Listening {
            statuses: &statuses,
            heard: &heard,
            now_ms: 110_000,
            silent_after_ms: 60_000,
        };
        let share = |names: &[&str]| {
            listening.coverage(Some(&names.iter().map(|n| id(n)).collect::<BTreeSet<_>>()))
        };
        assert_eq!(share(&[]), None);
        assert_eq!(listening.coverage(None), None);
        assert_eq!(share(&["on", "eventful"]), Some(1.0));
        assert_eq!(share(&["on", "off"]), Some(0.5));
        assert_eq!(share(&["on", "off", "gone", "never"]), Some(0.25));
    }
}
