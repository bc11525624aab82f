//! Events packed together: the lz4 block that both the agent's disk and a frame carry.
//!
//! Layout of one event (little endian), specified in docs/specs/frame.md (rules F20..):
//!
//! ```text
//! class u8 | kind u8 | flags u8 | wall_ms i64 | mono_ms u64 | boot u64 | uncertainty_ms u32
//! source_len u16 | source | kind 1: topic_len u16 | topic | len u32 | bytes   (kind 2, 3: len u32 | bytes)
//! ```

use bytes::{Buf as _, Bytes, TryGetError};

use crate::event::{Body, Class, Event, Stamp};
use crate::limits::{FRAME_EVENTS_MAX, FRAME_RAW_BYTES_MAX, SOURCE_BYTES_MAX, TOPIC_BYTES_MAX};

const KIND_MQTT: u8 = 1;
const KIND_HL7: u8 = 2;
const KIND_LOSS: u8 = 3;
const FLAG_RETAIN: u8 = 1;
const FLAG_WILL: u8 = 2;
const FLAG_UNDERSTOOD: u8 = 4;
/// class, kind, flags, wall, mono, boot, uncertainty, source length, body length: no event is smaller.
const EVENT_BYTES_MIN: usize = 3 + 8 + 8 + 8 + 4 + 2 + 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("block says {0} events; a frame holds 1 to {FRAME_EVENTS_MAX}")]
    Count(u32),
    #[error("block says {0} bytes uncompressed; the limit is {FRAME_RAW_BYTES_MAX}")]
    RawLength(usize),
    #[error("block does not decompress to the length it says")]
    Compression,
    #[error("event {0} of the block is cut short or has a length over its limit")]
    Truncated(u32),
    #[error("event {index} of the block has an unknown {what}")]
    Unknown { index: u32, what: &'static str },
    #[error("{0} bytes follow the last event of the block")]
    Trailing(usize),
}

/// An upper bound of what `event` adds to a block's uncompressed length.
pub fn encoded_len(event: &Event) -> usize {
    let body = match &event.body {
        Body::Mqtt { topic, payload, .. } => 2 + topic.len().min(TOPIC_BYTES_MAX) + payload.len(),
        Body::Hl7 { raw, .. } => raw.len(),
        Body::Loss(_) => 256,
    };
    EVENT_BYTES_MIN + event.source.len().min(SOURCE_BYTES_MAX) + body
}

/// Appends one event to an uncompressed block.
pub fn push(raw: &mut Vec<u8>, event: &Event) {
    let (kind, flags) = match &event.body {
        Body::Mqtt { retain, will, .. } => (
            KIND_MQTT,
            if *retain { FLAG_RETAIN } else { 0 } | if *will { FLAG_WILL } else { 0 },
        ),
        Body::Hl7 { understood, .. } => (KIND_HL7, if *understood { FLAG_UNDERSTOOD } else { 0 }),
        Body::Loss(_) => (KIND_LOSS, 0),
    };
    raw.extend_from_slice(&[event.class.code(), kind, flags]);
    raw.extend_from_slice(&event.stamp.wall_ms.to_le_bytes());
    raw.extend_from_slice(&event.stamp.mono_ms.to_le_bytes());
    raw.extend_from_slice(&event.stamp.boot.to_le_bytes());
    raw.extend_from_slice(&event.stamp.uncertainty_ms.to_le_bytes());
    push_short(raw, &event.source, SOURCE_BYTES_MAX);
    match &event.body {
        Body::Mqtt { topic, payload, .. } => {
            push_short(raw, topic, TOPIC_BYTES_MAX);
            push_long(raw, payload);
        }
        Body::Hl7 { raw: message, .. } => push_long(raw, message),
        Body::Loss(record) => push_long(raw, &serde_json::to_vec(record).unwrap_or_default()),
    }
}

/// Text is cut at the limit, never in the middle of a character: intake refuses longer topics before.
fn push_short(raw: &mut Vec<u8>, text: &str, max: usize) {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    raw.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    raw.extend_from_slice(text.as_bytes());
}

