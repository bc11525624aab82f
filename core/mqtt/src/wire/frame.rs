//! Cuts the stream into packets, and says how much more has to come.
//!
//! A length above the limit, an unknown type or wrong flags are found from the first bytes of a packet; nothing of
//! its body is waited for. The buffer follows what the connection sends, so that a thousand silent devices cost
//! a thousand small buffers.

use bytes::{Bytes, BytesMut};

use super::reader::Reader;
use crate::CloseReason;
use crate::limits::{READ_BYTES_MAX, READ_BYTES_MIN};

/// Packet types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
    Auth,
}

/// One complete packet.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// Flags of the first byte.
    pub(crate) flags: u8,
    /// The whole packet.
    pub(crate) bytes: Bytes,
    /// Length of the fixed header within `bytes`.
    pub(crate) header: usize,
}

impl Frame {
    /// What follows the fixed header.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(self.header..).unwrap_or_default()
    }
}

/// The packet at the front of what was read, known by its fixed header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Front {
    pub(crate) kind: Kind,
    /// Length of the whole packet.
    pub(crate) total: usize,
    /// It is there as a whole.
    pub(crate) complete: bool,
    flags: u8,
    header: usize,
}

/// Reads a fixed header; `None` if it is not complete.
fn header(bytes: &[u8], v5: bool) -> Result<Option<Front>, CloseReason> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let flags = first & 0x0f;
    let kind = match (first >> 4, flags) {
        (1, 0) => Kind::Connect,
        (2, 0) => Kind::Connack,
        // QoS 3 does not exist, and a duplicate of QoS 0 neither.
        (3, f) if f & 0b0110 != 0b0110 && f & 0b1110 != 0b1000 => Kind::Publish,
        (4, 0) => Kind::Puback,
        (5, 0) => Kind::Pubrec,
        (6, 2) => Kind::Pubrel,
        (7, 0) => Kind::Pubcomp,
        (8, 2) => Kind::Subscribe,
        (9, 0) => Kind::Suback,
        (10, 2) => Kind::Unsubscribe,
        (11, 0) => Kind::Unsuback,
        (12, 0) => Kind::Pingreq,
        (13, 0) => Kind::Pingresp,
        (14, 0) => Kind::Disconnect,
        (15, 0) if v5 => Kind::Auth,
        _ => return Err(CloseReason::MalformedPacket),
    };
    let mut reader = Reader::new(rest);
    match reader.varint() {
        Ok(remaining) => {
            let header = 1 + rest.len() - reader.len();
            let total = header + remaining;
            Ok(Some(Front {
                kind,
                total,
                complete: bytes.len() >= total,
                flags,
                header,
            }))
        }
        // Four bytes are enough to know; with fewer the rest may still come.
        Err(_) if rest.len() < 4 && rest.iter().all(|b| b & 0x80 != 0) => Ok(None),
        Err(_) => Err(CloseReason::MalformedPacket),
    }
}

/// What was read and is not yet a packet.
#[derive(Debug)]
pub(crate) struct Inbound {
    buffer: BytesMut,
    packet_bytes_max: usize,
    v5: bool,
    /// Length of the packet at the front of the buffer, if it is known and the packet is not complete.
    expected: usize,
    chunk: usize,
}

impl Inbound {
    /// Starts with what was read already.
    pub(crate) fn new(buffer: BytesMut, packet_bytes_max: usize, v5: bool) -> Self {
        Self {
            buffer,
            packet_bytes_max,
            v5,
            expected: 0,
            chunk: READ_BYTES_MIN,
        }
    }

    /// Changes from the CONNECT's limit to the limit of everything after it.
    pub(crate) fn established(&mut self, packet_bytes_max: usize, v5: bool) {
        self.packet_bytes_max = packet_bytes_max;
        self.v5 = v5;
    }

    /// The packet at the front, judged by its fixed header; `None` if that is not there yet.
    pub(crate) fn front(&mut self) -> Result<Option<Front>, CloseReason> {
        self.expected = 0;
        let front = header(&self.buffer, self.v5)?;
        if let Some(front) = front {
            if front.total > self.packet_bytes_max {
                return Err(CloseReason::PacketTooLarge);
            }
            if !front.complete {
                self.expected = front.total;
            }
        }
        Ok(front)
    }

