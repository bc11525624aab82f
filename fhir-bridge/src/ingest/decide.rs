//! What a batch of frames becomes: records to append, answers, watermarks to come, counters. Pure.
//!
//! Kept true (docs/specs/ingest.md): a frame's bytes go into the log as they came unless only a part is new
//! (I2, I3); gap records stand before the frame that made them known (I4); a frame that cannot be read goes to the
//! sideline with its bytes and never keeps others from the log (I12); a frame of a newer format or in another
//! agent's name is refused (I13, I14). The plan says everything that an append has to make durable, in order, so
//! that it can be made again from the same frames after a failure.

use std::collections::{BTreeSet, HashSet, VecDeque};

use bytes::Bytes;
use wardline_log::Record;
use wardline_model::frame::{self, FrameHeader, VERSION};
use wardline_model::status::StageCounts;
use wardline_model::{AgentName, Frame, FrameError, Lane, SiteName};

use crate::ingest::record::{self, FrameHash};
use crate::ingest::watermark::{Full, Life, Pending, Watermarks};
use crate::limits::{DAMAGED_REMEMBERED_MAX, FRAME_RECORD_BYTES_MAX};

/// Frames of one connection in the order of the wire. `connection` tells them apart; 0 is a broker's, on which
/// a refusal closes nothing.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub connection: u64,
    pub frames: Vec<Incoming>,
}

/// A frame as it came, in the name of the agent that its topic names.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub agent: AgentName,
    pub bytes: Bytes,
}

/// Why a frame is not taken. It is not acknowledged and not counted as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a frame of version {0} came; this bridge reads version {VERSION}: update the bridge")]
    NewerVersion(u8),
    #[error("a frame in another agent's name came; check the names of the agents")]
    ForeignAgent,
    #[error("a frame is kept out: {0}")]
    Full(#[from] Full),
    #[error(
        "a frame before it on the same connection was refused; the order of a lane would be lost"
    )]
    ConnectionClosed,
}

/// What a batch becomes once its append has succeeded.
#[derive(Debug, Default)]
pub struct Plan {
    pub frames: Vec<Record>,
    pub sideline: Vec<Record>,
    /// For each group, for each of its frames.
    pub answers: Vec<Vec<Result<(), Refused>>>,
    /// Connections on which a frame was refused: nothing that follows on them is taken (I15).
    pub closed: BTreeSet<u64>,
    pub pending: Pending,
    /// Lives that get a receipt: all of which a readable frame came.
    pub heard: BTreeSet<Life>,
    pub counts: StageCounts,
    pub gaps: u64,
    pub refused: u64,
    pub damaged: Vec<FrameHash>,
}

/// Damaged frames that are in the sideline already; bounded, the oldest is forgotten.
#[derive(Debug, Default)]
pub struct Damaged {
    order: VecDeque<FrameHash>,
    known: HashSet<FrameHash>,
}

impl Damaged {
    pub fn contains(&self, hash: &FrameHash) -> bool {
        self.known.contains(hash)
    }

