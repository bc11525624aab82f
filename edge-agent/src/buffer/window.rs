//! What is sent next, on which lane, how much may be outstanding, and when a connection is given up.
//!
//! One window lives as long as one connection: at a new one everything held is unsent again, because only a receipt
//! counts. With a large backlog, events that come from now on go first on the live lane, and the backlog drains in the
//! rest of the window; a small backlog simply goes in order. Each lane is in order, and nothing is sent twice in one
//! connection. Until a receipt has covered something there is one frame on its way: a broker may acknowledge what nobody
//! listens to, and later frames must not overtake the ones that it dropped.

use std::collections::BTreeMap;

use wardline_model::{Lane, RangeSet};

use crate::limits::{
    BACKLOG_INLINE_BYTES_MAX, BACKLOG_INLINE_EVENTS_MAX, RECEIPT_TIMEOUT_MS, WINDOW_BYTES_MAX,
    WINDOW_FRAMES_MAX, WINDOW_LIVE_RESERVE_FRAMES,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowLimits {
    pub frames_max: usize,
    pub bytes_max: usize,
    pub live_reserve_frames: usize,
    pub inline_events_max: u64,
    pub inline_bytes_max: u64,
    pub timeout_ms: u64,
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self {
            frames_max: WINDOW_FRAMES_MAX,
            bytes_max: WINDOW_BYTES_MAX,
            live_reserve_frames: WINDOW_LIVE_RESERVE_FRAMES,
            inline_events_max: BACKLOG_INLINE_EVENTS_MAX,
            inline_bytes_max: BACKLOG_INLINE_BYTES_MAX,
            timeout_ms: RECEIPT_TIMEOUT_MS,
        }
    }
}

/// What is held at the moment a connection is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    pub oldest: u64,
    pub next_seq: u64,
    pub events: u64,
    pub bytes: u64,
}

/// Read the next run of this range and send it on this lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    pub lane: Lane,
    pub from: u64,
    pub to: u64,
}

/// Why a connection is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    NoReceipt,
    NoAck,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    lane: Lane,
    last: u64,
    bytes: usize,
}

#[derive(Debug, Clone)]
pub struct Window {
    limits: WindowLimits,
    live_next: u64,
    /// Next number of the backlog lane and the last one that belongs to it.
    backlog: Option<(u64, u64)>,
    /// First number of a frame -> the frame.
    outstanding: BTreeMap<u64, Sent>,
    bytes: usize,
    /// Since when the oldest outstanding frame of the live and of the backlog lane is that: a receipt for later ones
    /// is no progress, because what it leaves out was lost on the way.
    front_ms: [u64; 2],
    /// A receipt has covered something: the far end hears this connection.
    heard: bool,
    unacked: usize,
    ack_ms: u64,
}

impl Window {
    pub fn open(limits: WindowLimits, held: Backlog, now_ms: u64) -> Self {
        let small =
            held.events <= limits.inline_events_max && held.bytes <= limits.inline_bytes_max;
        let (live_next, backlog) = if small || held.oldest >= held.next_seq {
            (held.oldest, None)
        } else {
            (held.next_seq, Some((held.oldest, held.next_seq - 1)))
        };
        Self {
            limits,
            live_next,
            backlog,
            outstanding: BTreeMap::new(),
            bytes: 0,
            front_ms: [now_ms; 2],
            heard: false,
            unacked: 0,
            ack_ms: now_ms,
        }
    }

    /// The next thing to send, if the window has room for it.
    pub fn want(&self, next_seq: u64) -> Option<Want> {
        if self.live_next < next_seq {
            return self.room(0).then_some(Want {
                lane: Lane::Live,
                from: self.live_next,
                to: next_seq - 1,
            });
        }
        let (from, to) = self.backlog?;
        self.room(self.limits.live_reserve_frames).then_some(Want {
            lane: Lane::Backlog,
            from,
            to,
        })
    }

    /// Room for one more frame when `reserve` frames and their share of the bytes stay free.
    fn room(&self, reserve: usize) -> bool {
        if !self.heard {
            return self.outstanding.is_empty();
        }
        let frames = self.limits.frames_max.saturating_sub(reserve).max(1);
        let bytes = self.limits.bytes_max / self.limits.frames_max.max(1) * frames;
        self.outstanding.len() < frames && (self.bytes < bytes || self.outstanding.is_empty())
    }

    pub fn sent(&mut self, lane: Lane, first: u64, last: u64, bytes: usize, now_ms: u64) {
        let fronts = self.fronts();
        self.published(now_ms);
        self.bytes += bytes;
        self.outstanding.insert(first, Sent { lane, last, bytes });
        self.note_fronts(fronts, now_ms);
        self.advance(lane, last);
    }

    /// Something was published that is acked, a frame or not.
    pub fn published(&mut self, now_ms: u64) {
        if self.unacked == 0 {
            self.ack_ms = now_ms;
        }
        self.unacked += 1;
    }

