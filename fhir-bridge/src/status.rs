//! What agents and the bridge say about themselves, on its way to the log topic `status` (docs/specs/ingest.md
//! I23, I24): key = agent name, or `bridge`; newest wins.
//!
//! `StatusCollector` is where the parts of the bridge leave what they know; `run` writes what changed, no more often than
//! somebody can look. Nothing here holds up ingest: a status that could not be written is written later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;
use wardline_log::{Record, SharedLog};
use wardline_model::limits::{CONTROL_BYTES_MAX, RECEIPT_RANGES_MAX};
use wardline_model::status::{AgentStatus, AgentWatermark, BridgeStatus, StageCounts};
use wardline_model::topic::STATUS;
use wardline_model::{AgentName, Incarnation, SiteName};
use wardline_service::{SharedClock, Stop};

use crate::ingest::state::IngestState;
use crate::ingest::watermark::{Life, Watermark};
use crate::limits::{
    AGENTS_MAX, PROBLEM_SHOWN_MS, PROBLEMS_MAX, STATUS_AGENT_MIN_MS, STATUS_HEARTBEAT_MS,
    STATUS_INTERVAL_MS, STATUS_TICK_MS, STOP_WAIT_MS,
};
use crate::logged;
use crate::transform::{Counters, TransformStatus};

/// Key of the bridge's own status.
pub const BRIDGE_KEY: &str = "bridge";
const VERSION: u8 = 1;

#[derive(Debug)]
pub struct StatusCollector {
    clock: SharedClock,
    ingest: Mutex<IngestStatus>,
    agents: Mutex<BTreeMap<AgentName, AgentEntry>>,
    problems: Mutex<BTreeMap<String, Problem>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestStatus {
    pub counts: StageCounts,
    pub gaps: u64,
    /// Frames that were not taken; they are not part of `counts`.
    pub refused: u64,
    pub agents: BTreeMap<AgentName, AgentWatermark>,
}

/// How a status message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOrigin {
    /// Said now; behind a broker it may be a will.
    Said,
    /// The agent vanished.
    Will,
    /// Said earlier, and kept by a broker.
    Retained,
}

#[derive(Debug)]
struct AgentEntry {
    status: AgentStatus,
    /// Whether the newest was written, when the last was, and whether that said online.
    written: bool,
    written_at: Option<Instant>,
    written_online: bool,
}

#[derive(Debug)]
struct Problem {
    times: u64,
    last: Instant,
}

/// The bridge's status as it stands in the log: the shared fields, and what only people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishedStatus {
    #[serde(flatten)]
    pub status: BridgeStatus,
    pub refused: u64,
    pub transform_more: TransformStatus,
    pub insecure: bool,
    pub problems: Vec<String>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatusCollector {
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            ingest: Mutex::default(),
            agents: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// Wall time, as the bridge stamps its records.
    pub fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Notes something that people have to see. True when it is new.
    pub fn problem(&self, text: String) -> bool {
        let mut problems = locked(&self.problems);
        let now = Instant::now();
        if let Some(problem) = problems.get_mut(&text) {
            problem.times += 1;
            problem.last = now;
            return false;
        }
        if problems.len() >= PROBLEMS_MAX {
            let oldest = problems
                .iter()
                .min_by_key(|(_, p)| p.last)
                .map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                problems.remove(&oldest);
            }
        }
        warn!(problem = %text, "the bridge has a problem");
        problems.insert(
            text,
            Problem {
                times: 1,
                last: now,
            },
        );
        true
    }

    pub fn problems(&self) -> Vec<String> {
        let mut problems = locked(&self.problems);
        problems
            .retain(|_, problem| problem.last.elapsed() < Duration::from_millis(PROBLEM_SHOWN_MS));
        let shown = |(text, problem): (&String, &Problem)| match problem.times {
            1 => text.clone(),
            times => format!("{text} ({times} times)"),
        };
        problems.iter().map(shown).collect()
    }

    /// An agent's status message, or the will that speaks for it. One that cannot be read changes nothing.
    pub fn agent_said(&self, agent: &AgentName, payload: &[u8], origin: StatusOrigin) {
        let status = (payload.len() <= CONTROL_BYTES_MAX)
            .then(|| serde_json::from_slice::<AgentStatus>(payload).ok())
            .flatten()
            .filter(|status| status.agent == agent.as_str());
        let Some(mut status) = status else {
            self.problem(format!(
                "{agent}: its status message cannot be read; is it of another version?"
            ));
            return;
        };
        status.online &= origin != StatusOrigin::Will;
        if !status.online && origin != StatusOrigin::Retained {
            // A will was written at the connect; it speaks now.
            status.at_ms = self.now_ms();
        }
        let mut agents = locked(&self.agents);
        if let Some(said) = agents.get_mut(agent) {
            said.written &= said.status == status;
            said.status = status;
        } else if agents.len() < AGENTS_MAX {
            let said = AgentEntry {
                status,
                written: false,
                written_at: None,
                written_online: false,
            };
            agents.insert(agent.clone(), said);
        }
    }

    pub fn ingest(&self) -> IngestStatus {
        locked(&self.ingest).clone()
    }

    /// Everything anew, after the log was read back.
    pub(crate) fn ingest_is(&self, state: &IngestState) {
        let newest = state.marks.newest();
        let agents = newest
            .map(|(agent, life, watermark)| {
                (agent.clone(), shown_watermark(agent, life, watermark))
            })
            .collect();
        let mut view = locked(&self.ingest);
        view.counts = state.counts.clone();
        view.gaps = state.gaps;
        view.agents = agents;
    }

    /// What one append moved.
    pub(crate) fn ingest_moved(&self, state: &IngestState, heard: &BTreeSet<Life>, refused: u64) {
        let mut view = locked(&self.ingest);
        view.counts = state.counts.clone();
        view.gaps = state.gaps;
        view.refused += refused;
        for (agent, life) in heard {
            if let Some(watermark) = state.marks.watermark(agent, *life) {
                let shown = shown_watermark(agent, *life, watermark);
                view.agents.insert(agent.clone(), shown);
            }
        }
    }

    /// Status records of agents that are due, marked as written.
    fn agents_due(&self, now_ms: i64) -> Vec<Record> {
        let min = Duration::from_millis(STATUS_AGENT_MIN_MS);
        let mut out = Vec::new();
        for (agent, said) in locked(&self.agents).iter_mut() {
            let turned = said.written_online != said.status.online;
            let due = said
                .written_at
                .is_none_or(|at| turned || at.elapsed() >= min);
            if said.written || !due {
                continue;
            }
            said.written = true;
            said.written_at = Some(Instant::now());
            said.written_online = said.status.online;
            let key = agent.as_str().to_owned();
            out.push(logged::json(key, &said.status, now_ms));
        }
        out
    }

    /// The statuses could not be written: they are due again.
    fn agents_not_written(&self) {
        for said in locked(&self.agents).values_mut() {
            said.written = false;
            said.written_at = None;
        }
    }
}

