//! The packets that come rarely: subscriptions, releases, goodbyes.
//!
//! All of them are read by one rule: every field in its order, every reserved bit zero, nothing behind the last field. What
//! MQTT 5 lets a client leave out (codes, properties) may be missing from the end only.

use super::properties::{
    self, REASON_STRING, SERVER_REFERENCE, SESSION_EXPIRY, SUBSCRIPTION_IDENTIFIER, USER_PROPERTY,
    Value,
};
use super::reader::{Malformed, Reader};
use super::{Frame, Kind};
use crate::CloseReason;

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

/// Reads what a client sends beside CONNECT and PUBLISH.
pub(crate) fn parse(frame: &Frame, v5: bool) -> Result<Control, CloseReason> {
    let mut reader = Reader::new(frame.body());
    let control = match frame.kind {
        Kind::Pubrel => release(&mut reader, v5)?,
        Kind::Subscribe => subscribe(&mut reader, v5)?,
        Kind::Unsubscribe => unsubscribe(&mut reader, v5)?,
        Kind::Pingreq => Control::Ping,
        Kind::Disconnect => disconnect(&mut reader, v5)?,
        Kind::Auth => return Err(CloseReason::BadAuthMethod),
        // A second CONNECT, an acknowledgement of what was never sent, or something that only a server sends.
        _ => return Err(CloseReason::ProtocolError),
    };
    // Lengths are exact: nothing stands behind the last field.
    if reader.is_empty() {
        Ok(control)
    } else {
        Err(CloseReason::MalformedPacket)
    }
}

fn release(reader: &mut Reader<'_>, v5: bool) -> Result<Control, CloseReason> {
    let id = reader.packet_id()?;
    // MQTT 5 may leave out the code, and behind it the properties.
    if v5 && !reader.is_empty() {
        if !matches!(reader.u8()?, 0 | 0x92) {
            return Err(CloseReason::MalformedPacket);
        }
        if !reader.is_empty() {
            let block = reader.properties()?;
            properties::read(block, &[REASON_STRING, USER_PROPERTY], |_, _| Ok(()))?;
        }
    }
    Ok(Control::Release(id))
}

fn subscribe(reader: &mut Reader<'_>, v5: bool) -> Result<Control, CloseReason> {
    let packet_id = reader.packet_id()?;
    let mut identifier = false;
    if v5 {
        let block = reader.properties()?;
        let allowed = [SUBSCRIPTION_IDENTIFIER, USER_PROPERTY];
        properties::read(block, &allowed, |id, value| match (id, value) {
            (SUBSCRIPTION_IDENTIFIER, Value::Number(0)) => Err(CloseReason::ProtocolError),
            (SUBSCRIPTION_IDENTIFIER, _) => {
                identifier = true;
                Ok(())
            }
            _ => Ok(()),
        })?;
    }
    let filters = filters(reader, |reader| {
        let options = reader.u8()?;
        // QoS 3, retain handling 3 and reserved bits do not exist; MQTT 3 has a QoS and nothing else.
        let known = if v5 {
            options & 0x30 != 0x30 && options & 0xc0 == 0
        } else {
            options <= 2
        };
        if known && options & 3 != 3 {
            Ok(())
        } else {
            Err(Malformed)
        }
    })?;
    Ok(Control::Subscribe {
        packet_id,
        filters,
        identifier,
    })
}

fn unsubscribe(reader: &mut Reader<'_>, v5: bool) -> Result<Control, CloseReason> {
    let packet_id = reader.packet_id()?;
    if v5 {
        properties::read(reader.properties()?, &[USER_PROPERTY], |_, _| Ok(()))?;
    }
    let filters = filters(reader, |_| Ok(()))?;
    Ok(Control::Unsubscribe { packet_id, filters })
}

/// At least one filter, each followed by its `options`.
fn filters(
    reader: &mut Reader<'_>,
    options: impl Fn(&mut Reader<'_>) -> Result<(), Malformed>,
) -> Result<Vec<String>, CloseReason> {
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(reader.text()?.to_owned());
        options(reader)?;
    }
    if filters.is_empty() {
        return Err(CloseReason::ProtocolError);
    }
    Ok(filters)
}

fn disconnect(reader: &mut Reader<'_>, v5: bool) -> Result<Control, CloseReason> {
    let mut session_expiry_s = None;
    let mut code = 0;
    if v5 && !reader.is_empty() {
        code = reader.u8()?;
        // What a client may say; the rest is for servers or for nobody.
        if !matches!(code, 0 | 4 | 0x80..=0x83 | 0x90 | 0x93..=0x99) {
            return Err(CloseReason::MalformedPacket);
        }
        if !reader.is_empty() {
            let allowed = [
                SESSION_EXPIRY,
                REASON_STRING,
                SERVER_REFERENCE,
                USER_PROPERTY,
            ];
            properties::read(reader.properties()?, &allowed, |id, value| {
                if let (SESSION_EXPIRY, Value::Number(seconds)) = (id, value) {
                    session_expiry_s = Some(seconds);
                }
                Ok(())
            })?;
        }
    }
    Ok(Control::Disconnect {
        code,
        session_expiry_s,
    })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::Inbound;
    use super::*;
    use crate::Protocol;

    fn decode(protocol: Protocol, bytes: &[u8]) -> Result<Control, CloseReason> {
        let v5 = protocol == Protocol::V5;
        let frame = Inbound::new(BytesMut::from(bytes), 1 << 20, v5)
            .next_frame()?
            .unwrap();
        parse(&frame, v5)
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
    fn m7_bodies_are_exact_and_reserved_bits_are_zero() {
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
        for malformed in [
            &[0x62, 3, 0, 9, 0x91][..],
            &[0x62, 5, 0, 9, 0, 0, 0],
            &[0x82, 8, 0, 1, 2, 0x11, 0, 0, 0, 0],
            &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x03],
            &[0xa2, 6, 0, 1, 1, 0x0b, 0, 0],
            &[0xe0, 3, 0, 0, 0],
            &[0xe0, 1, 0x8b],
        ] {
            let fault = decode(Protocol::V5, malformed);
            assert_eq!(fault, Err(CloseReason::MalformedPacket), "{malformed:02x?}");
        }
        let numbered_0 = decode(Protocol::V5, &[0x82, 9, 0, 1, 2, 0x0b, 0, 0, 1, b'a', 0]);
        assert_eq!(numbered_0, Err(CloseReason::ProtocolError));
        let twice = &[0x82, 11, 0, 1, 4, 0x0b, 1, 0x0b, 1, 0, 1, b'a', 0];
        assert_eq!(decode(Protocol::V5, twice), Err(CloseReason::ProtocolError));
    }
}
