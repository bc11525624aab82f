//! The pure half of ingest: whatever agents send, every number stands in the log once (docs/specs/ingest.md I1 to I9).

use std::collections::{BTreeMap, BTreeSet};

use crate::ingest_support::*;
use bytes::Bytes;
use proptest::prelude::*;
use wardline_bridge::ingest::decide::{Damaged, Group, Incoming, Known, Plan, Refused, decide};
use wardline_bridge::ingest::record;
use wardline_bridge::ingest::watermark::Watermarks;
use wardline_bridge::limits::{FRAGMENTS_MAX, FRAME_RECORD_BYTES_MAX, INCARNATIONS_PER_AGENT_MAX};
use wardline_model::event::Body;
use wardline_model::frame::{Frame, Lane};
use wardline_model::{Incarnation, RangeSet, record as names};

#[derive(Default)]
struct Bridge {
    marks: Watermarks,
    damaged: Damaged,
    log: Vec<wardline_log::Record>,
}

impl Bridge {
    fn plan(&self, groups: &[Group]) -> Plan {
        let known = Known {
            site: &site(),
            marks: &self.marks,
            damaged: &self.damaged,
        };
        decide(&known, groups, 1_000)
    }

    fn commit(&mut self, mut plan: Plan) -> Plan {
        self.log.append(&mut plan.frames);
        self.marks.commit(std::mem::take(&mut plan.pending));
        for hash in &plan.damaged {
            self.damaged.insert(*hash);
        }
        plan
    }

    fn take(&mut self, frames: &[Bytes]) -> Plan {
        let plan = self.plan(&[group(frames)]);
        self.commit(plan)
    }

    fn covered(&self) -> RangeSet {
        self.marks
            .watermark(&agent("gw-1"), LIFE)
            .map(|c| c.covered.clone())
            .unwrap_or_default()
    }

    fn ranges(&self) -> Vec<(u64, u64, bool)> {
        let marked = self.log.iter().map(|r| record::read(r).unwrap());
        marked.map(|m| (m.first, m.last, m.gap)).collect()
    }
}

fn group(frames: &[Bytes]) -> Group {
    let incoming = |bytes: &Bytes| Incoming {
        agent: agent("gw-1"),
        bytes: bytes.clone(),
    };
    Group {
        connection: 1,
        frames: frames.iter().map(incoming).collect(),
    }
}

#[test]
fn i2_a_new_frame_is_logged_byte_for_byte() {
    let mut bridge = Bridge::default();
    let sent = frame("gw-1", (1, 5), 1);
    let plan = bridge.take(std::slice::from_ref(&sent));
    assert_eq!(bridge.log[0].value.as_ref(), Some(&sent));
    assert_eq!((plan.counts.received, plan.counts.applied), (5, 5));
}

#[test]
fn i3_of_a_partly_covered_frame_only_the_rest_is_logged() {
    let mut bridge = Bridge::default();
    bridge.take(&[frame("gw-1", (4, 6), 1)]);
    let plan = bridge.take(&[frame("gw-1", (1, 10), 1)]);
    assert_eq!(
        bridge.ranges(),
        [(4, 6, false), (1, 3, false), (7, 10, false)]
    );
    assert_eq!(
        (
            plan.counts.received,
            plan.counts.applied,
            plan.counts.duplicate
        ),
        (10, 7, 3)
    );
    for record in &bridge.log {
        numbers_of(record.value.as_deref().unwrap());
    }
    let again = bridge.take(&[frame("gw-1", (1, 10), 1)]);
    assert_eq!(
        (again.counts.duplicate, again.heard.len()),
        (10, 1),
        "a covered frame gets its receipt"
    );
    assert_eq!(bridge.log.len(), 3);
}

#[test]
fn p3_i32_what_fills_a_hole_below_newer_events_stands_on_the_backlog_lane() {
    let mut bridge = Bridge::default();
    // A live frame that came after a large backlog, and a reconnect with a small one that goes on the live lane.
    bridge.take(&[frame("gw-1", (8, 9), 1)]);
    bridge.take(&[frame("gw-1", (1, 7), 1), frame("gw-1", (10, 12), 1)]);
    let lanes: Vec<_> = bridge
        .log
        .iter()
        .map(|record| {
            let inside = Frame::decode(record.value.as_deref().unwrap())
                .unwrap()
                .header
                .lane;
            assert_eq!(record.header_str(names::LANE), Some(inside.as_str()));
            (record::read(record).unwrap().first, inside)
        })
        .collect();
    assert_eq!(
        lanes,
        [(8, Lane::Live), (1, Lane::Backlog), (10, Lane::Live)]
    );
}

