//! MLLP framing: `<VT> message <FS><CR>`, whatever the pieces in which it arrives. Pure.
//!
//! Nothing is guessed: bytes between frames are junk and counted; a message ends at FS CR (or at FS VT, for senders that
//! forget the CR); a VT inside a message means that the sender began anew. A message over the limit is reported once
//! and the rest of it is skipped without being kept. docs/specs/mllp.md has the numbered rules (ML1 to ML16).

use bytes::Bytes;

use crate::limits::MLLP_HEAD_BYTES;

pub const VT: u8 = 0x0b;
pub const FS: u8 = 0x1c;
pub const CR: u8 = 0x0d;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Message(Bytes),
    /// The beginning of a message that is over the limit.
    TooLarge(Bytes),
}

#[derive(Debug)]
enum State {
    Outside,
    /// The bool: the last byte was an FS that is not yet known to end the message.
    Inside(Vec<u8>, bool),
    Skipping(bool),
}

#[derive(Debug)]
pub struct Decoder {
    state: State,
    bytes_max: usize,
    junk: u64,
}

impl Decoder {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            state: State::Outside,
            bytes_max,
            junk: 0,
        }
    }

    /// Bytes that belonged to no message so far.
    pub fn junk(&self) -> u64 {
        self.junk
    }

    pub fn push(&mut self, bytes: &[u8], items: &mut Vec<Item>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match std::mem::replace(&mut self.state, State::Outside) {
                State::Outside => self.outside(rest),
                State::Inside(message, after_fs) => self.inside(message, after_fs, rest, items),
                State::Skipping(after_fs) => self.skipping(after_fs, rest),
            };
        }
    }

    /// The sender closed: a message whose FS was seen is whole, CR or not.
    pub fn finish(&mut self, items: &mut Vec<Item>) {
        match std::mem::replace(&mut self.state, State::Outside) {
            State::Inside(mut message, true) => {
                message.pop();
                items.push(Item::Message(message.into()));
            }
            State::Inside(message, false) => self.junk += message.len() as u64,
            State::Outside | State::Skipping(_) => {}
        }
    }

    fn outside<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match split_at_byte(bytes, |b| b == VT) {
            Some((before, _, after)) => {
                self.junk += before.len() as u64;
                self.state = State::Inside(Vec::new(), false);
                after
            }
            None => {
                self.junk += bytes.len() as u64;
                &[]
            }
        }
    }

    fn inside<'a>(
        &mut self,
        mut message: Vec<u8>,
        after_fs: bool,
        bytes: &'a [u8],
        items: &mut Vec<Item>,
    ) -> &'a [u8] {
        if after_fs
            && let Some((next, rest)) = bytes.split_first()
            && (*next == CR || *next == VT)
        {
            message.pop();
            items.push(Item::Message(message.into()));
            if *next == VT {
                self.state = State::Inside(Vec::new(), false);
            }
            return rest;
        }
        let (before, stop, after) = match split_at_byte(bytes, |b| b == VT || b == FS) {
            Some((before, stop, after)) => (before, Some(stop), after),
            None => (bytes, None, &[][..]),
        };
        // The FS that may end it does not count.
        if message.len() + before.len() > self.bytes_max {
            // Cut at a place that does not depend on how the bytes arrived.
            let head = MLLP_HEAD_BYTES.min(self.bytes_max);
            let room = head.saturating_sub(message.len()).min(before.len());
            message.extend_from_slice(before.get(..room).unwrap_or_default());
            message.truncate(head);
            items.push(Item::TooLarge(message.into()));
            self.state = State::Skipping(false);
            return bytes.get(before.len()..).unwrap_or_default();
        }
        message.extend_from_slice(before);
        match stop {
            Some(VT) => {
                self.junk += message.len() as u64;
                self.state = State::Inside(Vec::new(), false);
            }
            Some(_) => {
                message.push(FS);
                self.state = State::Inside(message, true);
            }
            None => self.state = State::Inside(message, false),
        }
        after
    }

    fn skipping<'a>(&mut self, after_fs: bool, bytes: &'a [u8]) -> &'a [u8] {
        let Some((next, rest)) = bytes.split_first() else {
            return bytes;
        };
        match *next {
            VT => {
                self.state = State::Inside(Vec::new(), false);
                return rest;
            }
            CR if after_fs => return rest,
            FS => {
                self.state = State::Skipping(true);
                return rest;
            }
            _ => {}
        }
        match split_at_byte(bytes, |b| b == VT || b == FS) {
            Some((before, ..)) => {
                self.state = State::Skipping(false);
                bytes.get(before.len()..).unwrap_or_default()
            }
            None => {
                self.state = State::Skipping(false);
                &[]
            }
        }
    }
}

