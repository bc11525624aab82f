//! Reading and writing of packed fields: fixed arrays, varints and length-prefixed bytes.
//!
//! Reading never goes past the end and never trusts a length.

use bytes::BufMut;

/// What is wrong with bytes that were to be read.
pub(crate) type Wrong = &'static str;

const CUT: Wrong = "a field is cut short";

pub(crate) fn put_varint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.put_u8(value.to_le_bytes()[0]);
}

pub(crate) fn put_signed(out: &mut impl BufMut, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(crate) fn put_bytes(out: &mut impl BufMut, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// What is left to read.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(CUT)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Wrong> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array::<1>()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number is too long")
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Wrong> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Wrong> {
        let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
        let (head, tail) = self.0.split_at_checked(length).ok_or(CUT)?;
        self.0 = tail;
        Ok(head)
    }
}