#[test]
fn p3_i4_numbers_that_nobody_holds_become_a_gap_once() {
    let mut bridge = Bridge::default();
    bridge.take(&[frame("gw-1", (1, 3), 1)]);
    let plan = bridge.take(&[frame("gw-1", (10, 12), 8), frame("gw-1", (13, 14), 8)]);
    assert_eq!(plan.gaps, 1);
    assert_eq!(
        bridge.ranges(),
        [
            (1, 3, false),
            (4, 7, true),
            (10, 12, false),
            (13, 14, false)
        ]
    );
    assert_eq!(
        bridge.covered().up_to(),
        7,
        "the gap counts as covered, what is still held does not"
    );
    assert_eq!(bridge.take(&[frame("gw-1", (8, 9), 8)]).gaps, 0);
    assert_eq!(bridge.covered().up_to(), 14);
    let watermark = bridge.marks.watermark(&agent("gw-1"), LIFE).unwrap();
    assert_eq!(watermark.gap_events, 4);
}

#[test]
fn i5_a_plan_that_is_dropped_leaves_no_trace() {
    let mut bridge = Bridge::default();
    bridge.take(&[frame("gw-1", (1, 3), 1)]);
    let before = bridge.marks.clone();
    let groups = [group(&[frame("gw-1", (4, 9), 2)])];
    drop(bridge.plan(&groups));
    assert_eq!(bridge.marks, before);
    let plan = bridge.plan(&groups);
    assert_eq!(plan.counts.applied, 6);
}

#[test]
fn i6_a_frame_that_repeats_within_one_append_is_logged_once() {
    let mut bridge = Bridge::default();
    let sent = frame("gw-1", (1, 3), 1);
    let plan = bridge.take(&[sent.clone(), sent]);
    assert_eq!(
        (plan.counts.applied, plan.counts.duplicate, bridge.log.len()),
        (3, 3, 1)
    );
}

#[test]
fn p8_i12_a_damaged_frame_is_set_aside_once_and_others_go_on() {
    let mut bridge = Bridge::default();
    let good = frame("gw-1", (1, 3), 1);
    let mut bad = frame("gw-1", (4, 6), 1).to_vec();
    *bad.last_mut().unwrap() ^= 1;
    let bad = Bytes::from(bad);
    let plan = bridge.take(&[bad.clone(), good, Bytes::from_static(b"noise"), bad.clone()]);
    assert!(plan.answers[0].iter().all(Result::is_ok));
    assert_eq!(
        (
            plan.counts.applied,
            plan.counts.sidelined,
            plan.counts.duplicate
        ),
        (3, 2, 1)
    );
    assert_eq!(plan.counts.unaccounted(), 0);
    assert_eq!(plan.sideline[0].value.as_ref(), Some(&bad));
    assert_eq!(plan.sideline[0].header_str("cause"), Some("frame-damaged"));
    assert_eq!(plan.sideline[1].header_str("cause"), Some("frame-invalid"));
    assert!(
        bridge.take(&[bad]).sideline.is_empty(),
        "what comes again is kept once"
    );
    assert_eq!(
        bridge.covered().up_to(),
        3,
        "a damaged frame covers nothing"
    );
}

#[test]
fn i12_readable_numbers_around_unreadable_content_do_not_hold_up_the_agent() {
    let mut bridge = Bridge::default();
    bridge.take(&[frame("gw-1", (1, 2), 1)]);
    let good = frame_of("gw-1", LIFE, Lane::Live, (1, 4), 1);
    let bytes = wardline_model::frame::encode_raw(&good.header, b"no events in here").unwrap();
    let bytes = Bytes::from(bytes);
    let plan = bridge.take(std::slice::from_ref(&bytes));
    assert_eq!((plan.counts.applied, plan.counts.duplicate), (2, 2));
    assert_eq!(bridge.ranges(), [(1, 2, false), (3, 4, false)]);
    assert_eq!(bridge.log[1].value.as_ref(), Some(&bytes));
}

