//! The packets that come rarely: subscriptions, releases, goodbyes.
//!
//! They go through rmqtt-codec. What it lets pass although the specification does not is looked at first: bodies
//! where none may be, and reserved bits of a SUBSCRIBE.

use bytes::{Bytes, BytesMut};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder as _;

use super::reader::{Malformed, Reader};
use super::{Frame, Kind};
use crate::{CloseReason, Protocol};

/// A packet that is neither CONNECT nor PUBLISH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// PUBREL.
    Release(u16),
    Subscribe {
        packet_id: u16,
        filters: Vec<String>,
        /// The client asked for a subscription identifier.
        identifier: bool,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect {
        code: u8,
        session_expiry_s: Option<u32>,
    },
}

/// Decodes control packets of one connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    codec: Codec,
    scratch: BytesMut,
}

#[derive(Debug)]
enum Codec {
    V3(v3::Codec),
    V5(v5::Codec),
}

/// What the codec found wrong, in our words.
pub(super) fn fault(error: &DecodeError) -> CloseReason {
    match error {
        DecodeError::MaxSizeExceeded { .. } => CloseReason::PacketTooLarge,
        DecodeError::InvalidTopicFilter | DecodeError::InvalidConnectFlags => {
            CloseReason::ProtocolError
        }
        DecodeError::InvalidProtocol | DecodeError::UnsupportedProtocolLevel => {
            CloseReason::UnsupportedVersion
        }
        DecodeError::InvalidClientId => CloseReason::ClientIdRejected,
        DecodeError::InvalidLength
        | DecodeError::MalformedPacket
        | DecodeError::ConnectReservedFlagSet
        | DecodeError::ConnAckReservedFlagSet
        | DecodeError::UnsupportedPacketType
        | DecodeError::PacketIdRequired
        | DecodeError::InvalidTopicName
        | DecodeError::Utf8Error
        | DecodeError::Io(_) => CloseReason::MalformedPacket,
    }
}

impl Decoder {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let codec = match protocol {
            Protocol::V5 => Codec::V5(v5::Codec::new(0, 0)),
            Protocol::V31 | Protocol::V311 => Codec::V3(v3::Codec::new(0)),
        };
        Self {
            codec,
            scratch: BytesMut::new(),
        }
    }

    /// Decodes a frame that is not a PUBLISH.
    pub(crate) fn control(&mut self, frame: &Frame) -> Result<Control, CloseReason> {
        match frame.kind {
            Kind::Ping if frame.body().is_empty() => return Ok(Control::Ping),
            Kind::Ping => return Err(CloseReason::MalformedPacket),
            Kind::Release if frame.body().len() == 2 => {
                return Ok(Control::Release(Reader::new(frame.body()).packet_id()?));
            }
            // A second CONNECT, or something that only a server sends.
            Kind::Connect | Kind::Unexpected => return Err(CloseReason::ProtocolError),
            Kind::Auth => return Err(CloseReason::BadAuthMethod),
            Kind::Publish
            | Kind::Release
            | Kind::Subscribe
            | Kind::Unsubscribe
            | Kind::Disconnect => {}
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&frame.bytes);
        match &mut self.codec {
            Codec::V3(codec) => {
                if frame.kind == Kind::Subscribe {
                    v3_subscribe(frame.body())?;
                }
                if frame.kind == Kind::Disconnect && !frame.body().is_empty() {
                    return Err(CloseReason::MalformedPacket);
                }
                let packet = codec.decode(&mut self.scratch).map_err(|e| fault(&e))?;
                packet.map_or(Err(CloseReason::MalformedPacket), |(packet, _)| {
                    from_v3(packet)
                })
            }
            Codec::V5(codec) => {
                let packet = codec.decode(&mut self.scratch).map_err(|e| fault(&e))?;
                packet.map_or(Err(CloseReason::MalformedPacket), |(packet, _)| {
                    from_v5(packet)
                })
            }
        }
    }
}

/// The codec masks the upper bits of a requested QoS; they have to be 0.
fn v3_subscribe(body: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    reader.packet_id()?;
    while !reader.is_empty() {
        reader.text()?;
        if reader.u8()? > 2 {
            return Err(Malformed);
        }
    }
    Ok(())
}

