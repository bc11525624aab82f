//! A record's headers, packed into one buffer: varint length and bytes of the name, varint length and bytes of the value,
//! one header after the other.
//!
//! It is the layout in which the embedded engine stores them, so a record that is read is a slice of its block and costs
//! no allocation, and a record that is written is copied once. Names are UTF-8; whoever makes a slice has checked that.

use std::fmt;

use bytes::Bytes;

use crate::wire::{Cursor, Wrong, put_bytes};

/// Names and values in order; names may repeat.
#[derive(Clone, Default)]
pub struct Headers {
    count: usize,
    packed: Packed,
}

#[derive(Clone)]
enum Packed {
    /// Written here, and may grow.
    Owned(Vec<u8>),
    /// Read from a log: a part of what was read together with it.
    Slice(Bytes),
}

impl Default for Packed {
    fn default() -> Self {
        Self::Owned(Vec::new())
    }
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No headers yet, and room for so many bytes of names and values.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            count: 0,
            packed: Packed::Owned(Vec::with_capacity(bytes)),
        }
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.change(|packed| {
            put_bytes(packed, name.as_bytes());
            put_bytes(packed, value.as_ref());
        });
        self.count += 1;
    }

    /// Adds all headers of `more` at the end.
    pub fn append(&mut self, more: &Self) {
        self.change(|packed| packed.extend_from_slice(more.packed()));
        self.count += more.count;
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.raw()
            .find(|(have, _)| *have == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.raw()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What they add to a record, as the limits count it.
    #[must_use]
    pub(crate) fn bytes_len(&self) -> usize {
        self.packed().len() + 8 * self.count
    }

    /// The layout that blocks hold.
    pub(crate) fn packed(&self) -> &[u8] {
        match &self.packed {
            Packed::Owned(bytes) => bytes,
            Packed::Slice(bytes) => bytes,
        }
    }

    /// What was packed elsewhere, header by header, with names that are UTF-8.
    #[cfg(feature = "kafka")]
    pub(crate) fn of_packed(count: usize, packed: Bytes) -> Self {
        Self {
            count,
            packed: Packed::Slice(packed),
        }
    }

    /// Takes `count` headers from the front of `cursor`, which reads from `whole`.
    pub(crate) fn take(whole: &Bytes, cursor: &mut Cursor<'_>, count: u64) -> Result<Self, Wrong> {
        let before = cursor.0;
        for _ in 0..count {
            std::str::from_utf8(cursor.bytes()?).map_err(|_| "a header's name is not UTF-8")?;
            cursor.bytes()?;
        }
        let (packed, _) = before.split_at(before.len() - cursor.0.len());
        Ok(Self {
            count: usize::try_from(count).map_err(|_| "there are too many headers")?,
            packed: Packed::Slice(whole.slice_ref(packed)),
        })
    }

    fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut cursor = Cursor(self.packed());
        std::iter::from_fn(move || Some((cursor.bytes().ok()?, cursor.bytes().ok()?)))
    }

    /// What was read is shared with others: the first change copies it.
    fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = match std::mem::take(&mut self.packed) {
            Packed::Owned(bytes) => bytes,
            Packed::Slice(shared) => {
                // Whoever adds one header mostly adds a few.
                let mut copy = Vec::with_capacity(shared.len() + 64);
                copy.extend_from_slice(&shared);
                copy
            }
        };
        change(&mut bytes);
        self.packed = Packed::Owned(bytes);
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.raw().eq(other.raw())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(shown).finish()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Extend<(N, V)> for Headers {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, more: I) {
        for (name, value) in more {
            self.push(name.as_ref(), value);
        }
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        headers.extend(pairs);
        headers
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> From<Vec<(N, V)>> for Headers {
    fn from(pairs: Vec<(N, V)>) -> Self {
        pairs.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg4_headers_keep_order_and_repeated_names_and_a_slice_is_copied_before_it_changes() {
        let mut headers = Headers::from(vec![("a", "1"), ("b", ""), ("a", "2")]);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.get("c"), None);
        assert_eq!((headers.len(), headers.iter().count()), (3, 3));

        let whole = Bytes::copy_from_slice(headers.packed());
        let mut cursor = Cursor(&whole);
        let mut read = Headers::take(&whole, &mut cursor, 3).unwrap();
        assert!(cursor.0.is_empty() && matches!(read.packed, Packed::Slice(_)));
        assert_eq!(read, headers);
        read.push("c", "3");
        headers.append(&Headers::from(vec![("c", "3")]));
        assert_eq!(read, headers);
        assert_eq!(
            &whole[..],
            Headers::from(vec![("a", "1"), ("b", ""), ("a", "2")]).packed()
        );
    }

    #[test]
    fn lg24_a_name_that_is_no_text_is_an_error() {
        let whole = Bytes::from_static(&[1, 0xff, 0]);
        assert!(Headers::take(&whole, &mut Cursor(&whole), 1).is_err());
    }
}
