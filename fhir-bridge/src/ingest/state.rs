//! What ingest knows about the log, and how it gets it back after a restart (docs/specs/ingest.md I10, I11).
//!
//! Kept true: watermarks and counters are a function of what the log holds. A snapshot in `bridge.state` saves
//! reading everything; it names the positions up to which it counts, and everything behind them is read again.
//! A snapshot that names more than the log holds belongs to another log and is not believed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;
use wardline_log::{Entry, Log, LogError, PartitionOffsets, Position, Record};
use wardline_model::status::StageCounts;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, SIDELINE};
use wardline_model::{AgentName, Incarnation};

use crate::error::BridgeError;
use crate::ingest::coverage::{Coverage, Recalled, Watermarks};
use crate::ingest::decide::{Damaged, Plan};
use crate::ingest::record;
use crate::limits::{SCAN_RECORDS_MAX, SCAN_STALL_MS, SCAN_WAIT_MS};

/// Key of the snapshot in `bridge.state`.
pub const SNAPSHOT_KEY: &str = "coverage";
const SNAPSHOT_VERSION: u32 = 1;
const READ_WAIT: Duration = Duration::from_millis(SCAN_WAIT_MS);

/// Partition -> offset of the next record that is not counted yet.
type Next = BTreeMap<u32, u64>;

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
        let mut state = match newest_snapshot(log).await? {
            Some(snapshot) => Self::restore(log, snapshot).await?,
            None => Self::default(),
        };
        state.catch_up(log).await?;
        Ok(state)
    }

    async fn restore(log: &dyn Log, snapshot: Snapshot) -> Result<Self, BridgeError> {
        for (topic, next) in [
            (EDGE_FRAMES, &snapshot.frames),
            (SIDELINE, &snapshot.sideline),
        ] {
            if beyond(next, &offsets(log, topic).await?) {
                warn!(
                    topic,
                    "the watermarks in bridge.state count further than the log goes: it was replaced; reading all of it again"
                );
                return Ok(Self::default());
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
            let coverage = Coverage {
                covered: life.ranges.into_iter().collect(),
                gap_events: life.gap_events,
                last_frame_ms: life.last_frame_ms,
            };
            state.marks.put(life.agent, life.incarnation, coverage);
        }
        Ok(state)
    }

    /// Counts what the log holds and this state does not know yet: after a restart, or after an append whose end
    /// nobody saw. Returns how many records that were.
    pub async fn catch_up(&mut self, log: &dyn Log) -> Result<u64, BridgeError> {
        let mut read = 0;
        for topic in [EDGE_FRAMES, SIDELINE] {
            for at in offsets(log, topic).await? {
                read += self.catch_up_partition(log, topic, at).await?;
            }
        }
        Ok(read)
    }

    async fn catch_up_partition(
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
        if from >= at.end {
            return Ok(0);
        }
        let failed = BridgeError::log("reading the watermarks back");
        let mut reader = log
            .reader(topic, at.partition, from)
            .await
            .map_err(failed)?;
        let (mut read, mut moved) = (0, Instant::now());
        while reader.position() < at.end {
            let failed = BridgeError::log("reading the watermarks back");
            let entries = reader
                .next(SCAN_RECORDS_MAX, READ_WAIT)
                .await
                .map_err(failed)?;
            if !entries.is_empty() {
                moved = Instant::now();
            } else if moved.elapsed() > Duration::from_millis(SCAN_STALL_MS) {
                return Err(BridgeError::Stalled {
                    topic: topic.to_owned(),
                    partition: at.partition,
                    position: reader.position(),
                    end: at.end,
                });
            }
            read += entries.len() as u64;
            for entry in &entries {
                self.recall(topic, entry);
            }
            self.next_mut(topic).insert(at.partition, reader.position());
        }
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
            |(agent, incarnation, coverage): (&AgentName, Incarnation, &Coverage)| LifeState {
                agent: agent.clone(),
                incarnation,
                ranges: coverage.covered.iter().collect(),
                gap_events: coverage.gap_events,
                last_frame_ms: coverage.last_frame_ms,
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
        Record {
            key: Some(Bytes::from_static(SNAPSHOT_KEY.as_bytes())),
            // A struct of strings and numbers cannot fail to serialise.
            value: Some(Bytes::from(
                serde_json::to_vec(&snapshot).unwrap_or_default(),
            )),
            headers: wardline_log::Headers::new(),
            time_ms: now_ms,
        }
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

async fn offsets(log: &dyn Log, topic: &str) -> Result<Vec<PartitionOffsets>, BridgeError> {
    let failed = BridgeError::log("asking the log how far it goes");
    log.offsets(topic).await.map_err(failed)
}

async fn newest_snapshot(log: &dyn Log) -> Result<Option<Snapshot>, BridgeError> {
    let mut newest: Option<Snapshot> = None;
    for at in offsets(log, BRIDGE_STATE).await? {
        for entry in read_all(log, BRIDGE_STATE, at).await? {
            if entry.record.key.as_deref() != Some(SNAPSHOT_KEY.as_bytes()) {
                continue;
            }
            if let Some(snapshot) = parse(&entry.record)? {
                newest = Some(snapshot);
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

/// All records of a small topic that are there now; only the newest of each key matters, so what retention or
/// compaction takes away meanwhile is not missed.
async fn read_all(
    log: &dyn Log,
    topic: &str,
    at: PartitionOffsets,
) -> Result<Vec<Entry>, BridgeError> {
    let doing = "reading bridge.state";
    let mut out: Vec<Entry> = Vec::new();
    if at.start >= at.end {
        return Ok(out);
    }
    let reader = log.reader(topic, at.partition, at.start).await;
    let mut reader = reader.map_err(BridgeError::log(doing))?;
    let mut moved = Instant::now();
    while reader.position() < at.end {
        match reader.next(SCAN_RECORDS_MAX, READ_WAIT).await {
            Ok(entries) => {
                if !entries.is_empty() {
                    moved = Instant::now();
                } else if moved.elapsed() > READ_WAIT * 4 {
                    // Compaction may leave nothing between the position and the end.
                    break;
                }
                let wanted = |e: &Entry| e.record.key.as_deref() == Some(SNAPSHOT_KEY.as_bytes());
                if let Some(last) = entries.into_iter().rev().find(wanted) {
                    out.push(last);
                }
            }
            Err(LogError::OffsetOutOfRange { .. }) => break,
            Err(source) => return Err(BridgeError::Log { doing, source }),
        }
    }
    Ok(out)
}
