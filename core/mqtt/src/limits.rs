//! Every bound of the listener, with the unit last.
//!
//! A bound is checked before memory is taken, and what happens at it is chosen: reading stops, the oldest
//! outgoing message goes, or the connection is closed with a counted reason (promise P7).

use std::time::Duration;

use crate::Error;

/// Largest packet that a client may send, fixed header included.
pub const PACKET_BYTES_MAX: usize = 256 * 1024;
/// Largest CONNECT: room for a will of 64 KiB and long credentials, and no more from somebody unknown.
pub const CONNECT_BYTES_MAX: usize = 96 * 1024;
/// From the accepted socket to the CONNACK.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// QoS 1 and 2 messages of one connection that may be unacknowledged.
pub const RECEIVE_MAX: u16 = 1_024;
/// Connections at a time, those that still wait for their handler included.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Bytes of one connection that wait for the handler; reading stops at it.
pub const CONNECTION_PENDING_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of all connections that wait for the handler; reading stops at it.
pub const TOTAL_PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest keep-alive that is granted; 0 (none) is taken as this, so that dead peers go.
pub const KEEP_ALIVE_MAX_S: u64 = 3_600;
/// Topic aliases of one MQTT 5 connection.
pub const TOPIC_ALIAS_MAX: u16 = 16;
/// Longest topic name that is handed over, and longest filter.
pub const TOPIC_BYTES_MAX: usize = 1_024;
/// Longest client identifier.
pub const CLIENT_ID_BYTES_MAX: usize = 256;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 32;
/// Outgoing messages queued for one connection; the oldest goes at it.
pub const OUTGOING_MESSAGES_MAX: usize = 256;
/// Outgoing bytes queued for one connection; the oldest goes at it.
pub const OUTGOING_BYTES_MAX: usize = 256 * 1024;
/// A peer that takes no byte for this long is gone.
pub const WRITE_TIMEOUT_MS: u64 = 30_000;
/// A large packet that was begun has to be complete after this.
pub const PACKET_TIMEOUT_MS: u64 = 60_000;
/// How long a shutdown waits for outstanding acknowledgements.
pub const SHUTDOWN_TIMEOUT_MS: u64 = 5_000;

/// Smallest and largest piece that is read at once; it follows what the connection sends.
pub(crate) const READ_BYTES_MIN: usize = 2 * 1024;
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;
/// An incomplete packet above this needs its bytes granted from the total before it is buffered.
pub(crate) const UNGRANTED_PACKET_BYTES_MAX: usize = 16 * 1024;
/// What a message costs in memory beside its packet.
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 64;
/// Batches of one connection that wait for the handler.
pub(crate) const CONNECTION_BATCHES_MAX: usize = 256;
/// Encoded bytes that wait for the socket; above it nothing is read and nothing is taken from the queue.
pub(crate) const UNSENT_BYTES_MAX: usize = 64 * 1024;
/// Time for the last packet of a connection to leave.
pub(crate) const FAREWELL_TIMEOUT_MS: u64 = 1_000;
/// After a server-side close: unread input is thrown away for so long, so that the last packet is not lost to a reset.
pub(crate) const LINGER_MS: u64 = 300;
pub(crate) const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Pause after the system refused a new socket.
pub(crate) const ACCEPT_PAUSE_MS: u64 = 50;
/// What MQTT can say at most in a fixed header, header included.
const PROTOCOL_PACKET_BYTES_MAX: usize = 268_435_455 + 5;

