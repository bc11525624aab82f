//! The frame format, rule by rule (docs/specs/frame.md).

use bytes::Bytes;
use proptest::prelude::*;
use wardline_model::block::{self, BlockError};
use wardline_model::frame::{self, FrameHeader};
use wardline_model::limits::{FRAME_BYTES_MAX, FRAME_EVENTS_MAX, FRAME_RAW_BYTES_MAX};
use wardline_model::loss::IncarnationReason;
use wardline_model::{
    AgentName, Body, Class, Event, Frame, FrameError, Incarnation, Lane, LossRecord, Stamp,
};

fn header(first: u64, count: u32) -> FrameHeader {
    FrameHeader {
        lane: Lane::Live,
        agent: AgentName::new("gw-1").unwrap(),
        incarnation: Incarnation(0x0123_4567_89ab_cdef),
        first,
        oldest_held: 1,
        count,
    }
}

/// One event of each kind, with fixed values: what the golden file holds.
fn sample() -> Frame {
    let stamp = Stamp {
        wall_ms: 1_772_359_200_123,
        mono_ms: 42,
        boot: 7,
        uncertainty_ms: 50,
    };
    let incarnation = Incarnation(0x0123_4567_89ab_cdef);
    let start = LossRecord::IncarnationStart {
        incarnation,
        wall_ms: 1_772_359_200_000,
        reason: IncarnationReason::NewStore,
    };
    let event = |class, source: &str, body| Event {
        class,
        stamp,
        source: source.to_owned(),
        body,
    };
    let mqtt = Body::Mqtt {
        topic: "devices/ICU/pump-7/state".into(),
        payload: Bytes::from_static(br#"{"ts":"2026-03-01T10:00:00Z","value":"in-use"}"#),
        retain: true,
        will: false,
    };
    let hl7 = Body::Hl7 {
        raw: Bytes::from_static(b"MSH|^~\\&|HIS\rEVN|A01\r"),
        understood: true,
    };
    let unread = Body::Hl7 {
        raw: Bytes::from_static(b"\x00\xff not hl7"),
        understood: false,
    };
    let events = vec![
        event(Class::Alarm, "", Body::Loss(start)),
        event(Class::State, "pump-7", mqtt),
        event(Class::State, "127.0.0.1:9", hl7),
        event(Class::Telemetry, "127.0.0.1:9", unread),
    ];
    Frame {
        header: header(1, 4),
        events,
    }
}

#[test]
fn f10_golden_file_of_version_1_is_still_read() {
    let golden = include_bytes!("golden/frame-v1.bin");
    assert_eq!(Frame::decode(golden).unwrap(), sample());
    assert_eq!(frame::peek(golden).unwrap(), sample().header);
}

#[test]
fn f1_wrong_magic_and_f2_wrong_version_are_typed() {
    let mut bytes = sample().encode().unwrap();
    assert_eq!(Frame::decode(b"nope"), Err(FrameError::Magic));
    assert_eq!(Frame::decode(b""), Err(FrameError::Magic));
    bytes[4] = 2;
    assert_eq!(Frame::decode(&bytes), Err(FrameError::Version(2)));
}

#[test]
fn f3_any_flipped_bit_is_noticed() {
    let bytes = sample().encode().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(Frame::decode(&damaged).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn f4_any_cut_is_noticed_and_so_is_a_tail() {
    let bytes = sample().encode().unwrap();
    for end in 0..bytes.len() {
        assert!(Frame::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Frame::decode(&longer).is_err());
}

/// A frame with a correct checksum around whatever header and block are asked for.
fn forged(
    flags: u8,
    name: &[u8],
    first: u64,
    oldest: u64,
    count: u32,
    raw_len: u32,
    block: &[u8],
) -> Vec<u8> {
    let mut out = b"WLF1\x01".to_vec();
    out.push(flags);
    out.push(u8::try_from(name.len()).unwrap());
    out.extend_from_slice(name);
    out.extend_from_slice(&1u64.to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&oldest.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&raw_len.to_le_bytes());
    out.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
    out.extend_from_slice(block);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

#[test]
fn f5_limits_hold_before_anything_is_allocated() {
    let bomb = block::compress(&vec![0u8; 64 * 1024]);
    let over = u32::try_from(FRAME_RAW_BYTES_MAX + 1).unwrap();
    let cases = [
        (
            forged(0, b"a", 1, 1, 1, over, &bomb),
            FrameError::Block(BlockError::RawLength(over as usize)),
        ),
        (
            forged(0, b"a", 1, 1, 1, u32::MAX, &bomb),
            FrameError::Block(BlockError::RawLength(u32::MAX as usize)),
        ),
        (
            forged(0, b"a", 1, 1, 1, 10, &bomb),
            FrameError::Block(BlockError::Compression),
        ),
        (
            forged(0, b"a", 1, 1, 0, 64 * 1024, &bomb),
            FrameError::Block(BlockError::Count(0)),
        ),
        (
            forged(0, b"a", 1, 1, FRAME_EVENTS_MAX + 1, 64 * 1024, &bomb),
            FrameError::Block(BlockError::Count(FRAME_EVENTS_MAX + 1)),
        ),
        (
            forged(0, b"a", 1, 1, 4000, 64 * 1024, &bomb),
            FrameError::Block(BlockError::Count(4000)),
        ),
        (
            forged(0, b"a", 0, 1, 1, 64 * 1024, &bomb),
            FrameError::Header("sequence numbers begin at 1"),
        ),
        (
            forged(0, b"a", 5, 6, 1, 64 * 1024, &bomb),
            FrameError::Header("oldest held is above the first event"),
        ),
        (
            forged(0, b"a", u64::MAX, 1, 1, 64 * 1024, &bomb),
            FrameError::Header("sequence numbers run over"),
        ),
        (
            forged(4, b"a", 1, 1, 1, 64 * 1024, &bomb),
            FrameError::Header("unknown flags"),
        ),
        (
            forged(0, b"A", 1, 1, 1, 64 * 1024, &bomb),
            FrameError::Header("agent name"),
        ),
        (
            forged(0, b"", 1, 1, 1, 64 * 1024, &bomb),
            FrameError::Header("agent name"),
        ),
        (
            vec![b'W'; FRAME_BYTES_MAX + 1],
            FrameError::TooLarge(FRAME_BYTES_MAX + 1),
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Frame::decode(&bytes), Err(expected));
    }
}

#[test]
fn f21_events_of_unknown_kind_or_class_are_typed() {
    let mut raw = Vec::new();
    block::push(&mut raw, &sample().events[1]);
    for (at, what) in [(0usize, "class"), (1, "kind")] {
        let mut wrong = raw.clone();
        wrong[at] = 9;
        assert_eq!(
            block::parse(&Bytes::from(wrong), 1),
            Err(BlockError::Unknown { index: 0, what })
        );
    }
    raw.push(0);
    assert_eq!(
        block::parse(&Bytes::from(raw), 1),
        Err(BlockError::Trailing(1))
    );
}

#[test]
fn f7_a_part_keeps_numbers_and_events() {
    let whole = sample();
    let part = whole.part(2, 3).unwrap();
    assert_eq!(
        (part.header.first, part.header.count, part.header.last()),
        (2, 2, 3)
    );
    assert_eq!(part.events, whole.events[1..3]);
    assert_eq!(part.id(0), whole.id(1));
    assert!(whole.part(0, 2).is_none() && whole.part(3, 5).is_none() && whole.part(3, 2).is_none());
}

fn any_event() -> impl Strategy<Value = Event> {
    let stamp = (any::<i64>(), any::<u64>(), any::<u64>(), any::<u32>()).prop_map(
        |(wall_ms, mono_ms, boot, uncertainty_ms)| Stamp {
            wall_ms,
            mono_ms,
            boot,
            uncertainty_ms,
        },
    );
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let body = prop_oneof![
        ("[a-zA-Z0-9/ü]{1,60}", bytes(), any::<bool>(), any::<bool>()).prop_map(
            |(topic, payload, retain, will)| Body::Mqtt {
                topic,
                payload,
                retain,
                will
            }
        ),
        (bytes(), any::<bool>()).prop_map(|(raw, understood)| Body::Hl7 { raw, understood }),
        (any::<u64>(), any::<u64>()).prop_map(|(count, from)| Body::Loss(LossRecord::Eviction {
            from,
            to: from,
            count,
            class: Class::Telemetry
        })),
    ];
    let class = prop_oneof![
        Just(Class::Alarm),
        Just(Class::State),
        Just(Class::Telemetry)
    ];
    (class, stamp, "[ -~]{0,40}", body).prop_map(|(class, stamp, source, body)| Event {
        class,
        stamp,
        source,
        body,
    })
}

proptest! {
    #[test]
    fn f6_frames_round_trip(events in proptest::collection::vec(any_event(), 1..40), first in 1u64..1 << 60, backlog: bool) {
        let lane = if backlog { Lane::Backlog } else { Lane::Live };
        let count = u32::try_from(events.len()).unwrap();
        let frame = Frame { header: FrameHeader { lane, ..header(first, count) }, events };
        prop_assert_eq!(Frame::decode(&frame.encode().unwrap()).unwrap(), frame);
    }

    #[test]
    fn f5_no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), count: u32, raw_len in 0u32..5000) {
        Frame::decode(&bytes).ok();
        Frame::decode(&forged(0, b"gw-1", 1, 1, count, raw_len, &bytes)).ok();
        let len = u32::try_from(bytes.len()).unwrap();
        block::parse(&Bytes::from(bytes), count % (len + 1)).ok();
    }
}
