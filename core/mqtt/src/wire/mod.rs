//! Bytes in, packets out, within limits; and back.
//!
//! The fixed header is judged before anything is buffered: type, flags and length. PUBLISH, which is nearly all of
//! the traffic, is read in place and costs one reference count. CONNECT, SUBSCRIBE and the other rare packets go
//! through rmqtt-codec, after the checks that it leaves to its caller.

mod connect;
mod control;
mod encode;
mod frame;
mod publish;
mod reader;

pub(crate) use connect::{Connect, ConnectReply, Will, parse as parse_connect};
pub(crate) use control::{Control, Decoder};
pub(crate) use encode::{
    Ack, ConnectAck, put_ack, put_connack, put_connack_refusal, put_disconnect, put_pingresp,
    put_publish, put_suback, put_unsuback,
};
pub(crate) use frame::{Frame, Inbound, Kind};
pub(crate) use publish::{PublishFrame, parse as parse_publish};