fn from_v3(packet: v3::Packet) -> Result<Control, CloseReason> {
    Ok(match packet {
        v3::Packet::PublishRelease { packet_id } => Control::Release(packet_id.get()),
        v3::Packet::Subscribe {
            packet_id,
            topic_filters,
        } => Control::Subscribe {
            packet_id: packet_id.get(),
            filters: topic_filters
                .iter()
                .map(|(filter, _)| filter.to_string())
                .collect(),
            identifier: false,
        },
        v3::Packet::Unsubscribe {
            packet_id,
            topic_filters,
        } => Control::Unsubscribe {
            packet_id: packet_id.get(),
            filters: topic_filters.iter().map(ToString::to_string).collect(),
        },
        v3::Packet::Disconnect => Control::Disconnect {
            code: 0,
            session_expiry_s: None,
        },
        _ => return Err(CloseReason::ProtocolError),
    })
}

fn from_v5(packet: v5::Packet) -> Result<Control, CloseReason> {
    Ok(match packet {
        v5::Packet::PublishRelease(release) => Control::Release(release.packet_id.get()),
        v5::Packet::Subscribe(subscribe) => Control::Subscribe {
            packet_id: subscribe.packet_id.get(),
            filters: subscribe
                .topic_filters
                .iter()
                .map(|(filter, _)| filter.to_string())
                .collect(),
            identifier: subscribe.id.is_some(),
        },
        v5::Packet::Unsubscribe(unsubscribe) => Control::Unsubscribe {
            packet_id: unsubscribe.packet_id.get(),
            filters: unsubscribe
                .topic_filters
                .iter()
                .map(ToString::to_string)
                .collect(),
        },
        v5::Packet::Disconnect(disconnect) => Control::Disconnect {
            code: disconnect.reason_code.into(),
            session_expiry_s: disconnect.session_expiry_interval_secs,
        },
        _ => return Err(CloseReason::ProtocolError),
    })
}

/// Decodes one whole packet with a fresh codec; used for CONNECT.
pub(super) fn decode_v3(frame: Bytes) -> Result<v3::Packet, CloseReason> {
    let decoded = v3::Codec::new(0)
        .decode(&mut BytesMut::from(frame))
        .map_err(|e| fault(&e))?;
    decoded
        .map(|(packet, _)| packet)
        .ok_or(CloseReason::MalformedPacket)
}

/// Decodes one whole packet with a fresh codec; used for CONNECT.
pub(super) fn decode_v5(frame: Bytes) -> Result<v5::Packet, CloseReason> {
    let decoded = v5::Codec::new(0, 0)
        .decode(&mut BytesMut::from(frame))
        .map_err(|e| fault(&e))?;
    decoded
        .map(|(packet, _)| packet)
        .ok_or(CloseReason::MalformedPacket)
}

#[cfg(test)]
mod tests {
    use super::super::Inbound;
    use super::*;

    fn decode(protocol: Protocol, bytes: &[u8]) -> Result<Control, CloseReason> {
        let v5 = protocol == Protocol::V5;
        let frame = Inbound::new(BytesMut::from(bytes), 1 << 20, v5)
            .next_frame()?
            .unwrap();
        Decoder::new(protocol).control(&frame)
    }

    #[test]
    fn m7_control_packets_of_both_protocols() {
        let subscribe = Control::Subscribe {
            packet_id: 1,
            filters: vec!["a".to_owned()],
            identifier: false,
        };
        assert_eq!(
            decode(Protocol::V311, &[0x82, 6, 0, 1, 0, 1, b'a', 1]),
            Ok(subscribe.clone())
        );
        assert_eq!(
            decode(Protocol::V5, &[0x82, 7, 0, 1, 0, 0, 1, b'a', 1]),
            Ok(subscribe)
        );
        assert_eq!(
            decode(Protocol::V31, &[0x62, 2, 0, 9]),
            Ok(Control::Release(9))
        );
        assert_eq!(
            decode(Protocol::V5, &[0x62, 3, 0, 9, 0x92]),
            Ok(Control::Release(9))
        );
        assert_eq!(decode(Protocol::V5, &[0xc0, 0]), Ok(Control::Ping));
        let goodbye = Control::Disconnect {
            code: 4,
            session_expiry_s: None,
        };
        assert_eq!(decode(Protocol::V5, &[0xe0, 1, 4]), Ok(goodbye));
    }

    #[test]
    fn m7_what_the_codec_lets_pass_is_refused() {
        assert_eq!(
            decode(Protocol::V311, &[0xc0, 1, 0]),
            Err(CloseReason::MalformedPacket)
        );
        assert_eq!(
            decode(Protocol::V311, &[0xe0, 1, 0]),
            Err(CloseReason::MalformedPacket)
        );
        assert_eq!(
            decode(Protocol::V311, &[0x82, 6, 0, 1, 0, 1, b'a', 0x41]),
            Err(CloseReason::MalformedPacket)
        );
        assert_eq!(
            decode(Protocol::V5, &[0xb0, 1, 0x80]),
            Err(CloseReason::ProtocolError)
        );
    }
}
