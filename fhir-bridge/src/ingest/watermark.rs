//! What the site's log holds of every agent, and what a frame adds to it. Pure: no clock, no log, no socket.
//!
//! Kept true (docs/specs/ingest.md I1 to I6):
//! - a number that is covered is never appended again, and one that is not covered is never skipped;
//! - numbers below an agent's `oldest held` that the log lacks become a gap once, and count as covered from then on;
//! - what is decided for an append that has not succeeded stays apart (`Pending`) and leaves no trace if dropped;
//! - memory is bounded in agents, lives and ranges.

use std::collections::BTreeMap;

use wardline_model::frame::FrameHeader;
use wardline_model::{AgentName, Incarnation, RangeSet, Receipt};

use crate::limits::{AGENTS_MAX, FRAGMENTS_MAX, INCARNATIONS_PER_AGENT_MAX};

/// One life of one agent's store.
pub type Life = (AgentName, Incarnation);

/// What the log holds of one life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermark {
    pub covered: RangeSet,
    /// How many of the covered numbers are recorded as lost.
    pub gap_events: u64,
    /// Wall time of the newest frame.
    pub last_frame_ms: i64,
}

/// What one frame adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// Ranges of the frame that the log does not hold, in order.
    pub parts: Vec<(u64, u64)>,
    /// How many of its events the log holds already.
    pub duplicate: u64,
    /// Ranges that nobody holds any more.
    pub gaps: Vec<(u64, u64)>,
    /// A number above it stands in the log already: what is new in the frame fills a hole (I32).
    pub late: bool,
}

/// A bound that keeps a frame out for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("the site has {AGENTS_MAX} agents already")]
    Agents,
    #[error("the agent's watermark has {FRAGMENTS_MAX} holes already")]
    Fragments,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watermarks {
    agents: BTreeMap<AgentName, BTreeMap<Incarnation, Watermark>>,
    forgotten: u64,
}

/// Watermark as it will be once an append has succeeded.
#[derive(Debug, Clone, Default)]
pub struct Pending(BTreeMap<Life, Watermark>);

impl Pending {
    pub fn lives(&self) -> impl Iterator<Item = &Life> {
        self.0.keys()
    }

    /// What is pending for one life, to be given back to [`Pending::restore`].
    pub fn of(&self, life: &Life) -> Option<Watermark> {
        self.0.get(life).cloned()
    }

    /// Takes an admission back that could not be turned into records.
    pub fn restore(&mut self, life: &Life, before: Option<Watermark>) {
        match before {
            Some(watermark) => self.0.insert(life.clone(), watermark),
            None => self.0.remove(life),
        };
    }
}

impl Watermarks {
    /// Decides about one frame, on top of what `pending` already holds.
    pub fn admit(
        &self,
        pending: &mut Pending,
        header: &FrameHeader,
        now_ms: i64,
    ) -> Result<Admission, Full> {
        let life = (header.agent.clone(), header.incarnation);
        let known = pending
            .0
            .get(&life)
            .or_else(|| self.watermark(&header.agent, header.incarnation));
        if known.is_none() && self.no_room_for(&header.agent, pending) {
            return Err(Full::Agents);
        }
        let mut watermark = known.cloned().unwrap_or_default();
        let admission = watermark.admit(header)?;
        watermark.last_frame_ms = now_ms;
        pending.0.insert(life, watermark);
        Ok(admission)
    }

    /// The append has succeeded: what was pending is now so.
    pub fn commit(&mut self, pending: Pending) {
        for ((agent, incarnation), watermark) in pending.0 {
            self.put(agent, incarnation, watermark);
        }
    }

    pub fn put(&mut self, agent: AgentName, incarnation: Incarnation, watermark: Watermark) {
        let lives = self.agents.entry(agent).or_default();
        lives.insert(incarnation, watermark);
        if lives.len() > INCARNATIONS_PER_AGENT_MAX {
            let oldest = lives
                .iter()
                .filter(|(life, _)| **life != incarnation)
                .min_by_key(|(life, watermark)| (watermark.last_frame_ms, **life))
                .map(|(life, _)| *life);
            if let Some(oldest) = oldest {
                lives.remove(&oldest);
                self.forgotten += 1;
            }
        }
    }

