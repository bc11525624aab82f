//! Numbers events and packs them into blocks: what one commit writes and one frame can carry.
//!
//! A block holds consecutive numbers, at most a frame's worth of events, and is cut before it would not fit a frame
//! even uncompressed. A number is given once; whoever packs keeps the next one in the same transaction.

use wardline_model::limits::FRAME_EVENTS_MAX;
use wardline_model::{Class, Event, block};

use crate::limits::{BLOCK_OVERHEAD_BYTES, BLOCK_RAW_BYTES_MAX, STORE_PAGE_BYTES};
use crate::store::format;

/// A block as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub first: u64,
    pub count: u32,
    pub value: Vec<u8>,
}

/// What a stored value takes on disk: small ones share pages, larger ones take a run of pages that is a power of two.
pub fn cost(value_len: usize) -> u64 {
    let len = (value_len as u64).saturating_add(BLOCK_OVERHEAD_BYTES);
    if len <= STORE_PAGE_BYTES / 2 {
        len
    } else {
        len.div_ceil(STORE_PAGE_BYTES)
            .checked_next_power_of_two()
            .map_or(u64::MAX, |pages| pages.saturating_mul(STORE_PAGE_BYTES))
    }
}

#[derive(Debug)]
pub struct Packer {
    next: u64,
    first: u64,
    raw: Vec<u8>,
    classes: [u32; 3],
    done: Vec<Packed>,
}

impl Packer {
    pub fn new(next_seq: u64) -> Self {
        Self {
            next: next_seq,
            first: next_seq,
            raw: Vec::new(),
            classes: [0; 3],
            done: Vec::new(),
        }
    }

    pub fn push(&mut self, event: &Event) {
        let count = self.next - self.first;
        let len = self.raw.len() + block::encoded_len(event);
        if count > 0 && (count >= u64::from(FRAME_EVENTS_MAX) || len > BLOCK_RAW_BYTES_MAX) {
            self.close();
        }
        block::push(&mut self.raw, event);
        let [alarm, state, telemetry] = &mut self.classes;
        *match event.class {
            Class::Alarm => alarm,
            Class::State => state,
            Class::Telemetry => telemetry,
        } += 1;
        self.next = self.next.saturating_add(1);
    }

    fn close(&mut self) {
        let count = u32::try_from(self.next - self.first).unwrap_or(u32::MAX);
        if count > 0 {
            self.done.push(Packed {
                first: self.first,
                count,
                value: format::encode(self.first, count, self.classes, &self.raw),
            });
        }
        self.first = self.next;
        self.raw.clear();
        self.classes = [0; 3];
    }

    /// The blocks, and the number that the next event gets.
    pub fn finish(mut self) -> (Vec<Packed>, u64) {
        self.close();
        (self.done, self.next)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use wardline_model::frame::{FrameHeader, encode_raw};
    use wardline_model::{AgentName, Body, Incarnation, Lane, Stamp};

    use super::*;

    fn event(len: usize, seed: u8) -> Event {
        let noise = |i: usize| {
            (i as u64)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(u32::from(seed)) as u8
        };
        Event {
            class: Class::Telemetry,
            stamp: Stamp::default(),
            source: "d".into(),
            body: Body::Mqtt {
                topic: "devices/icu/m/spo2".into(),
                payload: Bytes::from((0..len).map(noise).collect::<Vec<_>>()),
                retain: false,
                will: false,
            },
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn s2_blocks_hold_consecutive_numbers_and_fit_a_frame(lens in proptest::collection::vec(0usize..262_144, 1..20), first in 1u64..1000) {
            let mut packer = Packer::new(first);
            let events: Vec<Event> = lens.iter().map(|len| event(*len, 3)).collect();
            for event in &events {
                packer.push(event);
            }
            let (blocks, next) = packer.finish();
            prop_assert_eq!(next, first + events.len() as u64);
            let mut expected = first;
            let mut back = Vec::new();
            for packed in &blocks {
                prop_assert_eq!(packed.first, expected);
                expected += u64::from(packed.count);
                let (header, raw) = format::decode(packed.first, &packed.value).unwrap();
                prop_assert_eq!(header.count, packed.count);
                let frame = FrameHeader { lane: Lane::Live, agent: AgentName::new("gw-1").unwrap(), incarnation: Incarnation(1), first: packed.first, oldest_held: 1, count: packed.count };
                prop_assert!(encode_raw(&frame, &raw).is_ok());
                back.extend(block::parse(&raw, packed.count).unwrap());
            }
            prop_assert_eq!(expected, next);
            prop_assert_eq!(back, events);
        }
    }

    #[test]
    fn s2_a_block_holds_at_most_a_frame_of_events() {
        let mut packer = Packer::new(1);
        for _ in 0..=FRAME_EVENTS_MAX {
            packer.push(&event(0, 0));
        }
        let (blocks, next) = packer.finish();
        let counts: Vec<u32> = blocks.iter().map(|b| b.count).collect();
        assert_eq!(
            (counts, next),
            (vec![FRAME_EVENTS_MAX, 1], u64::from(FRAME_EVENTS_MAX) + 2)
        );
    }

    #[test]
    fn cost_is_whole_page_runs_for_large_values() {
        assert_eq!(cost(100), 100 + BLOCK_OVERHEAD_BYTES);
        assert_eq!(cost(4000), 4096);
        assert_eq!(cost(40_000), 65_536);
    }
}
