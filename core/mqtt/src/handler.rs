//! The words between the listener and whoever keeps the messages.
//!
//! The listener promises: messages of one client arrive at [`Handler::publish`] in the order of the wire, no
//! acknowledgement leaves before the future of its batch resolves, and the future is driven to its end even when
//! the client has gone. The handler promises: a settlement `Accepted` means that the message is durable.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::stream::Peer;

/// The protocol that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// MQTT 3.1 (`MQIsdp`, level 3).
    V31,
    /// MQTT 3.1.1 (level 4).
    V311,
    /// MQTT 5.
    V5,
}

/// Quality of service of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0: never acknowledged.
    AtMostOnce,
    /// QoS 1: PUBACK.
    AtLeastOnce,
    /// QoS 2: PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce,
}

impl Qos {
    /// The two lowest bits of `bits`; 3 is none.
    pub(crate) fn of(bits: u8) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// Who is connected.
#[derive(Debug, Clone)]
pub struct Client {
    /// The client identifier, assigned by the listener if the client sent none.
    pub id: Arc<str>,
    /// Where the connection comes from, and the name that it proved.
    pub peer: Peer,
    /// The user name of the CONNECT.
    pub username: Option<String>,
    /// The protocol version.
    pub protocol: Protocol,
    /// The client wants no state from before: unreleased QoS 2 identifiers have to be forgotten.
    pub clean_start: bool,
}

/// One message from a client.
#[derive(Clone)]
pub struct Publish {
    /// Topic name, valid, aliases resolved.
    pub topic: Arc<str>,
    /// Application bytes.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: Qos,
    /// The retain flag as sent. The listener keeps no retained messages.
    pub retain: bool,
    /// The duplicate flag as sent.
    pub dup: bool,
    /// `Some` for QoS 1 and 2, except for a will. For QoS 2 it is to be stored with the message until [`Handler::release`].
    pub packet_id: Option<u16>,
    /// The message is the client's will.
    pub will: bool,
}

impl std::fmt::Debug for Publish {
    // The payload may hold patient data and must not reach a log by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publish")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .field("packet_id", &self.packet_id)
            .field("will", &self.will)
            .finish()
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is durable.
    Accepted,
    /// It was not taken.
    Refused(Refusal),
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The client may not publish there (0x87).
    NotAuthorized,
    /// There is no room left for it (0x97).
    QuotaExceeded,
    /// The topic is well-formed but not taken (0x90).
    TopicInvalid,
    /// The payload is not what the topic is for (0x99).
    PayloadInvalid,
    /// Too much to do; later may help (0x83).
    Busy,
    /// The store cannot take anything (0x80).
    Unavailable,
}

/// What the handler still knows about a client identifier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// There is state from an earlier connection. Ignored for a clean start.
    pub present: bool,
    /// QoS 2 packet identifiers that were taken and not yet released. Ignored for a clean start.
    pub unreleased: Vec<u16>,
}

/// Why a client may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectRefusal {
    /// Not allowed here.
    NotAuthorized,
    /// User name or password is wrong.
    BadCredentials,
    /// This client identifier is not usable here.
    ClientIdInvalid,
    /// Too much to do; later may help.
    Busy,
    /// The service behind the listener cannot work.
    Unavailable,
}

/// Keeps what clients send. One handler serves all connections of a listener.
///
/// A method is called on the connection's task and must not block it; slow work belongs into the future.
pub trait Handler: Send + Sync + 'static {
    /// May this client connect, and what is left from its last connection?
    ///
    /// Called after everything of an earlier connection with the same identifier is settled.
    fn connect(&self, client: &Client) -> BoxFuture<'static, Result<Session, ConnectRefusal>>;

    /// Takes everything that was readable at once. Resolves when every message is settled, with one settlement for
    /// each, in the same order. A missing settlement counts as [`Refusal::Unavailable`].
    fn publish(&self, client: &Client, batch: Vec<Publish>) -> BoxFuture<'static, Vec<Settlement>>;

    /// Forgets QoS 2 packet identifiers. `true` when the forgetting is durable; `false` closes the connection
    /// without a PUBCOMP, and the client asks again.
    fn release(&self, client: &Client, packet_ids: Vec<u16>) -> BoxFuture<'static, bool>;

    /// May this client subscribe to this filter? Granted is always QoS 0: what is sent to subscribers are
    /// receipts and configuration, which are repeated and cumulative.
    fn subscribe(&self, client: &Client, filter: &str) -> bool;

    /// The connection has ended and everything it handed over is settled. `graceful`: the client said goodbye.
    fn disconnected(&self, client: &Client, graceful: bool) {
        let (_, _) = (client, graceful);
    }
}