/// The bytes before the first that matches, that one, and those behind it.
fn split_at_byte(bytes: &[u8], matches: impl Fn(u8) -> bool) -> Option<(&[u8], u8, &[u8])> {
    let at = bytes.iter().position(|b| matches(*b))?;
    let (before, from) = bytes.split_at_checked(at)?;
    let (found, after) = from.split_first()?;
    Some((before, *found, after))
}

/// A message in its frame.
pub fn encode(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 3);
    out.push(VT);
    out.extend_from_slice(message);
    out.extend_from_slice(&[FS, CR]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]], max: usize) -> (Vec<Item>, u64) {
        let mut decoder = Decoder::new(max);
        let mut items = Vec::new();
        for piece in pieces {
            decoder.push(piece, &mut items);
        }
        decoder.finish(&mut items);
        (items, decoder.junk())
    }

    fn message(bytes: &[u8]) -> Item {
        Item::Message(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn ml1_frames_and_junk_between_them() {
        let (items, junk) = decode(&[b"xx\x0bone\x1c\r\n\n\x0btwo\x1c\ryy"], 100);
        assert_eq!((items, junk), (vec![message(b"one"), message(b"two")], 6));
    }

    #[test]
    fn ml2_a_lone_fs_does_not_end_a_message() {
        let (items, junk) = decode(&[b"\x0bone\x1cmore\x1c\r"], 100);
        assert_eq!((items, junk), (vec![message(b"one\x1cmore")], 0));
        let (items, _) = decode(&[b"\x0bone\x1c\x1c\r"], 100);
        assert_eq!(items, vec![message(b"one\x1c")]);
    }

    #[test]
    fn ml3_a_forgotten_cr_is_forgiven_at_the_next_frame_and_at_the_end() {
        let (items, junk) = decode(&[b"\x0bone\x1c\x0btwo\x1c"], 100);
        assert_eq!((items, junk), (vec![message(b"one"), message(b"two")], 0));
    }

    #[test]
    fn ml4_a_vt_inside_begins_anew() {
        let (items, junk) = decode(&[b"\x0bhalf\x0bwhole\x1c\r"], 100);
        assert_eq!((items, junk), (vec![message(b"whole")], 4));
        assert_eq!(decode(&[b"\x0bhalf"], 100), (vec![], 4));
    }

    #[test]
    fn ml5_a_message_over_the_limit_is_reported_once_and_skipped() {
        let (items, _) = decode(&[b"\x0b12345\x1c\r\x0bok\x1c\r"], 4);
        assert_eq!(
            items,
            vec![Item::TooLarge(Bytes::from_static(b"1234")), message(b"ok")]
        );
        let (items, _) = decode(&[b"\x0b1234\x1c\r"], 4);
        assert_eq!(items, vec![message(b"1234")], "the limit itself is allowed");
        let big = vec![b'x'; 3 * MLLP_HEAD_BYTES];
        let (items, _) = decode(
            &[b"\x0b", &big, b"\x1cx\x1c\r\x0bok\x1c\r"],
            MLLP_HEAD_BYTES * 2,
        );
        assert_eq!(
            items,
            vec![
                Item::TooLarge(Bytes::copy_from_slice(&big[..MLLP_HEAD_BYTES])),
                message(b"ok")
            ]
        );
    }

    proptest! {
        #[test]
        fn ml6_any_cutting_of_the_bytes_gives_the_same_messages(
            bytes in proptest::collection::vec(prop_oneof![Just(VT), Just(FS), Just(CR), Just(b'a'), Just(b'b')], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..20),
            max in 1usize..12,
        ) {
            let whole = decode(&[&bytes], max);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(&decode(&pieces, max), &whole);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&decode(&single, max), &whole);
        }

        #[test]
        fn ml1_what_is_framed_comes_out_again(messages in proptest::collection::vec("[ -~\r]{0,40}", 0..8)) {
            let wire: Vec<u8> = messages.iter().flat_map(|m| encode(m.as_bytes())).collect();
            let expected: Vec<Item> = messages.iter().map(|m| message(m.as_bytes())).collect();
            prop_assert_eq!(decode(&[&wire], 100), (expected, 0));
        }
    }
}
