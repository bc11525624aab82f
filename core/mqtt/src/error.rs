//! What can go wrong before the listener runs.
//!
//! Once it runs, a fault belongs to one connection: that connection is closed with a [`crate::CloseReason`],
//! which is counted, and the others go on.

use std::io;
use std::net::SocketAddr;

/// The listener could not be started. The operator has to change the configuration or the machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours, or needs a privilege.
    #[error(
        "mqtt listener: cannot listen on {addr}: {source}; choose a free address of this machine"
    )]
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A limit contradicts the protocol or another limit.
    #[error("mqtt listener: limit {name} = {value} is not usable: {allowed}")]
    Limit {
        /// The field of [`crate::Limits`].
        name: &'static str,
        /// Its value.
        value: u64,
        /// What would be usable.
        allowed: &'static str,
    },
}
