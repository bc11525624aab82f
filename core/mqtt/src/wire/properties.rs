//! The properties of MQTT 5: which packet may carry which, of what type, and how often.
//!
//! One table says what a property is; each packet says which it takes. Everything but a user property may stand there
//! once. What nobody asked for is still checked, and dropped.

use super::reader::{Malformed, Reader};
use crate::CloseReason;

pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
pub(super) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const AUTH_METHOD: u8 = 0x15;
pub(super) const AUTH_DATA: u8 = 0x16;
pub(super) const REQUEST_PROBLEM: u8 = 0x17;
pub(super) const WILL_DELAY: u8 = 0x18;
pub(super) const REQUEST_RESPONSE: u8 = 0x19;
pub(super) const SERVER_REFERENCE: u8 = 0x1c;
pub(super) const REASON_STRING: u8 = 0x1f;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(super) const WILDCARDS_AVAILABLE: u8 = 0x28;
pub(super) const IDENTIFIERS_AVAILABLE: u8 = 0x29;
pub(super) const SHARED_AVAILABLE: u8 = 0x2a;

/// What a property says. Texts and bytes are checked; nobody here reads what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Number(u32),
    Checked,
}

/// Reads a block of properties of a packet that may carry those in `allowed`, and shows each to `take`.
pub(super) fn read(
    mut block: Reader<'_>,
    allowed: &[u8],
    mut take: impl FnMut(u8, Value) -> Result<(), CloseReason>,
) -> Result<(), CloseReason> {
    let mut seen = 0u64;
    while !block.is_empty() {
        let id = block.u8()?;
        if !allowed.contains(&id) {
            return Err(CloseReason::MalformedPacket);
        }
        // Every known identifier is below 64.
        let bit = 1u64.checked_shl(u32::from(id)).unwrap_or(0);
        if id != USER_PROPERTY && seen & bit != 0 {
            return Err(CloseReason::ProtocolError);
        }
        seen |= bit;
        take(id, value(&mut block, id)?)?;
    }
    Ok(())
}

fn value(block: &mut Reader<'_>, id: u8) -> Result<Value, CloseReason> {
    Ok(match id {
        PAYLOAD_FORMAT | REQUEST_PROBLEM | REQUEST_RESPONSE => match block.u8()? {
            flag @ 0..=1 => Value::Number(u32::from(flag)),
            _ => return Err(CloseReason::ProtocolError),
        },
        RECEIVE_MAXIMUM | TOPIC_ALIAS_MAXIMUM | TOPIC_ALIAS => {
            Value::Number(u32::from(block.u16()?))
        }
        MESSAGE_EXPIRY | SESSION_EXPIRY | WILL_DELAY | MAXIMUM_PACKET_SIZE => {
            Value::Number(block.u32()?)
        }
        SUBSCRIPTION_IDENTIFIER => {
            Value::Number(u32::try_from(block.varint()?).map_err(|_| Malformed)?)
        }
        CORRELATION_DATA | AUTH_DATA => {
            block.binary()?;
            Value::Checked
        }
        CONTENT_TYPE | AUTH_METHOD | REASON_STRING | SERVER_REFERENCE => {
            block.text()?;
            Value::Checked
        }
        RESPONSE_TOPIC => {
            if block.text()?.contains(['+', '#']) {
                return Err(CloseReason::ProtocolError);
            }
            Value::Checked
        }
        USER_PROPERTY => {
            block.text()?;
            block.text()?;
            Value::Checked
        }
        _ => return Err(CloseReason::MalformedPacket),
    })
}