    /// Takes the packet that [`Inbound::front`] found, if it is complete.
    pub(crate) fn take(&mut self, front: Front) -> Option<Frame> {
        let there = front.complete && self.buffer.len() >= front.total;
        there.then(|| Frame {
            kind: front.kind,
            flags: front.flags,
            bytes: self.buffer.split_to(front.total).freeze(),
            header: front.header,
        })
    }

    /// The next complete packet, if there is one.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, CloseReason> {
        let front = self.front()?;
        Ok(front.and_then(|front| self.take(front)))
    }

    /// The first byte, to tell a CONNECT from anything else before more is read.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        self.buffer.first().copied()
    }

    #[cfg(feature = "fuzzing")]
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The buffer with room for the next read.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        let spare = self.buffer.capacity() - self.buffer.len();
        let missing = self.expected.saturating_sub(self.buffer.len());
        if spare < missing || spare < self.chunk / 4 {
            self.buffer.reserve(missing.max(self.chunk));
        }
        &mut self.buffer
    }

    /// Tells how much a read brought, so that the next one asks for about as much.
    pub(crate) fn filled(&mut self, bytes: usize) {
        if bytes >= self.chunk {
            self.chunk = (self.chunk * 2).min(READ_BYTES_MAX);
        } else if bytes < self.chunk / 8 {
            self.chunk = (self.chunk / 2).max(READ_BYTES_MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound(bytes: &[u8], max: usize) -> Inbound {
        Inbound::new(BytesMut::from(bytes), max, true)
    }

    #[test]
    fn m8_a_length_above_the_limit_is_refused_from_the_header() {
        let mut one_above = inbound(&[0x30, 0x7f], 128);
        assert_eq!(
            one_above.next_frame().unwrap_err(),
            CloseReason::PacketTooLarge
        );
        let mut at_limit = inbound(&[0x30, 0x7e], 128);
        assert!(at_limit.next_frame().unwrap().is_none());
        let mut far_above = inbound(&[0x30, 0xff, 0xff, 0xff, 0x7f], 256 * 1024);
        assert_eq!(
            far_above.next_frame().unwrap_err(),
            CloseReason::PacketTooLarge
        );
    }

    #[test]
    fn m7_a_header_may_come_byte_by_byte() {
        let mut wire = inbound(&[], 1024);
        for byte in [0x30, 0x80, 0x01] {
            assert!(wire.next_frame().unwrap().is_none());
            wire.buffer.extend_from_slice(&[byte]);
        }
        assert!(wire.next_frame().unwrap().is_none());
        assert_eq!(wire.expected, 131);
        wire.buffer.extend_from_slice(&[0; 128]);
        assert_eq!(wire.next_frame().unwrap().unwrap().body().len(), 128);
    }

    #[test]
    fn m7_flags_of_every_type() {
        let allowed = |first: u8| header(&[first, 0], true).is_ok();
        for first in 0u8..=255 {
            let expected = match (first >> 4, first & 0x0f) {
                (3, f) => (f >> 1) & 3 != 3 && !(f & 8 != 0 && f & 6 == 0),
                (6 | 8 | 10, f) => f == 2,
                (0, _) => false,
                (_, f) => f == 0,
            };
            assert_eq!(allowed(first), expected, "{first:#04x}");
        }
        assert!(header(&[0xf0, 0], false).is_err(), "AUTH is not in MQTT 3");
    }

    #[test]
    fn m9_a_silent_connection_keeps_a_small_buffer() {
        let mut wire = inbound(&[], 1024);
        assert!(wire.room().capacity() < 2 * READ_BYTES_MIN + 1024);
        for _ in 0..10 {
            wire.filled(READ_BYTES_MAX);
        }
        assert_eq!(wire.chunk, READ_BYTES_MAX);
        for _ in 0..10 {
            wire.filled(10);
        }
        assert_eq!(wire.chunk, READ_BYTES_MIN);
    }
}
