//! CONNECT: who speaks which protocol.
//!
//! Protocol name and level decide which reply a client understands, so they are read first. Everything that the
//! packet says is checked, also what nobody here asks for.

use bytes::Bytes;

use super::Frame;
use super::properties::{
    self, AUTH_DATA, AUTH_METHOD, CONTENT_TYPE, CORRELATION_DATA, MAXIMUM_PACKET_SIZE,
    MESSAGE_EXPIRY, PAYLOAD_FORMAT, RECEIVE_MAXIMUM, REQUEST_PROBLEM, REQUEST_RESPONSE,
    RESPONSE_TOPIC, SESSION_EXPIRY, TOPIC_ALIAS_MAXIMUM, USER_PROPERTY, Value, WILL_DELAY,
};
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

/// A connection that is not going to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: CloseReason,
    /// `None`: the client is not told, because nobody knows what it understands.
    pub(crate) reply: Option<ConnectReply>,
}

impl From<CloseReason> for Refused {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            reply: None,
        }
    }
}

impl Refused {
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

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        CloseReason::MalformedPacket.into()
    }
}

impl Connect {
    /// Largest packet that the client takes; without a word of it, any.
    pub(crate) fn packet_bytes_max(&self) -> usize {
        self.packet_bytes_max.map_or(usize::MAX, |max| max as usize)
    }
}

const FLAG_RESERVED: u8 = 0b0000_0001;
const FLAG_CLEAN_START: u8 = 0b0000_0010;
const FLAG_WILL: u8 = 0b0000_0100;
const FLAGS_OF_WILL: u8 = 0b0011_1000;
const FLAG_WILL_RETAIN: u8 = 0b0010_0000;
const FLAG_PASSWORD: u8 = 0b0100_0000;
const FLAG_USERNAME: u8 = 0b1000_0000;

/// Reads a CONNECT.
pub(crate) fn parse(frame: &Frame, topic_bytes_max: usize) -> Result<Connect, Refused> {
    let mut reader = Reader::new(frame.body());
    let protocol = version(&mut reader)?;
    let of = |reason| Refused::of(protocol, reason);
    let connect = fields(reader, protocol).map_err(of)?;
    // MQTT 3.1 wants an identifier, 3.1.1 one for every session that is to last.
    let nameless = connect.client_id.is_empty();
    if nameless
        && (protocol == Protocol::V31 || (protocol == Protocol::V311 && !connect.clean_start))
    {
        return Err(of(CloseReason::ClientIdRejected));
    }
    if let Some(will) = &connect.will {
        let checked = topic::name(will.topic.as_bytes(), topic_bytes_max);
        checked.map_err(|_| of(CloseReason::TopicNameInvalid))?;
    }
    Ok(connect)
}

/// The protocol, or the reply that a client of another one may understand.
fn version(reader: &mut Reader<'_>) -> Result<Protocol, Refused> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(Protocol::V31),
        (b"MQTT", 4) => Ok(Protocol::V311),
        (b"MQTT", 5) => Ok(Protocol::V5),
        (b"MQTT", 6..=0x7f) => Err(Refused {
            reason: CloseReason::UnsupportedVersion,
            reply: Some(ConnectReply::V5(0x84)),
        }),
        (b"MQTT" | b"MQIsdp", _) => Err(Refused {
            reason: CloseReason::UnsupportedVersion,
            reply: Some(ConnectReply::V3(1)),
        }),
        _ => Err(CloseReason::UnsupportedVersion.into()),
    }
}

/// Reads the fields and insists that they fill the packet.
fn fields(mut reader: Reader<'_>, protocol: Protocol) -> Result<Connect, CloseReason> {
    let v5 = protocol == Protocol::V5;
    let flags = reader.u8()?;
    let has = |flag| flags & flag != 0;
    let will_without_flag = !has(FLAG_WILL) && has(FLAGS_OF_WILL);
    let password_alone = !v5 && has(FLAG_PASSWORD) && !has(FLAG_USERNAME);
    if has(FLAG_RESERVED) || will_without_flag || password_alone {
        return Err(CloseReason::MalformedPacket);
    }
    let mut connect = Connect {
        protocol,
        client_id: String::new(),
        // A client without a name gets a new one, so there is no session to resume.
        clean_start: has(FLAG_CLEAN_START),
        keep_alive_s: reader.u16()?,
        username: None,
        will: None,
        packet_bytes_max: None,
        session_expiry_s: 0,
    };
    if v5 {
        session_properties(reader.properties()?, &mut connect)?;
    }
    connect.client_id = reader.text()?.to_owned();
    if has(FLAG_WILL) {
        connect.will = Some(will(&mut reader, flags, v5)?);
    }
    if has(FLAG_USERNAME) {
        connect.username = Some(reader.text()?.to_owned());
    }
    if has(FLAG_PASSWORD) {
        // Nobody asks for it yet; it is not kept.
        reader.binary()?;
    }
    if reader.is_empty() {
        Ok(connect)
    } else {
        Err(CloseReason::MalformedPacket)
    }
}

fn session_properties(block: Reader<'_>, connect: &mut Connect) -> Result<(), CloseReason> {
    const ALLOWED: [u8; 9] = [
        SESSION_EXPIRY,
        RECEIVE_MAXIMUM,
        MAXIMUM_PACKET_SIZE,
        TOPIC_ALIAS_MAXIMUM,
        REQUEST_RESPONSE,
        REQUEST_PROBLEM,
        USER_PROPERTY,
        AUTH_METHOD,
        AUTH_DATA,
    ];
    let (mut method, mut data) = (false, false);
    properties::read(block, &ALLOWED, |id, value| {
        match (id, value) {
            (RECEIVE_MAXIMUM | MAXIMUM_PACKET_SIZE, Value::Number(0)) => {
                return Err(CloseReason::ProtocolError);
            }
            (MAXIMUM_PACKET_SIZE, Value::Number(bytes)) => connect.packet_bytes_max = Some(bytes),
            (SESSION_EXPIRY, Value::Number(seconds)) => connect.session_expiry_s = seconds,
            (AUTH_METHOD, _) => method = true,
            (AUTH_DATA, _) => data = true,
            _ => {}
        }
        Ok(())
    })?;
    match (method, data) {
        (true, _) => Err(CloseReason::BadAuthMethod),
        (false, true) => Err(CloseReason::ProtocolError),
        (false, false) => Ok(()),
    }
}

fn will(reader: &mut Reader<'_>, flags: u8, v5: bool) -> Result<Will, CloseReason> {
    const ALLOWED: [u8; 7] = [
        WILL_DELAY,
        PAYLOAD_FORMAT,
        MESSAGE_EXPIRY,
        CONTENT_TYPE,
        RESPONSE_TOPIC,
        CORRELATION_DATA,
        USER_PROPERTY,
    ];
    if v5 {
        properties::read(reader.properties()?, &ALLOWED, |_, _| Ok(()))?;
    }
    Ok(Will {
        topic: reader.text()?.to_owned(),
        // A copy, so that a small will does not keep the packet's buffer for the life of the connection.
        payload: Bytes::copy_from_slice(reader.binary()?),
        qos: Qos::of(flags >> 3).ok_or(CloseReason::MalformedPacket)?,
        retain: flags & FLAG_WILL_RETAIN != 0,
    })
}