#[test]
fn i13_i15_a_newer_frame_is_refused_and_so_is_what_follows_it() {
    let mut bridge = Bridge::default();
    let mut newer = frame("gw-1", (1, 3), 1).to_vec();
    newer[4] = 2;
    let follows = frame("gw-1", (4, 6), 1);
    let plan = bridge.plan(&[
        group(&[newer.into(), follows.clone()]),
        group(std::slice::from_ref(&follows)),
    ]);
    assert_eq!(
        plan.answers[0],
        [
            Err(Refused::NewerVersion(2)),
            Err(Refused::ConnectionClosed)
        ]
    );
    assert_eq!(plan.answers[1], [Err(Refused::ConnectionClosed)]);
    assert!(plan.is_empty() && plan.closed.contains(&1));
    let other = Group {
        connection: 2,
        ..group(&[follows])
    };
    let plan = bridge.plan(&[other]);
    assert_eq!(bridge.commit(plan).counts.applied, 3);
}

#[test]
fn i14_a_frame_in_a_foreign_name_is_refused() {
    let bridge = Bridge::default();
    let plan = bridge.plan(&[group(&[frame("gw-2", (1, 3), 1)])]);
    assert_eq!(plan.answers[0], [Err(Refused::ForeignAgent)]);
    assert_eq!((plan.refused, plan.counts.received), (1, 0));
}

#[test]
fn p7_i21_holes_and_lives_are_bounded() {
    let mut bridge = Bridge::default();
    for n in 0..FRAGMENTS_MAX as u64 {
        bridge.marks.recall(
            &agent("gw-1"),
            LIFE,
            (2 + n * 2, 2 + n * 2),
            wardline_bridge::ingest::watermark::Recalled::Frame { time_ms: 0 },
        );
    }
    let far = 10 * FRAGMENTS_MAX as u64;
    let plan = bridge.take(&[frame("gw-1", (far, far), 1)]);
    assert!(matches!(plan.answers[0][0], Err(Refused::Full(_))));
    let plan = bridge.take(&[frame("gw-1", (1, 3), 1)]);
    assert!(
        plan.answers[0][0].is_ok(),
        "what closes a hole is always taken"
    );
    let lives = 2 * INCARNATIONS_PER_AGENT_MAX as u64;
    for n in 1..=lives {
        let sent = frame_of("gw-3", Incarnation(n), Lane::Live, (1, 1), 1)
            .encode()
            .unwrap();
        let incoming = Incoming {
            agent: agent("gw-3"),
            bytes: sent.into(),
        };
        let groups = [Group {
            connection: 0,
            frames: vec![incoming],
        }];
        let known = Known {
            site: &site(),
            marks: &bridge.marks,
            damaged: &bridge.damaged,
        };
        let plan = decide(&known, &groups, i64::try_from(n).unwrap());
        bridge.commit(plan);
    }
    assert_eq!(
        bridge
            .marks
            .iter()
            .filter(|(a, ..)| a.as_str() == "gw-3")
            .count(),
        INCARNATIONS_PER_AGENT_MAX
    );
    assert!(
        bridge
            .marks
            .watermark(&agent("gw-3"), Incarnation(lives))
            .is_some()
    );
    assert_eq!(bridge.marks.forgotten(), INCARNATIONS_PER_AGENT_MAX as u64);
}

#[test]
fn i9_a_frame_too_large_for_a_record_is_cut() {
    let mut big = frame_of("gw-1", LIFE, Lane::Live, (1, 5), 1);
    for (n, event) in big.events.iter_mut().enumerate() {
        let Body::Mqtt { payload, .. } = &mut event.body else {
            panic!("not MQTT")
        };
        *payload = noise(200_000, n as u64 + 1).into();
    }
    let bytes = Bytes::from(big.encode().unwrap());
    assert!(bytes.len() > FRAME_RECORD_BYTES_MAX);
    let mut bridge = Bridge::default();
    let plan = bridge.take(&[bytes]);
    assert_eq!(plan.counts.applied, 5);
    let mut events = Vec::new();
    for record in &bridge.log {
        let value = record.value.as_ref().unwrap();
        assert!(value.len() <= FRAME_RECORD_BYTES_MAX);
        events.extend(Frame::decode(value).unwrap().events);
    }
    assert_eq!(events, big.events);
}