fn push_long(raw: &mut Vec<u8>, bytes: &[u8]) {
    raw.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    raw.extend_from_slice(bytes);
}

pub fn compress(raw: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress(raw)
}

/// Checks every limit before it allocates.
pub fn decompress(block: &[u8], raw_len: usize) -> Result<Bytes, BlockError> {
    if raw_len > FRAME_RAW_BYTES_MAX {
        return Err(BlockError::RawLength(raw_len));
    }
    let raw = lz4_flex::block::decompress(block, raw_len).map_err(|_| BlockError::Compression)?;
    if raw.len() == raw_len {
        Ok(Bytes::from(raw))
    } else {
        Err(BlockError::Compression)
    }
}

/// All `count` events of an uncompressed block. Payloads share the block's memory.
pub fn parse(raw: &Bytes, count: u32) -> Result<Vec<Event>, BlockError> {
    let possible = count as usize <= raw.len() / EVENT_BYTES_MIN;
    if count == 0 || count > FRAME_EVENTS_MAX || !possible {
        return Err(BlockError::Count(count));
    }
    let mut rest: &[u8] = raw;
    let mut events = Vec::with_capacity(count as usize);
    for index in 0..count {
        let event = event(raw, &mut rest).map_err(|wrong| match wrong {
            Wrong::Cut => BlockError::Truncated(index),
            Wrong::Unknown(what) => BlockError::Unknown { index, what },
        })?;
        events.push(event);
    }
    match rest.len() {
        0 => Ok(events),
        left => Err(BlockError::Trailing(left)),
    }
}

/// What is wrong with one event.
enum Wrong {
    Cut,
    Unknown(&'static str),
}

impl From<TryGetError> for Wrong {
    fn from(_: TryGetError) -> Self {
        Self::Cut
    }
}

fn event(raw: &Bytes, rest: &mut &[u8]) -> Result<Event, Wrong> {
    let class = rest.try_get_u8()?;
    let kind = rest.try_get_u8()?;
    let flags = rest.try_get_u8()?;
    let stamp = Stamp {
        wall_ms: rest.try_get_i64_le()?,
        mono_ms: rest.try_get_u64_le()?,
        boot: rest.try_get_u64_le()?,
        uncertainty_ms: rest.try_get_u32_le()?,
    };
    let source = short(rest, SOURCE_BYTES_MAX)?;
    let body = match kind {
        KIND_MQTT => Body::Mqtt {
            topic: short(rest, TOPIC_BYTES_MAX)?,
            payload: long(raw, rest)?,
            retain: flags & FLAG_RETAIN != 0,
            will: flags & FLAG_WILL != 0,
        },
        KIND_HL7 => Body::Hl7 {
            raw: long(raw, rest)?,
            understood: flags & FLAG_UNDERSTOOD != 0,
        },
        KIND_LOSS => {
            let record = serde_json::from_slice(&long(raw, rest)?);
            Body::Loss(record.map_err(|_| Wrong::Unknown("loss record"))?)
        }
        _ => return Err(Wrong::Unknown("kind")),
    };
    Ok(Event {
        class: Class::from_code(class).ok_or(Wrong::Unknown("class"))?,
        stamp,
        source,
        body,
    })
}

fn short(rest: &mut &[u8], max: usize) -> Result<String, Wrong> {
    let len = usize::from(rest.try_get_u16_le()?);
    if len > max {
        return Err(Wrong::Cut);
    }
    let bytes = rest.split_off(..len).ok_or(Wrong::Cut)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Wrong::Unknown("text encoding"))
}

fn long(raw: &Bytes, rest: &mut &[u8]) -> Result<Bytes, Wrong> {
    let len = rest.try_get_u32_le()? as usize;
    let bytes = rest.split_off(..len).ok_or(Wrong::Cut)?;
    Ok(raw.slice_ref(bytes))
}