fn shown_watermark(
    agent: &AgentName,
    incarnation: Incarnation,
    watermark: &Watermark,
) -> AgentWatermark {
    let up_to = watermark.covered.up_to();
    let ranges = watermark.covered.iter().filter(|(first, _)| *first > up_to);
    AgentWatermark {
        agent: agent.to_string(),
        incarnation,
        up_to,
        ranges: ranges.take(RECEIPT_RANGES_MAX).collect(),
        gap_events: watermark.gap_events,
        last_frame_ms: watermark.last_frame_ms,
    }
}

/// Writes statuses until `stop`, and the last one then.
pub struct StatusTask {
    pub site: SiteName,
    pub insecure: bool,
    pub log: SharedLog,
    pub collector: Arc<StatusCollector>,
    pub transform: Arc<Counters>,
}

impl StatusTask {
    pub async fn run(self, stop: Stop) {
        let mut tick = interval(Duration::from_millis(STATUS_TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<(PublishedStatus, Instant)> = None;
        loop {
            tokio::select! {
                () = stop.stopped() => break,
                _ = tick.tick() => {}
            }
            tokio::select! {
                () = self.write(&mut last, false) => {}
                () = stop.stopped() => break,
            }
        }
        // A log that is away must not hold up the end; the next start writes the status anyway.
        let wait = Duration::from_millis(STOP_WAIT_MS);
        timeout(wait, self.write(&mut last, true)).await.ok();
    }

    async fn write(&self, last: &mut Option<(PublishedStatus, Instant)>, now: bool) {
        let now_ms = self.collector.now_ms();
        let mut records = self.collector.agents_due(now_ms);
        let shown = self.shown(now_ms);
        let own = now || due(last.as_ref(), &shown);
        if own {
            records.push(logged::json(BRIDGE_KEY, &shown, now_ms));
        }
        if records.is_empty() {
            return;
        }
        match self.log.append(STATUS, records).await {
            Ok(_) if own => *last = Some((shown, Instant::now())),
            Ok(_) => {}
            Err(error) => {
                warn!(%error, "the status could not be written; tried again later");
                self.collector.agents_not_written();
            }
        }
    }

    fn shown(&self, at_ms: i64) -> PublishedStatus {
        let ingest = self.collector.ingest();
        let transform = self.transform.snapshot();
        let mut problems = self.collector.problems();
        problems.extend(transform.problem.clone());
        if transform.internal > 0 {
            problems.push(format!(
                "the mapping broke on {} events, a fault of this program: they are in the sideline, cause internal; report it",
                transform.internal
            ));
        }
        PublishedStatus {
            status: BridgeStatus {
                v: VERSION,
                site: self.site.to_string(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                at_ms,
                ingest: ingest.counts,
                transform: transform.counts.clone(),
                records: transform.records,
                gaps: ingest.gaps,
                agents: ingest.agents.into_values().collect(),
            },
            refused: ingest.refused,
            transform_more: transform,
            insecure: self.insecure,
            problems,
        }
    }
}

/// Whether the bridge's status has to be written: changed and not just written, or not heard of for long.
fn due(last: Option<&(PublishedStatus, Instant)>, shown: &PublishedStatus) -> bool {
    let Some((last, at)) = last else { return true };
    let age = at.elapsed();
    if age >= Duration::from_millis(STATUS_HEARTBEAT_MS) {
        return true;
    }
    let mut same_time = shown.clone();
    same_time.status.at_ms = last.status.at_ms;
    age >= Duration::from_millis(STATUS_INTERVAL_MS) && same_time != *last
}
