//! What a configuration may change about a listener, and which values are usable.
//!
//! Every field starts at its constant in [`crate::limits`]. Values that contradict the protocol or let nothing through
//! are refused by name before the listener is bound (M34), so that the loops behind it need not think of them.

use std::time::Duration;

use crate::Error;
use crate::limits::{
    CLIENT_ID_BYTES_MAX, CONNECT_BYTES_MAX, CONNECT_TIMEOUT_MS, CONNECTION_PENDING_BYTES_MAX,
    CONNECTIONS_MAX, KEEP_ALIVE_MAX_S, OUTGOING_BYTES_MAX, OUTGOING_MESSAGES_MAX, PACKET_BYTES_MAX,
    PACKET_TIMEOUT_MS, PROTOCOL_PACKET_BYTES_MAX, RECEIVE_MAX, SHUTDOWN_TIMEOUT_MS,
    SUBSCRIPTIONS_MAX, TOPIC_ALIAS_MAX, TOPIC_BYTES_MAX, TOTAL_PENDING_BYTES_MAX, WRITE_TIMEOUT_MS,
};

/// The bounds that a configuration may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// [`PACKET_BYTES_MAX`].
    pub packet_bytes_max: usize,
    /// [`CONNECT_BYTES_MAX`]; never above `packet_bytes_max` in effect.
    pub connect_bytes_max: usize,
    /// [`CONNECT_TIMEOUT_MS`].
    pub connect_timeout: Duration,
    /// [`RECEIVE_MAX`].
    pub receive_max: u16,
    /// [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// [`CONNECTION_PENDING_BYTES_MAX`].
    pub connection_pending_bytes_max: usize,
    /// [`TOTAL_PENDING_BYTES_MAX`].
    pub total_pending_bytes_max: usize,
    /// [`KEEP_ALIVE_MAX_S`].
    pub keep_alive_max: Duration,
    /// [`TOPIC_ALIAS_MAX`].
    pub topic_alias_max: u16,
    /// [`TOPIC_BYTES_MAX`].
    pub topic_bytes_max: usize,
    /// [`CLIENT_ID_BYTES_MAX`].
    pub client_id_bytes_max: usize,
    /// [`SUBSCRIPTIONS_MAX`].
    pub subscriptions_max: usize,
    /// [`OUTGOING_MESSAGES_MAX`].
    pub outgoing_messages_max: usize,
    /// [`OUTGOING_BYTES_MAX`].
    pub outgoing_bytes_max: usize,
    /// [`WRITE_TIMEOUT_MS`].
    pub write_timeout: Duration,
    /// [`PACKET_TIMEOUT_MS`].
    pub packet_timeout: Duration,
    /// [`SHUTDOWN_TIMEOUT_MS`].
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
        let countable = (1, u32::MAX as usize, "1 to 4294967295");
        let total = self.total_pending_bytes_max;
        check("total_pending_bytes_max", total, countable)?;
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
