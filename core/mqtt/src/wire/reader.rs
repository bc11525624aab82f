//! A cursor over received bytes that cannot run past their end.

/// The packet ended too early or a string in it is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let (first, tail) = self.0.split_first().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*first)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        let (head, tail) = self.0.split_first_chunk::<2>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(u16::from_be_bytes(*head))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let (head, tail) = self.0.split_first_chunk::<4>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(u32::from_be_bytes(*head))
    }

    /// A packet identifier, which is never 0.
    pub(crate) fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.u16()? {
            0 => Err(Malformed),
            id => Ok(id),
        }
    }

    /// Bytes behind a two-byte length.
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u16()?;
        self.bytes(usize::from(n))
    }

    /// A string as MQTT wants it: UTF-8 without NUL.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| Malformed)?;
        if text.contains('\0') {
            Err(Malformed)
        } else {
            Ok(text)
        }
    }

    /// A variable byte integer in its shortest form.
    pub(crate) fn varint(&mut self) -> Result<usize, Malformed> {
        let mut value = 0usize;
        for shift in [0u32, 7, 14, 21] {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(Malformed)
                } else {
                    Ok(value)
                };
            }
        }
        Err(Malformed)
    }

    /// The block of properties of MQTT 5.
    pub(crate) fn properties(&mut self) -> Result<Reader<'a>, Malformed> {
        let n = self.varint()?;
        self.bytes(n).map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m7_variable_byte_integers() {
        for (bytes, value) in [
            ([0x00].as_slice(), 0),
            (&[0x7f], 127),
            (&[0x80, 0x01], 128),
            (&[0xff, 0x7f], 16_383),
            (&[0xff, 0xff, 0xff, 0x7f], 268_435_455),
        ] {
            assert_eq!(Reader::new(bytes).varint(), Ok(value), "{bytes:?}");
        }
        for bytes in [
            [0x80].as_slice(),
            &[0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x80],
            &[0xff; 5],
        ] {
            assert_eq!(Reader::new(bytes).varint(), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn m7_reading_past_the_end_is_malformed() {
        let mut reader = Reader::new(&[0, 3, b'a', b'b']);
        assert_eq!(reader.text(), Err(Malformed));
        assert_eq!(Reader::new(&[0]).u16(), Err(Malformed));
        assert_eq!(Reader::new(&[0, 0]).packet_id(), Err(Malformed));
        assert_eq!(Reader::new(&[0, 1, 0]).text(), Err(Malformed));
    }
}
