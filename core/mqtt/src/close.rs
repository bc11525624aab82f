//! Why connections end, in names and codes that stay the same.
//!
//! The name is a label of a metric, the code goes into a DISCONNECT of MQTT 5. MQTT 3.x has no way to say why:
//! there the connection is closed.

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum CloseReason {
    /// The client sent DISCONNECT without asking for its will.
    Disconnected,
    /// The client sent DISCONNECT 0x04: goodbye, and publish the will.
    DisconnectedWithWill,
    /// The socket ended without a DISCONNECT.
    ConnectionLost,
    /// No CONNECT, or no CONNACK, within the connect timeout.
    ConnectTimeout,
    /// Nothing came for one and a half keep-alive intervals.
    KeepAliveTimeout,
    /// A packet was begun and not finished in time.
    PacketTimeout,
    /// The peer took no bytes for too long.
    WriteTimeout,
    /// The same client identifier connected again.
    TakenOver,
    /// An earlier connection of the same client was not settled in time.
    PredecessorUnsettled,
    /// The listener stops.
    ShuttingDown,
    /// All connections are in use.
    ConnectionLimit,
    /// The first packet was not CONNECT.
    NotConnect,
    /// The protocol name or level is unknown.
    UnsupportedVersion,
    /// The client identifier is missing where it must not be, or not usable.
    ClientIdRejected,
    /// The handler refused the connection.
    ConnectRefused,
    /// Enhanced authentication is not available.
    BadAuthMethod,
    /// Bytes that are not MQTT.
    MalformedPacket,
    /// A packet that must not come here or now.
    ProtocolError,
    /// A packet above the limit.
    PacketTooLarge,
    /// More unacknowledged messages than granted.
    ReceiveMaximumExceeded,
    /// Alias 0, above the limit, or never set.
    TopicAliasInvalid,
    /// A topic name with a wildcard or NUL.
    TopicNameInvalid,
    /// A message was refused and MQTT 3.x has no other way to say so.
    MessageRefused,
    /// The handler could not forget QoS 2 identifiers.
    ReleaseFailed,
}

impl CloseReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 24] = [
        Self::Disconnected,
        Self::DisconnectedWithWill,
        Self::ConnectionLost,
        Self::ConnectTimeout,
        Self::KeepAliveTimeout,
        Self::PacketTimeout,
        Self::WriteTimeout,
        Self::TakenOver,
        Self::PredecessorUnsettled,
        Self::ShuttingDown,
        Self::ConnectionLimit,
        Self::NotConnect,
        Self::UnsupportedVersion,
        Self::ClientIdRejected,
        Self::ConnectRefused,
        Self::BadAuthMethod,
        Self::MalformedPacket,
        Self::ProtocolError,
        Self::PacketTooLarge,
        Self::ReceiveMaximumExceeded,
        Self::TopicAliasInvalid,
        Self::TopicNameInvalid,
        Self::MessageRefused,
        Self::ReleaseFailed,
    ];

    /// The stable name, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::DisconnectedWithWill => "disconnected-with-will",
            Self::ConnectionLost => "connection-lost",
            Self::ConnectTimeout => "connect-timeout",
            Self::KeepAliveTimeout => "keep-alive-timeout",
            Self::PacketTimeout => "packet-timeout",
            Self::WriteTimeout => "write-timeout",
            Self::TakenOver => "taken-over",
            Self::PredecessorUnsettled => "predecessor-unsettled",
            Self::ShuttingDown => "shutting-down",
            Self::ConnectionLimit => "connection-limit",
            Self::NotConnect => "not-connect",
            Self::UnsupportedVersion => "unsupported-version",
            Self::ClientIdRejected => "client-id-rejected",
            Self::ConnectRefused => "connect-refused",
            Self::BadAuthMethod => "bad-auth-method",
            Self::MalformedPacket => "malformed-packet",
            Self::ProtocolError => "protocol-error",
            Self::PacketTooLarge => "packet-too-large",
            Self::ReceiveMaximumExceeded => "receive-maximum-exceeded",
            Self::TopicAliasInvalid => "topic-alias-invalid",
            Self::TopicNameInvalid => "topic-name-invalid",
            Self::MessageRefused => "message-refused",
            Self::ReleaseFailed => "release-failed",
        }
    }

    /// The reason code of the DISCONNECT that an MQTT 5 client gets, if it gets one.
    #[must_use]
    pub fn disconnect_code(self) -> Option<u8> {
        Some(match self {
            Self::KeepAliveTimeout => 0x8d,
            Self::TakenOver => 0x8e,
            Self::ShuttingDown => 0x8b,
            Self::BadAuthMethod => 0x8c,
            Self::MalformedPacket => 0x81,
            Self::ProtocolError => 0x82,
            Self::PacketTooLarge => 0x95,
            Self::ReceiveMaximumExceeded => 0x93,
            Self::TopicAliasInvalid => 0x94,
            Self::TopicNameInvalid => 0x90,
            Self::PacketTimeout | Self::MessageRefused | Self::ReleaseFailed => 0x83,
            Self::Disconnected
            | Self::DisconnectedWithWill
            | Self::ConnectionLost
            | Self::ConnectTimeout
            | Self::WriteTimeout
            | Self::PredecessorUnsettled
            | Self::ConnectionLimit
            | Self::NotConnect
            | Self::UnsupportedVersion
            | Self::ClientIdRejected
            | Self::ConnectRefused => return None,
        })
    }

    /// The client broke the protocol.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        matches!(
            self,
            Self::NotConnect
                | Self::UnsupportedVersion
                | Self::MalformedPacket
                | Self::ProtocolError
                | Self::PacketTooLarge
                | Self::ReceiveMaximumExceeded
                | Self::TopicAliasInvalid
                | Self::TopicNameInvalid
        )
    }

    /// A wait ran out.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout
                | Self::KeepAliveTimeout
                | Self::PacketTimeout
                | Self::WriteTimeout
        )
    }

    /// The client said goodbye.
    pub(crate) fn is_graceful(self) -> bool {
        matches!(self, Self::Disconnected | Self::DisconnectedWithWill)
    }

    /// The will is published. At a shutdown it is the listener that goes, not the client.
    pub(crate) fn publishes_will(self) -> bool {
        !matches!(self, Self::Disconnected | Self::ShuttingDown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m33_every_reason_has_its_own_stable_name() {
        let names: std::collections::BTreeSet<_> =
            CloseReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), CloseReason::ALL.len());
        for (index, reason) in CloseReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index, "{}", reason.as_str());
        }
    }
}
