//! Packets to clients.
//!
//! Acknowledgements are four or five bytes and leave by the hundred thousand: they go straight into the connection's
//! buffer.

use bytes::{BufMut, BytesMut};

use super::ConnectReply;
use super::properties::{
    ASSIGNED_CLIENT_ID, IDENTIFIERS_AVAILABLE, MAXIMUM_PACKET_SIZE, RECEIVE_MAXIMUM,
    SERVER_KEEP_ALIVE, SHARED_AVAILABLE, TOPIC_ALIAS_MAXIMUM, WILDCARDS_AVAILABLE,
};
use crate::Limits;
use crate::limits::PROTOCOL_PACKET_BYTES_MAX;

/// An acknowledgement of a PUBLISH or PUBREL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ack {
    Puback,
    Pubrec,
    Pubcomp,
}

/// Writes PUBACK, PUBREC or PUBCOMP. A `code` other than 0 can only go to MQTT 5.
pub(crate) fn put_ack(out: &mut BytesMut, kind: Ack, packet_id: u16, code: u8) {
    let first = match kind {
        Ack::Puback => 0x40,
        Ack::Pubrec => 0x50,
        Ack::Pubcomp => 0x70,
    };
    let [high, low] = packet_id.to_be_bytes();
    if code == 0 {
        out.put_slice(&[first, 2, high, low]);
    } else {
        out.put_slice(&[first, 3, high, low, code]);
    }
}

/// Writes a PINGRESP.
pub(crate) fn put_pingresp(out: &mut BytesMut) {
    out.put_slice(&[0xd0, 0]);
}

/// Writes the DISCONNECT of MQTT 5.
pub(crate) fn put_disconnect(out: &mut BytesMut, code: u8) {
    out.put_slice(&[0xe0, 1, code]);
}

pub(super) fn put_varint(out: &mut BytesMut, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.put_u8(byte);
            return;
        }
        out.put_u8(byte | 0x80);
    }
}

fn put_codes(out: &mut BytesMut, first: u8, packet_id: u16, v5: bool, codes: &[u8]) {
    out.put_u8(first);
    put_varint(out, 2 + usize::from(v5) + codes.len());
    out.put_u16(packet_id);
    if v5 {
        out.put_u8(0);
    }
    out.put_slice(codes);
}

/// Writes a SUBACK with one code for each filter.
pub(crate) fn put_suback(out: &mut BytesMut, packet_id: u16, v5: bool, codes: &[u8]) {
    put_codes(out, 0x90, packet_id, v5, codes);
}

/// Writes an UNSUBACK; MQTT 3.x knows no codes there.
pub(crate) fn put_unsuback(out: &mut BytesMut, packet_id: u16, v5: bool, codes: &[u8]) {
    put_codes(out, 0xb0, packet_id, v5, if v5 { codes } else { &[] });
}

/// A PUBLISH on its way out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutgoingPublish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) retain: bool,
    /// With one it has QoS 1, without it QoS 0.
    pub(crate) packet_id: Option<u16>,
    pub(crate) v5: bool,
}

/// Writes a PUBLISH, unless the other side takes nothing so large.
pub(crate) fn put_publish(
    out: &mut BytesMut,
    publish: OutgoingPublish<'_>,
    bytes_max: usize,
) -> bool {
    let OutgoingPublish {
        topic,
        payload,
        retain,
        packet_id,
        v5,
    } = publish;
    let Ok(topic_len) = u16::try_from(topic.len()) else {
        return false;
    };
    let id_len = if packet_id.is_some() { 2 } else { 0 };
    let remaining = 2 + topic.len() + id_len + usize::from(v5) + payload.len();
    if remaining + 5 > bytes_max.min(PROTOCOL_PACKET_BYTES_MAX) {
        return false;
    }
    out.reserve(remaining + 5);
    out.put_u8(0x30 | u8::from(packet_id.is_some()) << 1 | u8::from(retain));
    put_varint(out, remaining);
    out.put_u16(topic_len);
    out.put_slice(topic.as_bytes());
    if let Some(id) = packet_id {
        out.put_u16(id);
    }
    if v5 {
        out.put_u8(0);
    }
    out.put_slice(payload);
    true
}

/// Writes the refusal of a CONNECT.
pub(crate) fn put_connack_refusal(out: &mut BytesMut, reply: ConnectReply) {
    match reply {
        ConnectReply::V3(code) => out.put_slice(&[0x20, 2, 0, code]),
        ConnectReply::V5(code) => out.put_slice(&[0x20, 3, 0, code, 0]),
    }
}

/// What a CONNACK of success says.
#[derive(Debug)]
pub(crate) struct ConnectAck<'a> {
    pub(crate) v5: bool,
    pub(crate) session_present: bool,
    /// The identifier, if the client brought none.
    pub(crate) assigned: Option<&'a str>,
    /// The keep-alive, if it is not the one that the client asked for.
    pub(crate) keep_alive_s: Option<u16>,
}

/// Writes the CONNACK of success.
pub(crate) fn put_connack(out: &mut BytesMut, ack: &ConnectAck<'_>, limits: &Limits) {
    let present = u8::from(ack.session_present);
    if !ack.v5 {
        out.put_slice(&[0x20, 2, present, 0]);
        return;
    }
    let mut properties = BytesMut::new();
    properties.put_u8(RECEIVE_MAXIMUM);
    properties.put_u16(limits.receive_max);
    if let Ok(bytes) = u32::try_from(limits.packet_bytes_max) {
        properties.put_u8(MAXIMUM_PACKET_SIZE);
        properties.put_u32(bytes);
    }
    // An identifier of our own making is short.
    if let Some(id) = ack.assigned
        && let Ok(length) = u16::try_from(id.len())
    {
        properties.put_u8(ASSIGNED_CLIENT_ID);
        properties.put_u16(length);
        properties.put_slice(id.as_bytes());
    }
    properties.put_u8(TOPIC_ALIAS_MAXIMUM);
    properties.put_u16(limits.topic_alias_max);
    for absent in [WILDCARDS_AVAILABLE, IDENTIFIERS_AVAILABLE, SHARED_AVAILABLE] {
        properties.put_slice(&[absent, 0]);
    }
    if let Some(seconds) = ack.keep_alive_s {
        properties.put_u8(SERVER_KEEP_ALIVE);
        properties.put_u16(seconds);
    }
    let mut body = BytesMut::new();
    body.put_slice(&[present, 0]);
    put_varint(&mut body, properties.len());
    body.unsplit(properties);
    out.put_u8(0x20);
    put_varint(out, body.len());
    out.put_slice(&body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8], v5: bool) -> OutgoingPublish<'_> {
        OutgoingPublish {
            topic: "t",
            payload,
            retain: false,
            packet_id: None,
            v5,
        }
    }

    #[test]
    fn m7_lengths_in_outgoing_packets() {
        for payload in [0usize, 100, 127, 128, 20_000, 70_000] {
            for v5 in [false, true] {
                let mut out = BytesMut::new();
                assert!(put_publish(
                    &mut out,
                    message(&vec![7; payload], v5),
                    usize::MAX
                ));
                let frame = super::super::Inbound::new(out, 1 << 20, v5)
                    .next_frame()
                    .unwrap()
                    .unwrap();
                assert_eq!(frame.body().len(), 3 + usize::from(v5) + payload);
            }
        }
    }

    #[test]
    fn m27_a_message_above_the_clients_maximum_is_not_written() {
        let mut out = BytesMut::new();
        assert!(!put_publish(&mut out, message(&[0; 100], true), 100));
        assert!(out.is_empty());
    }
}
