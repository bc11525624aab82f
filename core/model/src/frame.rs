//! Frames: many events of one agent's life on their way to the site's log.
//!
//! ```text
//!  0  4  magic "WLF1"
//!  4  1  version = 1
//!  5  1  flags: bit 0 = backlog lane, others 0
//!  6  1  agent name length n (1..=32)
//!  7  n  agent name
//!  +  8  incarnation            little endian, like all numbers
//!  +  8  first seq              events are first..first+count-1, without holes
//!  +  8  oldest held            the lowest seq that the agent still holds
//!  +  4  count                  1..=4096
//!  +  4  raw length             of the block, uncompressed
//!  +  4  block length
//!  +  b  lz4 block
//!  +  4  crc32c of all before
//! ```
//!
//! `oldest held` is what makes "complete up to N" provable: numbers below it that the log never saw are gone,
//! and the bridge records them as a gap. docs/specs/frame.md has the numbered rules.

use bytes::{Buf as _, TryGetError};

use crate::block::{self, BlockError};
use crate::event::{Event, EventId, Incarnation};
use crate::limits::{FRAME_BYTES_MAX, FRAME_EVENTS_MAX, FRAME_RAW_BYTES_MAX};
use crate::names::AgentName;

const MAGIC: [u8; 4] = *b"WLF1";
pub const VERSION: u8 = 1;
const FLAG_BACKLOG: u8 = 1;

/// Live events go first; the backlog takes what room is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    Live,
    Backlog,
}

impl Lane {
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Live => "live",
            Lane::Backlog => "backlog",
        }
    }
}

/// What a frame says about itself; enough for the bridge to decide without unpacking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    pub lane: Lane,
    pub agent: AgentName,
    pub incarnation: Incarnation,
    pub first: u64,
    pub oldest_held: u64,
    pub count: u32,
}

impl FrameHeader {
    pub fn last(&self) -> u64 {
        self.first
            .saturating_add(u64::from(self.count))
            .saturating_sub(1)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub header: FrameHeader,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("not a frame: it does not begin with WLF1")]
    Magic,
    #[error("frame version {0}; this program reads version {VERSION}: update it")]
    Version(u8),
    #[error("frame of {0} bytes; the limit is {FRAME_BYTES_MAX}")]
    TooLarge(usize),
    #[error("frame is cut short")]
    Truncated,
    #[error("{0} bytes follow the frame")]
    Trailing(usize),
    #[error("frame checksum is {found:08x}, computed {computed:08x}: damaged on the way")]
    Checksum { found: u32, computed: u32 },
    #[error("frame header is not valid: {0}")]
    Header(&'static str),
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl Frame {
    pub fn id(&self, index: usize) -> EventId {
        let seq = self.header.first.saturating_add(index as u64);
        EventId::new(self.header.agent.clone(), self.header.incarnation, seq)
    }

    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut raw = Vec::new();
        for event in &self.events {
            block::push(&mut raw, event);
        }
        encode_raw(&self.header, &raw)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (header, raw_len, block) = split(bytes)?;
        let raw = block::decompress(block, raw_len)?;
        let events = block::parse(&raw, header.count)?;
        Ok(Self { header, events })
    }

    /// The part of this frame from `first` to `last`, as a frame of its own.
    pub fn part(&self, first: u64, last: u64) -> Option<Self> {
        let skip = usize::try_from(first.checked_sub(self.header.first)?).ok()?;
        let take = usize::try_from(last.checked_sub(first)?)
            .ok()?
            .checked_add(1)?;
        let events = self.events.get(skip..skip.checked_add(take)?)?.to_vec();
        let count = u32::try_from(events.len()).ok()?;
        Some(Self {
            header: FrameHeader {
                first,
                count,
                ..self.header.clone()
            },
            events,
        })
    }
}

/// Encodes a header around an uncompressed block that holds exactly `header.count` events.
pub fn encode_raw(header: &FrameHeader, raw: &[u8]) -> Result<Vec<u8>, FrameError> {
    if header.count == 0 || header.count > FRAME_EVENTS_MAX {
        return Err(BlockError::Count(header.count).into());
    }
    if raw.len() > FRAME_RAW_BYTES_MAX {
        return Err(BlockError::RawLength(raw.len()).into());
    }
    check_numbers(header)?;
    let block = block::compress(raw);
    let name = header.agent.as_str().as_bytes();
    let mut out = Vec::with_capacity(block.len() + name.len() + 64);
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    out.push(if header.lane == Lane::Backlog {
        FLAG_BACKLOG
    } else {
        0
    });
    out.push(u8::try_from(name.len()).map_err(|_| FrameError::Header("agent name too long"))?);
    out.extend_from_slice(name);
    out.extend_from_slice(&header.incarnation.0.to_le_bytes());
    out.extend_from_slice(&header.first.to_le_bytes());
    out.extend_from_slice(&header.oldest_held.to_le_bytes());
    out.extend_from_slice(&header.count.to_le_bytes());
    out.extend_from_slice(&len_u32(raw.len())?.to_le_bytes());
    out.extend_from_slice(&len_u32(block.len())?.to_le_bytes());
    out.extend_from_slice(&block);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    if out.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge(out.len()));
    }
    Ok(out)
}

