//! The MQTT listener whose acknowledgement waits for its handler.
//!
//! Devices talk to the agent and agents talk to the bridge through this listener. A PUBACK, PUBREC or PUBCOMP
//! leaves only after the [`Handler`] said that the message is where it has to be (promise P1), so the listener
//! itself keeps no message: it decodes, checks, hands over in batches, and answers in order.
//!
//! The rules it keeps are numbered in `docs/specs/mqtt-listener.md` (M1 to M35); tests cite them by number.
//!
//! Rooms: `wire` turns bytes into packets within limits and back; `session` is the QoS, alias and window
//! state of one connection, without I/O; `hub` carries receipts and configuration out to subscribers;
//! `stream` is what all of it runs over, `io` moves its bytes; `listener` owns tasks, back-pressure and take-over;
//! `client` is the other side, with which an agent talks to its site.

pub mod client;
mod close;
mod config;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod hub;
mod io;
pub mod limits;
mod listener;
mod session;
mod stats;
mod stream;
mod topic;
mod wire;

pub use close::CloseReason;
pub use config::Limits;
pub use error::Error;
pub use futures_util::future::BoxFuture;
pub use handler::{
    Client, ConnectRefusal, Handler, Protocol, Publish, Qos, Refusal, Session, Settlement,
};
pub use hub::Publisher;
pub use listener::{Listener, ListenerConfig, Meter};
pub use stats::Stats;
pub use stream::{Acceptor, ByteStream, Dialer, Peer, Stream, TcpAcceptor, TcpDialer};