/// The bounds that a configuration may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// See [`PACKET_BYTES_MAX`].
    pub packet_bytes_max: usize,
    /// See [`CONNECT_BYTES_MAX`]; never above `packet_bytes_max` in effect.
    pub connect_bytes_max: usize,
    /// See [`CONNECT_TIMEOUT_MS`].
    pub connect_timeout: Duration,
    /// See [`RECEIVE_MAX`].
    pub receive_max: u16,
    /// See [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// See [`CONNECTION_PENDING_BYTES_MAX`].
    pub connection_pending_bytes_max: usize,
    /// See [`TOTAL_PENDING_BYTES_MAX`].
    pub total_pending_bytes_max: usize,
    /// See [`KEEP_ALIVE_MAX_S`].
    pub keep_alive_max: Duration,
    /// See [`TOPIC_ALIAS_MAX`].
    pub topic_alias_max: u16,
    /// See [`TOPIC_BYTES_MAX`].
    pub topic_bytes_max: usize,
    /// See [`CLIENT_ID_BYTES_MAX`].
    pub client_id_bytes_max: usize,
    /// See [`SUBSCRIPTIONS_MAX`].
    pub subscriptions_max: usize,
    /// See [`OUTGOING_MESSAGES_MAX`].
    pub outgoing_messages_max: usize,
    /// See [`OUTGOING_BYTES_MAX`].
    pub outgoing_bytes_max: usize,
    /// See [`WRITE_TIMEOUT_MS`].
    pub write_timeout: Duration,
    /// See [`PACKET_TIMEOUT_MS`].
    pub packet_timeout: Duration,
    /// See [`SHUTDOWN_TIMEOUT_MS`].
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes_max: PACKET_BYTES_MAX,
            connect_bytes_max: CONNECT_BYTES_MAX,
            connect_timeout: Duration::from_millis(CONNECT_TIMEOUT_MS),
            receive_max: RECEIVE_MAX,
            connections_max: CONNECTIONS_MAX,
            connection_pending_bytes_max: CONNECTION_PENDING_BYTES_MAX,
            total_pending_bytes_max: TOTAL_PENDING_BYTES_MAX,
            keep_alive_max: Duration::from_secs(KEEP_ALIVE_MAX_S),
            topic_alias_max: TOPIC_ALIAS_MAX,
            topic_bytes_max: TOPIC_BYTES_MAX,
            client_id_bytes_max: CLIENT_ID_BYTES_MAX,
            subscriptions_max: SUBSCRIPTIONS_MAX,
            outgoing_messages_max: OUTGOING_MESSAGES_MAX,
            outgoing_bytes_max: OUTGOING_BYTES_MAX,
            write_timeout: Duration::from_millis(WRITE_TIMEOUT_MS),
            packet_timeout: Duration::from_millis(PACKET_TIMEOUT_MS),
            shutdown_timeout: Duration::from_millis(SHUTDOWN_TIMEOUT_MS),
        }
    }
}

impl Limits {
    /// The keep-alive in whole seconds that a client gets when it asks for `asked` (0 asks for none).
    pub(crate) fn keep_alive_s(&self, asked: u16) -> u16 {
        let max = u16::try_from(self.keep_alive_max.as_secs())
            .unwrap_or(u16::MAX)
            .max(1);
        if asked == 0 { max } else { asked.min(max) }
    }

    /// Refuses values that the protocol cannot carry or that would let nothing through.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let packet = (128, PROTOCOL_PACKET_BYTES_MAX, "128 to 268435460");
        let some = (1, usize::MAX, "at least 1");
        let length = (1, usize::from(u16::MAX), "1 to 65535");
        check("packet_bytes_max", self.packet_bytes_max, packet)?;
        check("connect_bytes_max", self.connect_bytes_max, packet)?;
        check("receive_max", usize::from(self.receive_max), length)?;
        check("connections_max", self.connections_max, some)?;
        check(
            "connection_pending_bytes_max",
            self.connection_pending_bytes_max,
            some,
        )?;
        check(
            "total_pending_bytes_max",
            self.total_pending_bytes_max,
            some,
        )?;
        check("topic_bytes_max", self.topic_bytes_max, length)?;
        check("client_id_bytes_max", self.client_id_bytes_max, length)?;
        check("outgoing_messages_max", self.outgoing_messages_max, some)?;
        if self.connect_timeout.is_zero() {
            return Err(Error::Limit {
                name: "connect_timeout",
                value: 0,
                allowed: "more than zero",
            });
        }
        Ok(())
    }
}

fn check(
    name: &'static str,
    value: usize,
    (low, high, allowed): (usize, usize, &'static str),
) -> Result<(), Error> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(Error::Limit {
            name,
            value: value as u64,
            allowed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m34_default_limits_are_usable() {
        assert!(Limits::default().check().is_ok());
    }

    #[test]
    fn m34_a_limit_that_lets_nothing_through_is_refused_by_name() {
        let error = Limits {
            receive_max: 0,
            ..Limits::default()
        }
        .check()
        .unwrap_err();
        assert!(error.to_string().contains("receive_max"), "{error}");
        assert!(
            Limits {
                connect_timeout: Duration::ZERO,
                ..Limits::default()
            }
            .check()
            .is_err()
        );
        assert!(
            Limits {
                packet_bytes_max: 300_000_000,
                ..Limits::default()
            }
            .check()
            .is_err()
        );
    }

    #[test]
    fn m21_keep_alive_is_capped_and_never_none() {
        let limits = Limits {
            keep_alive_max: Duration::from_secs(60),
            ..Limits::default()
        };
        assert_eq!(limits.keep_alive_s(0), 60);
        assert_eq!(limits.keep_alive_s(10), 10);
        assert_eq!(limits.keep_alive_s(600), 60);
    }
}