#[test]
fn i12_what_is_neither_readable_nor_small_enough_is_set_aside_and_covers_nothing() {
    let mut bridge = Bridge::default();
    let header = frame_of("gw-1", LIFE, Lane::Live, (3, 6), 3).header;
    let noise = noise(1_000_000, 7);
    let bytes = Bytes::from(wardline_model::frame::encode_raw(&header, &noise).unwrap());
    assert!(bytes.len() > FRAME_RECORD_BYTES_MAX);
    let plan = bridge.take(&[frame("gw-1", (1, 2), 1), bytes]);
    assert_eq!(
        (plan.counts.applied, plan.counts.sidelined, plan.gaps),
        (2, 1, 0)
    );
    assert_eq!(bridge.covered().up_to(), 2);
    assert!(plan.sideline[0].bytes_len() <= wardline_log::limits::RECORD_BYTES_MAX);
}

/// Bytes that do not compress.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

/// An agent as it behaves: numbers grow, it frees on receipts, evicts what it likes, and after each reconnect
/// sends what is not receipted again: older on the backlog lane, newer on the live lane.
struct SimAgent {
    next_seq: u64,
    held: BTreeSet<u64>,
    live_next: u64,
    backlog_next: u64,
    backlog_end: u64,
    sent: BTreeMap<Lane2, u64>,
}

type Lane2 = u8;

#[derive(Debug, Clone)]
enum Op {
    Produce(u64),
    SendLive(u64),
    SendBacklog(u64),
    ResendAny(u64, u64),
    FailAppend,
    Append,
    Receipt,
    Reconnect,
    Evict(u64),
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (1u64..8).prop_map(Op::Produce),
        4 => (1u64..6).prop_map(Op::SendLive),
        4 => (1u64..6).prop_map(Op::SendBacklog),
        2 => (0u64..40, 1u64..9).prop_map(|(back, n)| Op::ResendAny(back, n)),
        1 => Just(Op::FailAppend),
        4 => Just(Op::Append),
        2 => Just(Op::Receipt),
        1 => Just(Op::Reconnect),
        1 => (0u64..6).prop_map(Op::Evict),
        1 => Just(Op::Restart),
    ];
    proptest::collection::vec(op, 1..120)
}

impl SimAgent {
    fn new() -> Self {
        Self {
            next_seq: 1,
            held: BTreeSet::new(),
            live_next: 1,
            backlog_next: 1,
            backlog_end: 1,
            sent: BTreeMap::new(),
        }
    }

    fn oldest(&self) -> u64 {
        self.held.first().copied().unwrap_or(self.next_seq)
    }

    /// A frame of held, contiguous numbers at or above `from` and below `end`.
    fn build(&self, lane: Lane, from: u64, end: u64, max: u64) -> Option<(Bytes, u64)> {
        let first = *self.held.range(from..end).next()?;
        let mut last = first;
        while last + 1 < end && last + 1 - first < max && self.held.contains(&(last + 1)) {
            last += 1;
        }
        let frame = frame_of("gw-1", LIFE, lane, (first, last), self.oldest());
        Some((frame.encode().unwrap().into(), last + 1))
    }

    fn reconnect(&mut self) {
        self.backlog_next = 1;
        self.backlog_end = self.next_seq;
        self.live_next = self.next_seq;
        self.sent.clear();
    }
}