/// Reads and checks a frame's header and checksum without unpacking the block.
pub fn peek(bytes: &[u8]) -> Result<FrameHeader, FrameError> {
    split(bytes).map(|(header, _, _)| header)
}

fn len_u32(len: usize) -> Result<u32, FrameError> {
    u32::try_from(len).map_err(|_| FrameError::TooLarge(len))
}

fn check_numbers(header: &FrameHeader) -> Result<(), FrameError> {
    if header.first == 0 || header.oldest_held == 0 {
        return Err(FrameError::Header("sequence numbers begin at 1"));
    }
    if header.oldest_held > header.first {
        return Err(FrameError::Header("oldest held is above the first event"));
    }
    match header.first.checked_add(u64::from(header.count)) {
        Some(_) => Ok(()),
        None => Err(FrameError::Header("sequence numbers run over")),
    }
}

fn split(bytes: &[u8]) -> Result<(FrameHeader, usize, &[u8]), FrameError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge(bytes.len()));
    }
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(FrameError::Magic)?;
    let version = rest.try_get_u8()?;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    check_crc(bytes)?;
    let lane = match rest.try_get_u8()? {
        0 => Lane::Live,
        FLAG_BACKLOG => Lane::Backlog,
        _ => return Err(FrameError::Header("unknown flags")),
    };
    let name_len = usize::from(rest.try_get_u8()?);
    let name = std::str::from_utf8(take(&mut rest, name_len)?).unwrap_or_default();
    let agent = AgentName::new(name).map_err(|_| FrameError::Header("agent name"))?;
    let header = FrameHeader {
        lane,
        agent,
        incarnation: Incarnation(rest.try_get_u64_le()?),
        first: rest.try_get_u64_le()?,
        oldest_held: rest.try_get_u64_le()?,
        count: rest.try_get_u32_le()?,
    };
    let raw_len = rest.try_get_u32_le()? as usize;
    let block_len = rest.try_get_u32_le()? as usize;
    let block = take(&mut rest, block_len)?;
    match rest.len() {
        0..4 => return Err(FrameError::Truncated),
        4 => {}
        more => return Err(FrameError::Trailing(more - 4)),
    }
    if header.count == 0 || header.count > FRAME_EVENTS_MAX {
        return Err(BlockError::Count(header.count).into());
    }
    check_numbers(&header)?;
    Ok((header, raw_len, block))
}

impl From<TryGetError> for FrameError {
    fn from(_: TryGetError) -> Self {
        Self::Truncated
    }
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], FrameError> {
    rest.split_off(..n).ok_or(FrameError::Truncated)
}

fn check_crc(bytes: &[u8]) -> Result<(), FrameError> {
    let (body, tail) = bytes.split_last_chunk::<4>().ok_or(FrameError::Truncated)?;
    let found = u32::from_le_bytes(*tail);
    let computed = crc32c::crc32c(body);
    if found == computed {
        Ok(())
    } else {
        Err(FrameError::Checksum { found, computed })
    }
}
