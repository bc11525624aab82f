//! Bytes in, packets out, within limits; and back.
//!
//! The fixed header is judged before anything is buffered: type, flags and length. PUBLISH, which is nearly all of
//! the traffic, is read in place and costs one reference count. Everything is read by one cursor that cannot run past
//! the end, and properties of MQTT 5 by one table.

mod client;
mod connect;
mod control;
mod encode;
mod frame;
mod properties;
mod publish;
mod reader;

pub(crate) use client::{granted, put_connect, put_subscribe, return_code};
pub(crate) use connect::{Connect, ConnectReply, Refused, Will, parse as parse_connect};
pub(crate) use control::{Control, parse as parse_control};
pub(crate) use encode::{
    Ack, ConnectAck, OutgoingPublish, put_ack, put_connack, put_connack_refusal, put_disconnect,
    put_pingresp, put_publish, put_suback, put_unsuback,
};
pub(crate) use frame::{Frame, Front, Inbound, Kind};
pub(crate) use publish::{PublishFrame, parse as parse_publish};

#[cfg(test)]
mod tests;
