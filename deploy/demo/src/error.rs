//! The one error type of the crate. Each variant says whose fault it is and what to do; whether a
//! retry helps is answered by [`Error::retry_helps`].

use std::net::SocketAddr;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "hospital configuration: unknown time zone {0:?}; use an IANA name such as Europe/Berlin"
    )]
    Zone(String),
    #[error("connecting to {address} failed: {source}; is the listener up?")]
    Connect {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("connection to {address} broke: {source}; connect again and resend what is not acked")]
    Io {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("{address} closed the connection; connect again and resend what is not acked")]
    Closed { address: SocketAddr },
    #[error(
        "{address} did not answer within {waited_ms} ms; connect again and resend what is not acked"
    )]
    Timeout { address: SocketAddr, waited_ms: u64 },
    #[error(
        "{address} sent an acknowledgement that cannot be read ({why}); the other side is at fault"
    )]
    BadAck {
        address: SocketAddr,
        why: &'static str,
    },
    #[error(
        "{address} acknowledged {control_id:?}, which is not waiting for an answer; the other side is at fault"
    )]
    StrayAck {
        address: SocketAddr,
        control_id: String,
    },
    #[error("message of {bytes} bytes is over the limit of {limit} bytes; send a smaller one")]
    TooLarge { bytes: usize, limit: usize },
    #[error("message has no MSH-10 control id; an acknowledgement could not be matched to it")]
    NoControlId,
    #[error(
        "{waiting} messages wait for an acknowledgement, which is the limit; take acknowledgements first"
    )]
    WindowFull { waiting: usize },
    #[error("mqtt with {address}: {source}; connect again and publish what is not acked")]
    Mqtt {
        address: SocketAddr,
        #[source]
        source: Box<rumqttc::ConnectionError>,
    },
}

impl Error {
    /// True if the same bytes may succeed over a new connection.
    pub fn retry_helps(&self) -> bool {
        match self {
            Error::Zone(_) | Error::TooLarge { .. } | Error::NoControlId => false,
            Error::Connect { .. }
            | Error::Io { .. }
            | Error::Closed { .. }
            | Error::Timeout { .. }
            | Error::BadAck { .. }
            | Error::StrayAck { .. }
            | Error::WindowFull { .. }
            | Error::Mqtt { .. } => true,
        }
    }
}