    /// Takes in what a record of the log says. Returns how many numbers were new.
    pub fn recall(
        &mut self,
        agent: &AgentName,
        incarnation: Incarnation,
        (first, last): (u64, u64),
        at: Recalled,
    ) -> u64 {
        let mut watermark = self
            .watermark(agent, incarnation)
            .cloned()
            .unwrap_or_default();
        let new = numbers(&watermark.missing(first, last));
        watermark.covered.insert(first, last);
        match at {
            Recalled::Frame { time_ms } => {
                watermark.last_frame_ms = watermark.last_frame_ms.max(time_ms);
            }
            Recalled::Gap => watermark.gap_events = watermark.gap_events.saturating_add(new),
        }
        self.put(agent.clone(), incarnation, watermark);
        new
    }

    pub fn watermark(&self, agent: &AgentName, incarnation: Incarnation) -> Option<&Watermark> {
        self.agents.get(agent)?.get(&incarnation)
    }

    pub fn receipt(&self, (agent, incarnation): &Life) -> Option<Receipt> {
        let watermark = self.watermark(agent, *incarnation)?;
        Some(Receipt::of(agent, *incarnation, &watermark.covered))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&AgentName, Incarnation, &Watermark)> {
        self.agents.iter().flat_map(|(agent, lives)| {
            lives
                .iter()
                .map(move |(life, watermark)| (agent, *life, watermark))
        })
    }

    /// The life of each agent that was heard last.
    pub fn newest(&self) -> impl Iterator<Item = (&AgentName, Incarnation, &Watermark)> {
        self.agents.iter().filter_map(|(agent, lives)| {
            let (life, watermark) = lives.iter().max_by_key(|(_, c)| c.last_frame_ms)?;
            Some((agent, *life, watermark))
        })
    }

    /// Lives whose watermark was given up at the bound.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn no_room_for(&self, agent: &AgentName, pending: &Pending) -> bool {
        if self.agents.contains_key(agent) {
            return false;
        }
        let mut new: Vec<&AgentName> = pending
            .lives()
            .map(|(agent, _)| agent)
            .filter(|agent| !self.agents.contains_key(agent))
            .collect();
        new.dedup();
        !new.contains(&agent) && self.agents.len() + new.len() >= AGENTS_MAX
    }
}

/// What kind of record a range of the log was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled {
    Frame { time_ms: i64 },
    Gap,
}

impl Watermark {
    fn missing(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let ranges = self.covered.missing(first, last);
        ranges
            .into_iter()
            .map(|range| (*range.start(), *range.end()))
            .collect()
    }

    fn admit(&mut self, header: &FrameHeader) -> Result<Admission, Full> {
        let (first, last) = (header.first, header.last());
        let before = self.covered.last();
        let gaps = self.missing(1, header.oldest_held.saturating_sub(1));
        let parts = self.missing(first, last);
        let mut covered = self.covered.clone();
        if header.oldest_held > 1 {
            covered.insert(1, header.oldest_held - 1);
        }
        covered.insert(first, last);
        if covered.fragments() > FRAGMENTS_MAX && covered.fragments() > self.covered.fragments() {
            return Err(Full::Fragments);
        }
        self.covered = covered;
        self.gap_events = self.gap_events.saturating_add(numbers(&gaps));
        let duplicate = u64::from(header.count).saturating_sub(numbers(&parts));
        let late = match (parts.first(), before) {
            (Some((first, _)), Some(newest)) => *first < newest,
            _ => false,
        };
        Ok(Admission {
            parts,
            duplicate,
            gaps,
            late,
        })
    }
}

fn numbers(ranges: &[(u64, u64)]) -> u64 {
    ranges
        .iter()
        .map(|(first, last)| (last - first).saturating_add(1))
        .fold(0, u64::saturating_add)
}