    /// There was nothing to read in what was wanted: it was freed meanwhile.
    pub fn nothing(&mut self, want: Want) {
        self.advance(want.lane, want.to);
    }

    fn advance(&mut self, lane: Lane, last: u64) {
        let next = last.saturating_add(1);
        match lane {
            Lane::Live => self.live_next = self.live_next.max(next),
            Lane::Backlog => {
                self.backlog = self
                    .backlog
                    .map(|(from, to)| (from.max(next), to))
                    .filter(|(from, to)| from <= to);
            }
        }
    }

    pub fn acked(&mut self, now_ms: u64) {
        self.unacked = self.unacked.saturating_sub(1);
        self.ack_ms = now_ms;
    }

    /// Takes out what a receipt covers. Says how many frames that were.
    pub fn covered(&mut self, covered: &RangeSet, now_ms: u64) -> usize {
        let before = self.outstanding.len();
        let fronts = self.fronts();
        let bytes = &mut self.bytes;
        self.outstanding.retain(|first, sent| {
            let done = covered.covers(*first, sent.last);
            if done {
                *bytes = bytes.saturating_sub(sent.bytes);
            }
            !done
        });
        self.note_fronts(fronts, now_ms);
        let progress = before - self.outstanding.len();
        self.heard |= progress > 0;
        progress
    }

    /// The oldest outstanding frame of each lane.
    fn fronts(&self) -> [Option<u64>; 2] {
        let front = |lane| {
            let mut frames = self.outstanding.iter();
            frames.find(|(_, sent)| sent.lane == lane).map(|(n, _)| *n)
        };
        [front(Lane::Live), front(Lane::Backlog)]
    }

    fn note_fronts(&mut self, before: [Option<u64>; 2], now_ms: u64) {
        let now = self.fronts();
        for ((since, now), before) in self.front_ms.iter_mut().zip(now).zip(before) {
            if now != before {
                *since = now_ms;
            }
        }
    }

    pub fn stalled(&self, now_ms: u64) -> Option<Stall> {
        let late = |since: u64| now_ms.saturating_sub(since) >= self.limits.timeout_ms;
        if self.unacked > 0 && late(self.ack_ms) {
            Some(Stall::NoAck)
        } else if (self.fronts().iter().zip(self.front_ms))
            .any(|(front, since)| front.is_some() && late(since))
        {
            Some(Stall::NoReceipt)
        } else {
            None
        }
    }

    pub fn outstanding_frames(&self) -> usize {
        self.outstanding.len()
    }

    pub fn outstanding_bytes(&self) -> usize {
        self.bytes
    }

    pub fn backlog_left(&self) -> bool {
        self.backlog.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: WindowLimits = WindowLimits {
        frames_max: 6,
        bytes_max: 600,
        live_reserve_frames: 2,
        inline_events_max: 10,
        inline_bytes_max: 1000,
        timeout_ms: 100,
    };

    fn backlog(oldest: u64, next_seq: u64) -> Backlog {
        Backlog {
            oldest,
            next_seq,
            events: next_seq - oldest,
            bytes: 10 * (next_seq - oldest),
        }
    }

    #[test]
    fn s11_a_small_backlog_goes_in_order_on_the_live_lane() {
        let window = Window::open(SMALL, backlog(5, 12), 0);
        assert_eq!(
            window.want(12),
            Some(Want {
                lane: Lane::Live,
                from: 5,
                to: 11
            })
        );
    }

    #[test]
    fn s11_with_a_large_backlog_new_events_go_first() {
        let mut window = Window::open(SMALL, backlog(1, 100), 0);
        assert_eq!(
            window.want(100),
            Some(Want {
                lane: Lane::Backlog,
                from: 1,
                to: 99
            })
        );
        assert_eq!(
            window.want(101),
            Some(Want {
                lane: Lane::Live,
                from: 100,
                to: 100
            })
        );
        window.sent(Lane::Live, 100, 100, 10, 0);
        assert_eq!(window.want(100), None, "the first frame goes alone");
        window.covered(&[(100, 100)].into_iter().collect(), 0);
        window.sent(Lane::Backlog, 1, 50, 10, 0);
        window.sent(Lane::Backlog, 51, 98, 10, 0);
        window.sent(Lane::Backlog, 99, 99, 10, 0);
        assert!(!window.backlog_left());
        assert_eq!(window.want(101), None);
    }

    #[test]
    fn p7_the_backlog_leaves_room_for_the_live_lane() {
        let mut window = Window::open(SMALL, backlog(1, 100), 0);
        window.heard = true;
        for n in 1..=4 {
            window.sent(Lane::Backlog, n, n, 10, 0);
        }
        assert_eq!(window.want(100), None);
        assert!(window.want(101).is_some_and(|w| w.lane == Lane::Live));
    }

    #[test]
    fn s12_without_progress_the_connection_is_given_up() {
        let mut window = Window::open(SMALL, backlog(1, 5), 0);
        assert_eq!(
            window.stalled(10_000),
            None,
            "nothing outstanding, nothing late"
        );
        window.sent(Lane::Live, 1, 2, 10, 1000);
        assert_eq!(window.stalled(1099), None);
        assert_eq!(window.stalled(1100), Some(Stall::NoAck));
        window.acked(1050);
        assert_eq!(window.stalled(1100), Some(Stall::NoReceipt));
        assert_eq!(
            window.covered(&[(1, 1)].into_iter().collect(), 1090),
            0,
            "half a frame is no progress"
        );
        assert_eq!(window.covered(&[(1, 2)].into_iter().collect(), 1099), 1);
        assert_eq!(window.stalled(5000), None);
    }

    #[test]
    fn p3_s11_until_a_receipt_came_one_frame_is_on_its_way() {
        let mut window = Window::open(SMALL, backlog(1, 9), 0);
        window.sent(Lane::Live, 1, 2, 10, 0);
        window.acked(0);
        assert_eq!(window.want(9), None, "an ack says nothing of the far end");
        window.covered(&[(1, 2)].into_iter().collect(), 1);
        assert!(window.want(9).is_some_and(|w| w.from == 3));
    }

    #[test]
    fn p2_s12_a_frame_that_was_lost_on_the_way_is_missed_although_later_ones_arrive() {
        let mut window = Window::open(SMALL, backlog(1, 1), 0);
        window.heard = true;
        window.sent(Lane::Live, 1, 1, 10, 0);
        window.acked(0);
        for n in 2..20 {
            window.sent(Lane::Live, n, n, 10, n * 10);
            window.acked(n * 10);
            window.covered(&[(2, n)].into_iter().collect(), n * 10);
        }
        assert_eq!(window.stalled(190), Some(Stall::NoReceipt));
        window.covered(&[(1, 19)].into_iter().collect(), 190);
        assert_eq!(window.stalled(10_000), None);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Arrive(u64),
        Send,
        Receipt(usize),
        Reconnect,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            (1u64..8).prop_map(Op::Arrive),
            Just(Op::Send),
            Just(Op::Send),
            (0usize..8).prop_map(Op::Receipt),
            Just(Op::Reconnect),
        ];
        proptest::collection::vec(op, 0..200)
    }

