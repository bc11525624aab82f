//! Blocks: the records of one commit and one partition, lz4-compressed together, with a crc32c over all of it.
//!
//! Pure: bytes in, records out. The layout is rules LG20 to LG25 of docs/specs/embedded-log.md. A block either decodes
//! to exactly what was put in, or says why not: lengths are checked before memory is taken, and nothing is skipped.

use bytes::Bytes;

use crate::limits::{BLOCK_DECODED_BYTES_MAX, BLOCK_RAW_BYTES_MAX, BLOCK_STORED_BYTES_MAX};
use crate::wire::{Cursor, Wrong, put_bytes, put_signed, put_varint};
use crate::{Headers, Record};

const MAGIC: [u8; 4] = *b"WLB1";
const CODEC_RAW: u8 = 0;
const CODEC_LZ4: u8 = 1;
const HEADER_BYTES: usize = 44;
const CRC_AT: usize = 40;

const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
const HAS_HEADERS: u8 = 4;
const HAS_HORIZON: u8 = 8;

/// A record with what the log itself knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) offset: u64,
    /// Of a tombstone that compaction has seen: when it may go.
    pub(crate) horizon_ms: Option<i64>,
    pub(crate) record: Record,
}

/// What a block says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    codec: u8,
    pub(crate) count: u32,
    raw_len: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When its newest record was written, by this machine's clock.
    pub(crate) written_ms: i64,
    crc: u32,
}

/// An encoded block, ready to be stored under its first offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Cuts records into blocks of just under the wanted stored size. `ratio` is stored/raw as last seen, and is updated.
pub(crate) fn pack(records: &[Stored], written_ms: i64, ratio: &mut f32) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(fitting(rest, *ratio));
        pack_exactly(head, written_ms, ratio, &mut blocks);
        rest = tail;
    }
    blocks
}

/// How many records are expected to fill one block: at least one.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
fn fitting(records: &[Stored], ratio: f32) -> usize {
    let target = (BLOCK_STORED_BYTES_MAX as f32 / ratio.clamp(0.1, 1.0)) as usize;
    let target = target.min(BLOCK_RAW_BYTES_MAX);
    let mut bytes = 0;
    let over = records.iter().position(|stored| {
        bytes += stored.record.bytes_len() + 12;
        bytes > target
    });
    over.unwrap_or(records.len()).max(1)
}

#[allow(clippy::cast_precision_loss)]
fn pack_exactly(records: &[Stored], written_ms: i64, ratio: &mut f32, blocks: &mut Vec<Block>) {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return;
    };
    let raw = encode_records(records, first.offset);
    let block = seal(&raw, records.len(), (first.offset, last.offset), written_ms);
    if raw.len() > 1024 {
        *ratio = 0.5 * *ratio + 0.5 * (block.len() as f32 / raw.len() as f32);
    }
    if block.len() > BLOCK_STORED_BYTES_MAX && records.len() > 1 {
        let (left, right) = records.split_at(records.len() / 2);
        pack_exactly(left, written_ms, ratio, blocks);
        pack_exactly(right, written_ms, ratio, blocks);
    } else {
        blocks.push(Block {
            first: first.offset,
            bytes: block,
        });
    }
}

fn seal(raw: &[u8], count: usize, (first, last): (u64, u64), written_ms: i64) -> Vec<u8> {
    let packed = lz4_flex::block::compress(raw);
    let (codec, payload) = if packed.len() < raw.len() {
        (CODEC_LZ4, packed.as_slice())
    } else {
        (CODEC_RAW, raw)
    };
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[codec, 0, 0, 0]);
    // Both are bounded by the size of an append, far below u32.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&u32::try_from(raw.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    out.extend_from_slice(&written_ms.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    out
}

fn encode_records(records: &[Stored], first: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut offset, mut time) = (first, 0_i64);
    for stored in records {
        let record = &stored.record;
        put_varint(&mut out, stored.offset - offset);
        let mut flags = 0;
        flags |= if record.key.is_some() { HAS_KEY } else { 0 };
        flags |= if record.value.is_some() { HAS_VALUE } else { 0 };
        flags |= if record.headers.is_empty() {
            0
        } else {
            HAS_HEADERS
        };
        flags |= if stored.horizon_ms.is_some() {
            HAS_HORIZON
        } else {
            0
        };
        out.push(flags);
        put_signed(&mut out, record.time_ms.wrapping_sub(time));
        if let Some(horizon) = stored.horizon_ms {
            put_signed(&mut out, horizon);
        }
        if let Some(key) = &record.key {
            put_bytes(&mut out, key);
        }
        if let Some(value) = &record.value {
            put_bytes(&mut out, value);
        }
        if !record.headers.is_empty() {
            put_varint(&mut out, record.headers.len() as u64);
            out.extend_from_slice(record.headers.packed());
        }
        (offset, time) = (stored.offset, record.time_ms);
    }
    out
}

