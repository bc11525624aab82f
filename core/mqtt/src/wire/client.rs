//! What a client of MQTT 3.1.1 sends first, and how it is answered.

use bytes::{BufMut, BytesMut};

use super::Frame;
use super::encode::put_varint;
use super::reader::Malformed;
use crate::client::Login;

/// Something is longer than MQTT can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

fn put_binary(out: &mut BytesMut, bytes: &[u8]) -> Result<(), TooLong> {
    out.put_u16(u16::try_from(bytes.len()).map_err(|_| TooLong)?);
    out.put_slice(bytes);
    Ok(())
}

fn put_packet(out: &mut BytesMut, first: u8, body: &[u8]) {
    out.put_u8(first);
    put_varint(out, body.len());
    out.put_slice(body);
}

/// Writes a CONNECT with a clean session.
pub(crate) fn put_connect(out: &mut BytesMut, login: &Login) -> Result<(), TooLong> {
    let mut flags = 0x02;
    if let Some(will) = &login.will {
        // QoS 1.
        flags |= 0x0c | u8::from(will.retain) << 5;
    }
    if login.credentials.is_some() {
        flags |= 0xc0;
    }
    let mut body = BytesMut::new();
    put_binary(&mut body, b"MQTT")?;
    body.put_slice(&[4, flags]);
    body.put_u16(u16::try_from(login.keep_alive.as_secs()).map_err(|_| TooLong)?);
    put_binary(&mut body, login.client_id.as_bytes())?;
    if let Some(will) = &login.will {
        put_binary(&mut body, will.topic.as_bytes())?;
        put_binary(&mut body, &will.payload)?;
    }
    if let Some((user, password)) = &login.credentials {
        put_binary(&mut body, user.as_bytes())?;
        put_binary(&mut body, password.as_bytes())?;
    }
    put_packet(out, 0x10, &body);
    Ok(())
}

/// Writes a SUBSCRIBE that asks for QoS 1.
pub(crate) fn put_subscribe(
    out: &mut BytesMut,
    packet_id: u16,
    topic: &str,
) -> Result<(), TooLong> {
    let mut body = BytesMut::new();
    body.put_u16(packet_id);
    put_binary(&mut body, topic.as_bytes())?;
    body.put_u8(1);
    put_packet(out, 0x82, &body);
    Ok(())
}

/// The return code of a CONNACK.
pub(crate) fn return_code(frame: &Frame) -> Result<u8, Malformed> {
    match frame.body() {
        [_, code] => Ok(*code),
        _ => Err(Malformed),
    }
}

/// Whether the one filter of a SUBSCRIBE was granted.
pub(crate) fn granted(frame: &Frame) -> Result<bool, Malformed> {
    match frame.body() {
        [_, _, code] => Ok(*code < 0x80),
        _ => Err(Malformed),
    }
}