    /// A log that takes every frame, and an agent that frees what receipts cover.
    struct World {
        window: Window,
        held: BTreeMap<u64, u64>,
        next: u64,
        log: RangeSet,
        last_of_lane: BTreeMap<&'static str, u64>,
        sent: RangeSet,
    }

    impl World {
        fn held_now(&self) -> Backlog {
            let oldest = self.held.keys().next().copied().unwrap_or(self.next);
            let events = self.held.iter().map(|(a, b)| b - a + 1).sum();
            Backlog {
                oldest,
                next_seq: self.next,
                events,
                bytes: events * 10,
            }
        }

        fn send(&mut self) -> bool {
            let Some(want) = self.window.want(self.next) else {
                return false;
            };
            let run = self
                .held
                .range(want.from..=want.to)
                .next()
                .map(|(a, b)| (*a, *b));
            let Some((first, last)) = run else {
                self.window.nothing(want);
                return true;
            };
            assert!(self.window.outstanding_frames() < SMALL.frames_max);
            assert!(
                !self.sent.contains(first) && !self.sent.contains(last),
                "sent twice in one connection"
            );
            let before = self.last_of_lane.insert(want.lane.as_str(), first);
            assert!(before < Some(first), "lane out of order");
            self.sent.insert(first, last);
            self.window.sent(want.lane, first, last, 30, 0);
            self.log.insert(first, last);
            true
        }

        fn receipt(&mut self, part: usize) {
            let covered: RangeSet = self.log.iter().take(part).collect();
            self.window.covered(&covered, 0);
            self.held
                .retain(|first, last| !covered.covers(*first, *last));
        }
    }

    proptest! {
        #[test]
        fn p3_every_event_is_sent_in_lane_order_and_nothing_is_left_behind(ops in ops()) {
            let mut world = World { window: Window::open(SMALL, backlog(1, 1), 0), held: BTreeMap::new(), next: 1, log: RangeSet::new(), last_of_lane: BTreeMap::new(), sent: RangeSet::new() };
            for op in ops {
                match op {
                    Op::Arrive(count) => {
                        world.held.insert(world.next, world.next + count - 1);
                        world.next += count;
                    }
                    Op::Send => { world.send(); }
                    Op::Receipt(part) => world.receipt(part),
                    Op::Reconnect => {
                        world.window = Window::open(SMALL, world.held_now(), 0);
                        world.last_of_lane.clear();
                        world.sent = RangeSet::new();
                    }
                }
                prop_assert!(world.window.outstanding_frames() <= SMALL.frames_max);
            }
            for _ in 0..2000 {
                if !world.send() {
                    world.receipt(usize::MAX);
                }
            }
            prop_assert!(world.held.is_empty());
            prop_assert_eq!(world.log.up_to(), world.next - 1);
        }
    }
}