/// Reads what the block says about itself; the crc is not looked at.
pub(crate) fn header(block: &[u8]) -> Result<Header, Wrong> {
    let mut cursor = Cursor(block);
    if cursor.array::<4>()? != MAGIC {
        return Err("no block begins here");
    }
    let [codec, reserved @ ..] = cursor.array::<4>()?;
    if reserved != [0; 3] || !matches!(codec, CODEC_RAW | CODEC_LZ4) {
        return Err("the block's codec or flags are unknown");
    }
    let header = Header {
        codec,
        count: u32::from_le_bytes(cursor.array()?),
        raw_len: u32::from_le_bytes(cursor.array()?),
        first: u64::from_le_bytes(cursor.array()?),
        last: u64::from_le_bytes(cursor.array()?),
        written_ms: i64::from_le_bytes(cursor.array()?),
        crc: u32::from_le_bytes(cursor.array()?),
    };
    if header.count == 0 || header.last < header.first {
        return Err("the block's offsets make no sense");
    }
    if header.raw_len as usize > BLOCK_DECODED_BYTES_MAX {
        return Err("the block claims more bytes than a block may have");
    }
    Ok(header)
}

/// All records of a block.
pub(crate) fn decode(block: &[u8]) -> Result<Vec<Stored>, Wrong> {
    let header = header(block)?;
    let (Some(head), Some(payload)) = (block.get(..CRC_AT), block.get(HEADER_BYTES..)) else {
        return Err("the block is cut short");
    };
    if crc32c::crc32c_append(crc32c::crc32c(head), payload) != header.crc {
        return Err("the block's checksum does not match");
    }
    if header.codec == CODEC_RAW {
        return decode_records(&Bytes::copy_from_slice(payload), &header);
    }
    let raw = lz4_flex::block::decompress(payload, header.raw_len as usize)
        .map_err(|_| "the block does not decompress")?;
    decode_records(&Bytes::from(raw), &header)
}

fn decode_records(raw: &Bytes, header: &Header) -> Result<Vec<Stored>, Wrong> {
    if raw.len() != header.raw_len as usize || header.count as usize > raw.len() {
        return Err("the block's length does not match its header");
    }
    let mut cursor = Cursor(raw);
    let mut records = Vec::with_capacity(header.count as usize);
    let (mut offset, mut time) = (header.first, 0_i64);
    for _ in 0..header.count {
        let stored = decode_record(raw, &mut cursor, offset, time)?;
        (offset, time) = (stored.offset, stored.record.time_ms);
        records.push(stored);
    }
    if !cursor.0.is_empty() || offset != header.last {
        return Err("the block's records do not match its header");
    }
    Ok(records)
}

