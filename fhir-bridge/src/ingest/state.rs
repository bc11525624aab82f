//! What ingest knows about the log, and how it gets it back after a restart (docs/specs/ingest.md I10, I11).
//!
//! Kept true: watermarks and counters are a function of what the log holds. A snapshot in `bridge.state` saves
//! reading everything; it names the positions up to which it counts, and everything behind them is read again.
//! A snapshot that names more than the log holds belongs to another log and is not believed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tracing::warn;
use wardline_log::follow::Scan;
use wardline_log::{Entry, Log, PartitionOffsets, Position, Record};
use wardline_model::status::StageCounts;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, SIDELINE};
use wardline_model::{AgentName, Incarnation};

use crate::error::BridgeError;
use crate::ingest::decide::{Damaged, Plan};
use crate::ingest::record;
use crate::ingest::watermark::{Recalled, Watermark, Watermarks};
use crate::logged;

/// Key of the snapshot in `bridge.state`.
pub const SNAPSHOT_KEY: &str = "watermarks";
const SNAPSHOT_VERSION: u32 = 1;
const READING_BACK: &str = "reading the watermarks back";

/// Partition -> offset of the next record that is not counted yet.
type Next = BTreeMap<u32, u64>;

/// How far each topic that is counted goes.
type TopicEnds = [(&'static str, Vec<PartitionOffsets>); 2];

#[derive(Debug, Default)]
pub struct IngestState {
    pub marks: Watermarks,
    pub damaged: Damaged,
    pub counts: StageCounts,
    /// Gap records in the log.
    pub gaps: u64,
    frames_next: Next,
    sideline_next: Next,
}

#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    v: u32,
    at_ms: i64,
    /// `edge.frames` and `sideline` are counted up to these offsets.
    frames: Next,
    sideline: Next,
    counts: StageCounts,
    gaps: u64,
    lives: Vec<LifeState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LifeState {
    agent: AgentName,
    incarnation: Incarnation,
    ranges: Vec<(u64, u64)>,
    gap_events: u64,
    last_frame_ms: i64,
}

impl IngestState {
    /// The state that the log stands for: newest snapshot, then everything behind it.
    pub async fn load(log: &dyn Log) -> Result<Self, BridgeError> {
        let snapshot = newest_snapshot(log).await?;
        let held = held(log).await?;
        let mut state = snapshot.map_or_else(Self::default, |from| Self::restore(from, &held));
        state.read_up_to(log, &held).await?;
        Ok(state)
    }

    fn restore(snapshot: Snapshot, held: &TopicEnds) -> Self {
        for (topic, held) in held {
            let next = match *topic {
                SIDELINE => &snapshot.sideline,
                _ => &snapshot.frames,
            };
            if beyond(next, held) {
                warn!(
                    topic,
                    "the watermarks in bridge.state count further than the log goes: it was replaced; reading all of it again"
                );
                return Self::default();
            }
        }
        let mut state = Self {
            counts: snapshot.counts,
            gaps: snapshot.gaps,
            frames_next: snapshot.frames,
            sideline_next: snapshot.sideline,
            ..Self::default()
        };
        for life in snapshot.lives {
            let watermark = Watermark {
                covered: life.ranges.into_iter().collect(),
                gap_events: life.gap_events,
                last_frame_ms: life.last_frame_ms,
            };
            state.marks.put(life.agent, life.incarnation, watermark);
        }
        state
    }

    /// Counts what the log holds and this state does not know yet, after an append whose end nobody saw: it is either
    /// counted now or never comes. Returns how many records that were.
    pub async fn catch_up(&mut self, log: &dyn Log) -> Result<u64, BridgeError> {
        let held = held(log).await?;
        self.read_up_to(log, &held).await
    }

    async fn read_up_to(&mut self, log: &dyn Log, held: &TopicEnds) -> Result<u64, BridgeError> {
        let mut read = 0;
        for (topic, held) in held {
            for at in held {
                read += self.read_partition(log, topic, *at).await?;
            }
        }
        Ok(read)
    }

    async fn read_partition(
        &mut self,
        log: &dyn Log,
        topic: &'static str,
        at: PartitionOffsets,
    ) -> Result<u64, BridgeError> {
        let known = self.next(topic).get(&at.partition).copied();
        let from = known.unwrap_or(at.start).clamp(at.start, at.end);
        if known.is_some_and(|known| known < at.start) {
            warn!(
                topic,
                partition = at.partition,
                "retention removed records that were not counted yet; their numbers will be recorded as a gap if nobody holds them"
            );
        }
        self.next_mut(topic).insert(at.partition, from);
        let mut scan = Scan::new(log, topic, PartitionOffsets { start: from, ..at });
        let mut read = 0;
        while let Some(entries) = scan.next().await.map_err(BridgeError::log(READING_BACK))? {
            read += entries.len() as u64;
            for entry in &entries {
                self.recall(topic, entry);
            }
            self.next_mut(topic).insert(at.partition, scan.position());
        }
        self.next_mut(topic).insert(at.partition, scan.position());
        Ok(read)
    }

    fn recall(&mut self, topic: &str, entry: &Entry) {
        if topic == SIDELINE {
            if let Some(hash) = record::damaged_hash(&entry.record) {
                self.damaged.insert(hash);
                self.counts.received += 1;
                self.counts.sidelined += 1;
            }
            return;
        }
        let Some(marked) = record::read(&entry.record) else {
            warn!(
                partition = entry.partition,
                offset = entry.offset,
                "a record of edge.frames is not the bridge's own; it is not counted"
            );
            return;
        };
        let at = if marked.gap {
            Recalled::Gap
        } else {
            Recalled::Frame {
                time_ms: entry.record.time_ms,
            }
        };
        let range = (marked.first, marked.last);
        let new = self
            .marks
            .recall(&marked.agent, marked.incarnation, range, at);
        if marked.gap {
            self.gaps += 1;
        } else {
            self.counts.received += new;
            self.counts.applied += new;
        }
    }

    /// The append of a plan has succeeded at these positions.
    pub fn commit(&mut self, plan: Plan, frames: &[Position], sideline: &[Position]) {
        self.marks.commit(plan.pending);
        for hash in plan.damaged {
            self.damaged.insert(hash);
        }
        add(&mut self.counts, &plan.counts);
        self.gaps += plan.gaps;
        for (next, positions) in [
            (&mut self.frames_next, frames),
            (&mut self.sideline_next, sideline),
        ] {
            for at in positions {
                let next = next.entry(at.partition).or_default();
                *next = (*next).max(at.offset + 1);
            }
        }
    }

    /// The record that lets the next start begin here.
    pub fn snapshot(&self, now_ms: i64) -> Record {
        let life =
            |(agent, incarnation, watermark): (&AgentName, Incarnation, &Watermark)| LifeState {
                agent: agent.clone(),
                incarnation,
                ranges: watermark.covered.iter().collect(),
                gap_events: watermark.gap_events,
                last_frame_ms: watermark.last_frame_ms,
            };
        let snapshot = Snapshot {
            v: SNAPSHOT_VERSION,
            at_ms: now_ms,
            frames: self.frames_next.clone(),
            sideline: self.sideline_next.clone(),
            counts: self.counts.clone(),
            gaps: self.gaps,
            lives: self.marks.iter().map(life).collect(),
        };
        logged::json(SNAPSHOT_KEY, &snapshot, now_ms)
    }

    fn next(&self, topic: &str) -> &Next {
        if topic == SIDELINE {
            &self.sideline_next
        } else {
            &self.frames_next
        }
    }

    fn next_mut(&mut self, topic: &str) -> &mut Next {
        if topic == SIDELINE {
            &mut self.sideline_next
        } else {
            &mut self.frames_next
        }
    }
}

fn add(to: &mut StageCounts, more: &StageCounts) {
    to.received += more.received;
    to.applied += more.applied;
    to.duplicate += more.duplicate;
    to.sidelined += more.sidelined;
}

fn beyond(next: &Next, held: &[PartitionOffsets]) -> bool {
    next.iter().any(|(partition, next)| {
        let end = held.iter().find(|at| at.partition == *partition);
        end.map_or(0, |at| at.end) < *next
    })
}

/// How far the log goes, behind every append that the log had taken in before, also of a process that has ended since (P3).
/// A Kafka broker that has such a request in hand and has not begun it may still come after (docs/specs/embedded-log.md LG101).
async fn held(log: &dyn Log) -> Result<TopicEnds, BridgeError> {
    let failed = || BridgeError::log("asking the log how far it goes");
    let frames = log.barrier(EDGE_FRAMES).await.map_err(failed())?;
    let sideline = log.barrier(SIDELINE).await.map_err(failed())?;
    Ok([(EDGE_FRAMES, frames), (SIDELINE, sideline)])
}

/// A snapshot that is still on its way is not missed: an older one only means that more is read.
async fn newest_snapshot(log: &dyn Log) -> Result<Option<Snapshot>, BridgeError> {
    let failed = || BridgeError::log("reading bridge.state");
    let mut newest: Option<Snapshot> = None;
    for at in log.offsets(BRIDGE_STATE).await.map_err(failed())? {
        let mut scan = Scan::new(log, BRIDGE_STATE, at);
        while let Some(entries) = scan.next().await.map_err(failed())? {
            let wanted = |e: &&Entry| e.record.key.as_deref() == Some(SNAPSHOT_KEY.as_bytes());
            if let Some(entry) = entries.iter().rev().find(wanted) {
                newest = parse(&entry.record)?.or(newest);
            }
        }
    }
    Ok(newest)
}

fn parse(record: &Record) -> Result<Option<Snapshot>, BridgeError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let value = record.value.as_deref().unwrap_or_default();
    match serde_json::from_slice::<Version>(value) {
        Ok(Version { v }) if v > SNAPSHOT_VERSION => Err(BridgeError::NewerState {
            found: v,
            known: SNAPSHOT_VERSION,
        }),
        _ => match serde_json::from_slice(value) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) => {
                warn!(%error, "a watermark snapshot in bridge.state cannot be read; an earlier one, or the whole log, is read instead");
                Ok(None)
            }
        },
    }
}