    /// False when it was there before.
    pub fn insert(&mut self, hash: FrameHash) -> bool {
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > DAMAGED_REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// What the decision rests on.
pub struct Known<'a> {
    pub site: &'a SiteName,
    pub marks: &'a Watermarks,
    pub damaged: &'a Damaged,
}

pub fn decide<'a>(
    known: &Known<'_>,
    groups: impl IntoIterator<Item = &'a Group>,
    now_ms: i64,
) -> Plan {
    let mut plan = Plan::default();
    for group in groups {
        let mut answers = Vec::with_capacity(group.frames.len());
        for frame in &group.frames {
            let answer = if plan.closed.contains(&group.connection) {
                Err(Refused::ConnectionClosed)
            } else {
                plan.take(known, frame, now_ms)
            };
            if answer.is_err() {
                plan.refused += 1;
                if group.connection != 0 {
                    plan.closed.insert(group.connection);
                }
            }
            answers.push(answer);
        }
        plan.answers.push(answers);
    }
    plan
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.sideline.is_empty()
    }

    fn take(&mut self, known: &Known<'_>, frame: &Incoming, now_ms: i64) -> Result<(), Refused> {
        let header = match frame::peek(&frame.bytes) {
            Ok(header) => header,
            Err(FrameError::Version(found)) if found > VERSION => {
                return Err(Refused::NewerVersion(found));
            }
            Err(error) => {
                self.set_aside(known, frame, &error, now_ms);
                return Ok(());
            }
        };
        if header.agent != frame.agent {
            return Err(Refused::ForeignAgent);
        }
        let life = (header.agent.clone(), header.incarnation);
        let before = self.pending.of(&life);
        let admission = known.marks.admit(&mut self.pending, &header, now_ms)?;
        let lane = if admission.late {
            Lane::Backlog
        } else {
            header.lane
        };
        match records(&header, lane, &frame.bytes, &admission.parts, now_ms) {
            Ok(records) => {
                let gap = |range: &(u64, u64)| {
                    record::of_gap(&header.agent, header.incarnation, *range, now_ms)
                };
                self.frames.extend(admission.gaps.iter().map(gap));
                self.frames.extend(records);
                self.gaps += admission.gaps.len() as u64;
                let count = u64::from(header.count);
                self.counts.received += count;
                self.counts.duplicate += admission.duplicate;
                self.counts.applied += count - admission.duplicate;
                self.heard.insert(life);
            }
            Err(error) => {
                self.pending.restore(&life, before);
                self.set_aside(known, frame, &error, now_ms);
            }
        }
        Ok(())
    }

    /// A damaged frame counts as one event: how many it held, nobody can say.
    fn set_aside(&mut self, known: &Known<'_>, frame: &Incoming, error: &FrameError, now_ms: i64) {
        self.counts.received += 1;
        let hash = record::frame_hash(&frame.bytes);
        if known.damaged.contains(&hash) || self.damaged.contains(&hash) {
            self.counts.duplicate += 1;
            return;
        }
        self.counts.sidelined += 1;
        self.damaged.push(hash);
        self.sideline.push(record::of_damaged(
            known.site,
            &frame.agent,
            &frame.bytes,
            error,
            now_ms,
        ));
    }
}

/// The records of the parts of a frame that the log lacks, on the lane that they belong to (I32).
fn records(
    came: &FrameHeader,
    lane: Lane,
    bytes: &Bytes,
    parts: &[(u64, u64)],
    now_ms: i64,
) -> Result<Vec<Record>, FrameError> {
    let whole = (came.first, came.last());
    let fits = bytes.len() <= FRAME_RECORD_BYTES_MAX;
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    if fits && parts == [whole] && lane == came.lane {
        return Ok(vec![record::of_frame(came, whole, bytes.clone(), now_ms)]);
    }
    let mut out = Vec::with_capacity(parts.len());
    match Frame::decode(bytes) {
        Ok(mut frame) => {
            frame.header.lane = lane;
            for part in parts {
                cut(&frame, *part, now_ms, &mut out)?;
            }
        }
        // The numbers are proved by the checksum, the content is not readable: it is logged under the numbers that
        // are missing, so that the agent's window moves on and the transform sets the bytes aside.
        Err(_) if fits => {
            let header = FrameHeader {
                lane,
                ..came.clone()
            };
            let part = |part: &(u64, u64)| record::of_frame(&header, *part, bytes.clone(), now_ms);
            out.extend(parts.iter().map(part));
        }
        Err(error) => return Err(error),
    }
    Ok(out)
}

/// Encodes a part of a frame, halved until each piece fits a record.
fn cut(
    frame: &Frame,
    (first, last): (u64, u64),
    now_ms: i64,
    out: &mut Vec<Record>,
) -> Result<(), FrameError> {
    let part = frame.part(first, last).ok_or(FrameError::Truncated)?;
    let encoded = part.encode();
    match encoded {
        Ok(bytes) if bytes.len() <= FRAME_RECORD_BYTES_MAX => {
            let value = Bytes::from(bytes);
            out.push(record::of_frame(
                &frame.header,
                (first, last),
                value,
                now_ms,
            ));
            Ok(())
        }
        Ok(_) | Err(FrameError::TooLarge(_)) if first < last => {
            let middle = first + (last - first) / 2;
            cut(frame, (first, middle), now_ms, out)?;
            cut(frame, (middle + 1, last), now_ms, out)
        }
        Ok(bytes) => Err(FrameError::TooLarge(bytes.len())),
        Err(error) => Err(error),
    }
}