/// Its fields are slices of `raw`, which `cursor` reads.
fn decode_record(
    raw: &Bytes,
    cursor: &mut Cursor<'_>,
    offset: u64,
    time: i64,
) -> Result<Stored, Wrong> {
    let step = cursor.varint()?;
    let offset = offset.checked_add(step).ok_or("an offset overflows")?;
    let [flags] = cursor.array::<1>()?;
    if flags & !(HAS_KEY | HAS_VALUE | HAS_HEADERS | HAS_HORIZON) != 0 {
        return Err("a record's flags are unknown");
    }
    let time_ms = time.wrapping_add(cursor.signed()?);
    let horizon_ms = match flags & HAS_HORIZON {
        0 => None,
        _ => Some(cursor.signed()?),
    };
    let mut field = |present: u8| match flags & present {
        0 => Ok(None),
        _ => cursor.bytes().map(|b| Some(raw.slice_ref(b))),
    };
    let (key, value) = (field(HAS_KEY)?, field(HAS_VALUE)?);
    let headers = match flags & HAS_HEADERS {
        0 => Headers::new(),
        _ => {
            let count = cursor.varint()?;
            Headers::take(raw, cursor, count)?
        }
    };
    Ok(Stored {
        offset,
        horizon_ms,
        record: Record {
            key,
            value,
            headers,
            time_ms,
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
    }

    prop_compose! {
        fn any_stored()(
            gap in 1_u64..5,
            horizon_ms in proptest::option::of(any::<i64>()),
            key in proptest::option::of(any_bytes()),
            value in proptest::option::of(any_bytes()),
            headers in proptest::collection::vec(("[a-zé]{0,9}", any_bytes()), 0..4),
            time_ms in any::<i64>(),
        ) -> Stored {
            Stored { offset: gap, horizon_ms, record: Record { key, value, headers: headers.into(), time_ms } }
        }
    }

    fn with_offsets(mut records: Vec<Stored>, from: u64) -> Vec<Stored> {
        let mut offset = from;
        for stored in &mut records {
            offset += stored.offset;
            stored.offset = offset;
        }
        records
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn lg20_blocks_give_back_what_was_put_in(
            records in proptest::collection::vec(any_stored(), 1..200),
            from in 0..u64::MAX / 2,
        ) {
            let records = with_offsets(records, from);
            let blocks = pack(&records, 7, &mut 1.0);
            let mut back = Vec::new();
            for block in &blocks {
                let head = header(&block.bytes).unwrap();
                prop_assert_eq!(head.first, block.first);
                prop_assert_eq!(head.written_ms, 7);
                back.extend(decode(&block.bytes).unwrap());
            }
            prop_assert_eq!(back, records);
        }

        #[test]
        fn lg24_a_flipped_bit_is_never_read_as_records(
            records in proptest::collection::vec(any_stored(), 1..20),
            at in any::<proptest::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let records = with_offsets(records, 0);
            let mut block = pack(&records, 7, &mut 1.0).remove(0).bytes;
            let at = at.index(block.len());
            block[at] ^= 1 << bit;
            prop_assert!(decode(&block).is_err());
        }

        #[test]
        fn lg24_noise_is_an_error(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&noise).is_err());
            let mut begun = MAGIC.to_vec();
            begun.extend(noise);
            prop_assert!(decode(&begun).is_err());
        }
    }

    /// The layout, byte by byte, of a block that lz4 cannot make smaller.
    #[test]
    fn lg21_the_layout_is_as_specified() {
        let records = [
            Stored {
                offset: 7,
                horizon_ms: None,
                record: Record {
                    key: Some(Bytes::from_static(b"k")),
                    value: Some(Bytes::from_static(b"vw")),
                    headers: vec![("h", "x")].into(),
                    time_ms: 1000,
                },
            },
            Stored {
                offset: 9,
                horizon_ms: Some(64),
                record: Record {
                    key: Some(Bytes::from_static(b"g")),
                    value: None,
                    headers: Headers::new(),
                    time_ms: 999,
                },
            },
        ];
        let mut want = b"WLB1\x00\x00\x00\x00\x02\x00\x00\x00\x15\x00\x00\x00".to_vec();
        want.extend(7_u64.to_le_bytes());
        want.extend(9_u64.to_le_bytes());
        want.extend(5_i64.to_le_bytes());
        let payload = b"\x00\x07\xd0\x0f\x01k\x02vw\x01\x01h\x01x\x02\x09\x01\x80\x01\x01g";
        let crc = crc32c::crc32c_append(crc32c::crc32c(&want), payload);
        want.extend(crc.to_le_bytes());
        want.extend(payload);
        let block = pack(&records, 5, &mut 1.0).remove(0).bytes;
        assert_eq!(block, want);
        assert_eq!(decode(&want).unwrap(), records);
    }

    #[test]
    fn lg25_blocks_stay_just_under_the_page_run() {
        let value = |n: u64| {
            format!(
                "{{\"bed\":\"W1^{n}^A\",\"status\":\"occupied\",\"n\":{}}}",
                n * 7919
            )
        };
        let records: Vec<Stored> = (0..20_000)
            .map(|offset| Stored {
                offset,
                horizon_ms: None,
                record: Record {
                    key: Some(Bytes::from(format!("bed-{}", offset % 97))),
                    value: Some(Bytes::from(value(offset))),
                    headers: vec![("event-id", offset.to_string())].into(),
                    time_ms: 1_700_000_000_000 + i64::try_from(offset).unwrap(),
                },
            })
            .collect();
        let mut ratio = 1.0;
        let blocks = pack(&records, 0, &mut ratio);
        assert!(
            blocks
                .iter()
                .all(|b| b.bytes.len() <= BLOCK_STORED_BYTES_MAX)
        );
        let stored: usize = blocks.iter().map(|b| b.bytes.len()).sum();
        let mean = stored / blocks.len();
        assert!(
            mean > BLOCK_STORED_BYTES_MAX / 2,
            "mean block is {mean} bytes"
        );
    }
}
