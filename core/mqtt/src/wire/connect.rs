//! CONNECT: who speaks which protocol.
//!
//! Protocol name and level decide which reply a client understands, so they are read first. The fields are then
//! decoded by rmqtt-codec; this module adds what the codec leaves out: NUL in strings, bytes behind the last field,
//! will flags without a will, a password without a user name.

use bytes::{Bytes, BytesMut};

use super::Frame;
use super::control::{decode_v3, decode_v5};
use super::reader::{Malformed, Reader};
use crate::topic;
use crate::{CloseReason, Protocol, Qos};

/// The message that is published when the client goes without a goodbye.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
}

/// What a CONNECT says.
pub(crate) struct Connect {
    pub(crate) protocol: Protocol,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) will: Option<Will>,
    /// Largest packet that the client takes.
    pub(crate) packet_bytes_max: Option<u32>,
    pub(crate) session_expiry_s: u32,
}

/// How a CONNECT is answered when it is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectReply {
    /// A return code of MQTT 3.x.
    V3(u8),
    /// A reason code of MQTT 5.
    V5(u8),
}

/// A CONNECT that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectFault {
    pub(crate) reason: CloseReason,
    /// `None`: the client is not told, because nobody knows what it understands.
    pub(crate) reply: Option<ConnectReply>,
}

impl ConnectFault {
    fn silent(reason: CloseReason) -> Self {
        Self {
            reason,
            reply: None,
        }
    }

    fn of(protocol: Protocol, reason: CloseReason) -> Self {
        let reply = match (protocol, reason) {
            (Protocol::V5, CloseReason::ClientIdRejected) => Some(ConnectReply::V5(0x85)),
            (Protocol::V5, reason) => reason.disconnect_code().map(ConnectReply::V5),
            (_, CloseReason::ClientIdRejected) => Some(ConnectReply::V3(2)),
            (_, _) => None,
        };
        Self { reason, reply }
    }
}

impl From<Malformed> for ConnectFault {
    fn from(_: Malformed) -> Self {
        Self::silent(CloseReason::MalformedPacket)
    }
}

const FLAG_CLEAN_START: u8 = 0b0000_0010;
const FLAG_WILL: u8 = 0b0000_0100;
const FLAGS_OF_WILL: u8 = 0b0011_1000;
const FLAG_PASSWORD: u8 = 0b0100_0000;
const FLAG_USERNAME: u8 = 0b1000_0000;

/// Where things stand in a CONNECT.
struct Layout {
    /// Index of the connect flags within the body.
    flags_at: usize,
    flags: u8,
    client_id_bytes: usize,
}

/// Reads a CONNECT.
pub(crate) fn parse(frame: &Frame, topic_bytes_max: usize) -> Result<Connect, ConnectFault> {
    let mut reader = Reader::new(frame.body());
    let protocol = version(&mut reader)?;
    let layout = layout(reader, frame.body().len(), protocol)
        .map_err(|reason| ConnectFault::of(protocol, reason))?;
    // MQTT 3.1 wants an identifier, 3.1.1 one for every session that is to last.
    let nameless = layout.client_id_bytes == 0;
    let clean_start = layout.flags & FLAG_CLEAN_START != 0;
    if nameless && (protocol == Protocol::V31 || (protocol == Protocol::V311 && !clean_start)) {
        return Err(ConnectFault::of(protocol, CloseReason::ClientIdRejected));
    }
    let mut bytes = BytesMut::from(frame.bytes.as_ref());
    if nameless && let Some(flags) = bytes.get_mut(frame.header + layout.flags_at) {
        // The identifier will be a new one, so there is no session to resume; the codec insists on the flag.
        *flags |= FLAG_CLEAN_START;
    }
    let connect = match protocol {
        Protocol::V5 => decode_v5(bytes.freeze()).and_then(from_v5),
        Protocol::V31 | Protocol::V311 => {
            decode_v3(bytes.freeze()).and_then(|packet| from_v3(packet, protocol))
        }
    };
    let connect = connect.map_err(|reason| ConnectFault::of(protocol, reason))?;
    if let Some(will) = &connect.will {
        let checked = topic::name(will.topic.as_bytes(), topic_bytes_max);
        checked.map_err(|_| ConnectFault::of(protocol, CloseReason::TopicNameInvalid))?;
    }
    Ok(connect)
}

