//! PUBLISH, read in place.
//!
//! Topic and payload stay where they were received: the topic is resolved by the session, which knows most of
//! them already, and the payload shares the read buffer.

use bytes::{Buf, Bytes};

use super::Frame;
use super::properties::{
    self, CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, RESPONSE_TOPIC,
    SUBSCRIPTION_IDENTIFIER, TOPIC_ALIAS, USER_PROPERTY, Value,
};
use super::reader::{Malformed, Reader};
use crate::{CloseReason, Qos};

impl From<Malformed> for CloseReason {
    fn from(_: Malformed) -> Self {
        Self::MalformedPacket
    }
}

/// A PUBLISH whose topic is not yet judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublishFrame<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) alias: Option<u16>,
    pub(crate) packet_id: Option<u16>,
    pub(crate) qos: Qos,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    /// Where the payload begins in the frame.
    payload: usize,
}

impl PublishFrame<'_> {
    /// The frame without what stands before the payload.
    pub(crate) fn payload_of(start: usize, mut bytes: Bytes) -> Bytes {
        bytes.advance(start.min(bytes.len()));
        bytes
    }

    /// Where the payload begins in the frame.
    pub(crate) fn payload_start(&self) -> usize {
        self.payload
    }
}

/// Reads a PUBLISH.
pub(crate) fn parse(frame: &Frame, v5: bool) -> Result<PublishFrame<'_>, CloseReason> {
    let mut reader = Reader::new(frame.body());
    let topic = reader.binary()?;
    let qos = Qos::of(frame.flags >> 1).ok_or(Malformed)?;
    let packet_id = if qos == Qos::AtMostOnce {
        None
    } else {
        Some(reader.packet_id()?)
    };
    let alias = if v5 {
        alias(reader.properties()?)?
    } else {
        None
    };
    Ok(PublishFrame {
        topic,
        alias,
        packet_id,
        qos,
        dup: frame.flags & 0b1000 != 0,
        retain: frame.flags & 0b0001 != 0,
        payload: frame.bytes.len() - reader.len(),
    })
}

/// Checks the properties of MQTT 5 and finds the topic alias.
fn alias(block: Reader<'_>) -> Result<Option<u16>, CloseReason> {
    // A subscription identifier only travels from server to client.
    const ALLOWED: [u8; 8] = [
        PAYLOAD_FORMAT,
        MESSAGE_EXPIRY,
        CONTENT_TYPE,
        RESPONSE_TOPIC,
        CORRELATION_DATA,
        SUBSCRIPTION_IDENTIFIER,
        TOPIC_ALIAS,
        USER_PROPERTY,
    ];
    let mut alias = None;
    properties::read(block, &ALLOWED, |id, value| match (id, value) {
        (SUBSCRIPTION_IDENTIFIER, _) => Err(CloseReason::ProtocolError),
        (TOPIC_ALIAS, Value::Number(0)) => Err(CloseReason::TopicAliasInvalid),
        (TOPIC_ALIAS, Value::Number(number)) => {
            alias = u16::try_from(number).ok();
            Ok(())
        }
        _ => Ok(()),
    })?;
    Ok(alias)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::Inbound;
    use super::*;

    fn parsed(bytes: &[u8], v5: bool, check: impl FnOnce(PublishFrame<'_>, &Frame)) {
        let frame = Inbound::new(BytesMut::from(bytes), 1 << 20, v5)
            .next_frame()
            .unwrap()
            .unwrap();
        check(parse(&frame, v5).unwrap(), &frame);
    }

    fn fault(bytes: &[u8]) -> CloseReason {
        let frame = Inbound::new(BytesMut::from(bytes), 1 << 20, true)
            .next_frame()
            .unwrap()
            .unwrap();
        parse(&frame, true).unwrap_err()
    }

    #[test]
    fn m7_publish_of_both_protocols() {
        parsed(
            &[0x3b, 8, 0, 1, b't', 0, 7, b'a', b'b', b'c'],
            false,
            |p, frame| {
                assert_eq!(
                    (p.topic, p.packet_id, p.qos, p.dup, p.retain),
                    (&b"t"[..], Some(7), Qos::AtLeastOnce, true, true)
                );
                assert_eq!(
                    PublishFrame::payload_of(p.payload_start(), frame.bytes.clone()).as_ref(),
                    b"abc"
                );
            },
        );
        parsed(
            &[0x30, 8, 0, 1, b't', 3, 0x23, 0, 9, b'x'],
            true,
            |p, frame| {
                assert_eq!((p.alias, p.packet_id), (Some(9), None));
                assert_eq!(
                    PublishFrame::payload_of(p.payload_start(), frame.bytes.clone()).as_ref(),
                    b"x"
                );
            },
        );
    }

    #[test]
    fn m7_publish_properties_are_checked() {
        assert_eq!(
            fault(&[0x30, 7, 0, 1, b't', 3, 0x23, 0, 0]),
            CloseReason::TopicAliasInvalid
        );
        assert_eq!(
            fault(&[0x30, 10, 0, 1, b't', 6, 0x23, 0, 1, 0x23, 0, 1]),
            CloseReason::ProtocolError
        );
        assert_eq!(
            fault(&[0x30, 6, 0, 1, b't', 2, 0x0b, 1]),
            CloseReason::ProtocolError
        );
        assert_eq!(
            fault(&[0x30, 6, 0, 1, b't', 2, 0x01, 2]),
            CloseReason::ProtocolError
        );
        assert_eq!(
            fault(&[0x30, 6, 0, 1, b't', 2, 0x7e, 2]),
            CloseReason::MalformedPacket
        );
        assert_eq!(
            fault(&[0x30, 5, 0, 1, b't', 9, 0]),
            CloseReason::MalformedPacket
        );
        assert_eq!(
            fault(&[0x32, 6, 0, 1, b't', 0, 0, 0]),
            CloseReason::MalformedPacket
        );
    }
}