proptest! {
    #![proptest_config(crate::cases(200))]

    #[test]
    fn p3_every_number_stands_in_the_log_once_and_each_lane_in_order(ops in ops()) {
        let mut bridge = Bridge::default();
        let mut agent_sim = SimAgent::new();
        let mut wire: Vec<Bytes> = Vec::new();
        let mut evicted = BTreeSet::new();
        for op in ops.into_iter().chain(finale()) {
            match op {
                Op::Produce(n) => {
                    agent_sim.held.extend(agent_sim.next_seq..agent_sim.next_seq + n);
                    agent_sim.next_seq += n;
                }
                Op::SendLive(max) => {
                    if let Some((bytes, next)) = agent_sim.build(Lane::Live, agent_sim.live_next, agent_sim.next_seq, max) {
                        agent_sim.live_next = next;
                        wire.push(bytes);
                    }
                }
                Op::SendBacklog(max) => {
                    if let Some((bytes, next)) = agent_sim.build(Lane::Backlog, agent_sim.backlog_next, agent_sim.backlog_end, max) {
                        agent_sim.backlog_next = next;
                        wire.push(bytes);
                    }
                }
                // What was sent may come again at any time, cut differently.
                Op::ResendAny(back, max) => {
                    let sent_below = agent_sim.backlog_next.min(agent_sim.live_next);
                    let from = sent_below.saturating_sub(back).max(1);
                    if let Some((bytes, _)) = agent_sim.build(Lane::Backlog, from, sent_below, max) {
                        wire.push(bytes);
                    }
                }
                Op::FailAppend => {
                    // The plan is made and dropped; the same frames are decided again later.
                    drop(bridge.plan(&[group(&wire)]));
                }
                Op::Append => {
                    let plan = bridge.take(&std::mem::take(&mut wire));
                    prop_assert_eq!(plan.counts.unaccounted(), 0);
                    prop_assert_eq!(plan.refused, 0);
                }
                Op::Receipt => {
                    if let Some(receipt) = bridge.marks.receipt(&(agent("gw-1"), LIFE)) {
                        let covered = receipt.covered();
                        agent_sim.held.retain(|n| !covered.contains(*n));
                    }
                }
                Op::Reconnect => {
                    wire.clear();
                    agent_sim.reconnect();
                }
                Op::Evict(n) => {
                    if let Some(victim) = agent_sim.held.iter().nth(usize::try_from(n).unwrap()).copied() {
                        agent_sim.held.remove(&victim);
                        evicted.insert(victim);
                    }
                }
                // Watermarks are a function of the log alone.
                Op::Restart => {
                    let mut rebuilt = Watermarks::default();
                    for record in &bridge.log {
                        let m = record::read(record).unwrap();
                        let at = if m.gap { wardline_bridge::ingest::watermark::Recalled::Gap } else { wardline_bridge::ingest::watermark::Recalled::Frame { time_ms: record.time_ms } };
                        rebuilt.recall(&m.agent, m.incarnation, (m.first, m.last), at);
                    }
                    for (name, life, watermark) in bridge.marks.iter() {
                        prop_assert_eq!(&rebuilt.watermark(name, life).unwrap().covered, &watermark.covered);
                        prop_assert_eq!(rebuilt.watermark(name, life).unwrap().gap_events, watermark.gap_events);
                    }
                    bridge.marks = rebuilt;
                }
            }
        }
        let (mut seen, mut lost, mut newest) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for entry in &bridge.log {
            let marked = record::read(entry).unwrap();
            if marked.gap {
                for n in marked.first..=marked.last {
                    prop_assert!(lost.insert(n), "{n} is in two gaps");
                }
                continue;
            }
            prop_assert_eq!(numbers_of(entry.value.as_deref().unwrap()), (marked.first..=marked.last).collect::<Vec<_>>());
            let lane = entry.header_str(names::LANE).unwrap().to_owned();
            for n in marked.first..=marked.last {
                prop_assert!(seen.insert(n), "{n} stands in the log twice");
                let before = newest.insert(lane.clone(), n).unwrap_or(0);
                prop_assert!(before < n, "{n} after {before} on the {lane} lane");
            }
        }
        prop_assert!(seen.is_disjoint(&lost));
        for n in 1..agent_sim.next_seq {
            prop_assert!(seen.contains(&n) || lost.contains(&n) || evicted.contains(&n), "{n} is nowhere");
            prop_assert!(!lost.contains(&n) || evicted.contains(&n), "{n} was held and is called lost");
        }
        prop_assert_eq!(bridge.covered().up_to() + 1, agent_sim.next_seq, "complete up to N");
    }
}

/// The agent comes back once more, sends everything, gets its receipts, and one event more tells of the rest.
fn finale() -> impl Iterator<Item = Op> {
    let drain = std::iter::repeat_n([Op::SendBacklog(9), Op::Append], 200).flatten();
    [Op::Append, Op::Receipt, Op::Reconnect]
        .into_iter()
        .chain(drain)
        .chain([
            Op::Receipt,
            Op::Reconnect,
            Op::Produce(1),
            Op::SendLive(1),
            Op::Append,
        ])
}
