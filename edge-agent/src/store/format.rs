//! A stored block as bytes. docs/specs/agent-store.md has the numbered rules (S1..).
//!
//! ```text
//! version u8 = 1 | count u32 | alarms u32 | states u32 | telemetry u32 | raw_len u32 | crc32c u32 | lz4 bytes
//! ```
//!
//! The checksum covers the number of the first event (the key) and everything but itself. It is ours because the database checks pages only when it repairs, and lz4 decompresses many damages
//! without a complaint: a wrong vital sign would be worse than a missing one.

use bytes::{Buf as _, Bytes};
use wardline_model::block;
use wardline_model::limits::FRAME_EVENTS_MAX;

/// Version of the store: tables, meta keys and block layout together.
pub const STORE_VERSION: u64 = 1;
const BLOCK_VERSION: u8 = 1;
const HEADER_BYTES: usize = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub count: u32,
    /// Alarm, state, telemetry: what would go first if room had to be made.
    pub classes: [u32; 3],
    pub raw_len: u32,
    pub crc: u32,
}

pub fn encode(first: u64, count: u32, classes: [u32; 3], raw: &[u8]) -> Vec<u8> {
    let packed = block::compress(raw);
    let mut out = Vec::with_capacity(packed.len() + HEADER_BYTES);
    out.push(BLOCK_VERSION);
    out.extend_from_slice(&count.to_le_bytes());
    for class in classes {
        out.extend_from_slice(&class.to_le_bytes());
    }
    // Blocks are cut far below 4 GiB; a length that lied would fail to decompress.
    out.extend_from_slice(&u32::try_from(raw.len()).unwrap_or(u32::MAX).to_le_bytes());
    let crc = checksum(first, &out, &packed);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&packed);
    out
}

fn checksum(first: u64, head: &[u8], packed: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&first.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, head), packed)
}

/// The header and the packed bytes behind it.
pub fn header(mut value: &[u8]) -> Result<(Header, &[u8]), &'static str> {
    let cut = |_| "it is cut short";
    if value.try_get_u8().map_err(cut)? != BLOCK_VERSION {
        return Err("its version is not known");
    }
    let header = Header {
        count: value.try_get_u32_le().map_err(cut)?,
        classes: [
            value.try_get_u32_le().map_err(cut)?,
            value.try_get_u32_le().map_err(cut)?,
            value.try_get_u32_le().map_err(cut)?,
        ],
        raw_len: value.try_get_u32_le().map_err(cut)?,
        crc: value.try_get_u32_le().map_err(cut)?,
    };
    if header.count == 0 || header.count > FRAME_EVENTS_MAX {
        return Err("its number of events is not possible");
    }
    Ok((header, value))
}

/// The header and the unpacked events, checksum verified.
pub fn decode(first: u64, value: &[u8]) -> Result<(Header, Bytes), &'static str> {
    let (header, packed) = header(value)?;
    let head = value.get(..HEADER_BYTES - 4).unwrap_or_default();
    if checksum(first, head, packed) != header.crc {
        return Err("its checksum is wrong");
    }
    let raw =
        block::decompress(packed, header.raw_len as usize).map_err(|_| "it does not decompress")?;
    Ok((header, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_a_block_reads_back_and_a_changed_byte_is_noticed() {
        let value = encode(9, 2, [1, 0, 1], b"some raw events, some raw events");
        let (header, raw) = decode(9, &value).unwrap();
        assert_eq!(
            (header.count, header.classes, &raw[..]),
            (2, [1, 0, 1], &b"some raw events, some raw events"[..])
        );
        for at in 0..value.len() {
            let mut bad = value.clone();
            bad[at] ^= 0x40;
            assert!(decode(9, &bad).is_err(), "byte {at}");
        }
        assert!(decode(9, &value[..10]).is_err());
        assert!(decode(10, &value).is_err(), "another number");
    }
}
