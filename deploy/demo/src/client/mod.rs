//! Small clients that remember what was acked, for load and fault tests and for the demo itself.
//!
//! A client holds no queue of its own and resends nothing by itself: its user keeps the bytes, and
//! after a broken connection asks [`MllpClient::unacked`] or [`MqttClient::unacked`] what may be lost.
//! What is in `acked` was promised to be durable by the other side; a test that later misses one of
//! these has found a broken promise. The memory grows with what was acked: take it out with
//! `take_acked` in a long run.

mod mllp;
mod mqtt;

pub use crate::hl7::{AdtBuilder, Patient, Stamp};
pub use mllp::{Ack, AckCode, MllpClient, MllpOptions, control_id};
pub use mqtt::{MqttClient, MqttClientOptions, Token};