/// The protocol, or the reply that a client of another one may understand.
fn version(reader: &mut Reader<'_>) -> Result<Protocol, ConnectFault> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(Protocol::V31),
        (b"MQTT", 4) => Ok(Protocol::V311),
        (b"MQTT", 5) => Ok(Protocol::V5),
        (b"MQTT", 6..=0x7f) => Err(ConnectFault {
            reason: CloseReason::UnsupportedVersion,
            reply: Some(ConnectReply::V5(0x84)),
        }),
        (b"MQTT" | b"MQIsdp", _) => Err(ConnectFault {
            reason: CloseReason::UnsupportedVersion,
            reply: Some(ConnectReply::V3(1)),
        }),
        _ => Err(ConnectFault::silent(CloseReason::UnsupportedVersion)),
    }
}

/// Walks over the fields and insists that they fill the packet.
fn layout(mut reader: Reader<'_>, body: usize, protocol: Protocol) -> Result<Layout, CloseReason> {
    let flags_at = body - reader.len();
    let flags = reader.u8()?;
    if flags & FLAG_WILL == 0 && flags & FLAGS_OF_WILL != 0 {
        return Err(CloseReason::MalformedPacket);
    }
    if protocol != Protocol::V5 && flags & FLAG_PASSWORD != 0 && flags & FLAG_USERNAME == 0 {
        return Err(CloseReason::MalformedPacket);
    }
    reader.u16()?;
    if protocol == Protocol::V5 {
        reader.properties()?;
    }
    let client_id_bytes = reader.text()?.len();
    if flags & FLAG_WILL != 0 {
        if protocol == Protocol::V5 {
            reader.properties()?;
        }
        reader.text()?;
        reader.binary()?;
    }
    if flags & FLAG_USERNAME != 0 {
        reader.text()?;
    }
    if flags & FLAG_PASSWORD != 0 {
        reader.binary()?;
    }
    if reader.is_empty() {
        Ok(Layout {
            flags_at,
            flags,
            client_id_bytes,
        })
    } else {
        Err(CloseReason::MalformedPacket)
    }
}

fn qos(qos: rmqtt_codec::types::QoS) -> Qos {
    match qos.value() {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    }
}

fn from_v3(packet: rmqtt_codec::v3::Packet, protocol: Protocol) -> Result<Connect, CloseReason> {
    let rmqtt_codec::v3::Packet::Connect(connect) = packet else {
        return Err(CloseReason::NotConnect);
    };
    Ok(Connect {
        protocol,
        client_id: connect.client_id.to_string(),
        clean_start: connect.clean_session,
        keep_alive_s: connect.keep_alive,
        username: connect.username.as_ref().map(ToString::to_string),
        password: connect.password,
        will: connect.last_will.map(|will| Will {
            topic: will.topic.to_string(),
            // A copy, so that a small will does not keep the packet's buffer for the life of the connection.
            payload: Bytes::copy_from_slice(&will.message),
            qos: qos(will.qos),
            retain: will.retain,
        }),
        packet_bytes_max: None,
        session_expiry_s: 0,
    })
}

fn from_v5(packet: rmqtt_codec::v5::Packet) -> Result<Connect, CloseReason> {
    let rmqtt_codec::v5::Packet::Connect(connect) = packet else {
        return Err(CloseReason::NotConnect);
    };
    if connect.auth_method.is_some() {
        return Err(CloseReason::BadAuthMethod);
    }
    if connect.auth_data.is_some() {
        return Err(CloseReason::ProtocolError);
    }
    Ok(Connect {
        protocol: Protocol::V5,
        client_id: connect.client_id.to_string(),
        clean_start: connect.clean_start,
        keep_alive_s: connect.keep_alive,
        username: connect.username.as_ref().map(ToString::to_string),
        password: connect.password,
        will: connect.last_will.map(|will| Will {
            topic: will.topic.to_string(),
            payload: Bytes::copy_from_slice(&will.message),
            qos: qos(will.qos),
            retain: will.retain,
        }),
        packet_bytes_max: connect.max_packet_size.map(std::num::NonZeroU32::get),
        session_expiry_s: connect.session_expiry_interval_secs,
    })
}
