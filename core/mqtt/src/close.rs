//! Why connections end, in names and codes that stay the same.
//!
//! The name is a label of a metric, the code goes into a DISCONNECT of MQTT 5. MQTT 3.x has no way to say why:
//! there the connection is closed. One table says all of it.

/// How a reason is summed up in the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The client broke the protocol.
    Broken,
    /// A wait ran out.
    Late,
    Other,
}

macro_rules! reasons {
    ($(#[doc = $doc:literal] $reason:ident = $name:literal, $class:ident, $code:expr;)*) => {
        /// Why a connection was closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum CloseReason {
            $(#[doc = $doc] $reason,)*
        }

        impl CloseReason {
            /// Every reason, in the order of the counters.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$reason),*];

            /// Name, class, and code.
            fn row(self) -> (&'static str, Class, Option<u8>) {
                match self {
                    $(Self::$reason => ($name, Class::$class, $code),)*
                }
            }
        }
    };
}

reasons! {
    /// The client sent DISCONNECT without asking for its will.
    Disconnected = "disconnected", Other, None;
    /// The client sent DISCONNECT 0x04: goodbye, and publish the will.
    DisconnectedWithWill = "disconnected-with-will", Other, None;
    /// The socket ended without a DISCONNECT.
    ConnectionLost = "connection-lost", Other, None;
    /// No CONNECT, or no CONNACK, within the connect timeout.
    ConnectTimeout = "connect-timeout", Late, None;
    /// Nothing came for one and a half keep-alive intervals.
    KeepAliveTimeout = "keep-alive-timeout", Late, Some(0x8d);
    /// A packet was begun and not finished in time.
    PacketTimeout = "packet-timeout", Late, Some(0x83);
    /// The peer took no bytes for too long.
    WriteTimeout = "write-timeout", Late, None;
    /// The same client identifier connected again.
    TakenOver = "taken-over", Other, Some(0x8e);
    /// An earlier connection of the same client was not settled in time.
    PredecessorUnsettled = "predecessor-unsettled", Other, None;
    /// The listener stops.
    ShuttingDown = "shutting-down", Other, Some(0x8b);
    /// All connections are in use.
    ConnectionLimit = "connection-limit", Other, None;
    /// The first packet was not CONNECT.
    NotConnect = "not-connect", Broken, None;
    /// The protocol name or level is unknown.
    UnsupportedVersion = "unsupported-version", Broken, None;
    /// The client identifier is missing where it must not be, or not usable.
    ClientIdRejected = "client-id-rejected", Other, None;
    /// The handler refused the connection.
    ConnectRefused = "connect-refused", Other, None;
    /// Enhanced authentication is not available.
    BadAuthMethod = "bad-auth-method", Other, Some(0x8c);
    /// Bytes that are not MQTT.
    MalformedPacket = "malformed-packet", Broken, Some(0x81);
    /// A packet that must not come here or now.
    ProtocolError = "protocol-error", Broken, Some(0x82);
    /// A packet above the limit.
    PacketTooLarge = "packet-too-large", Broken, Some(0x95);
    /// More unacknowledged messages than granted.
    ReceiveMaximumExceeded = "receive-maximum-exceeded", Broken, Some(0x93);
    /// Alias 0, above the limit, or never set.
    TopicAliasInvalid = "topic-alias-invalid", Broken, Some(0x94);
    /// A topic name with a wildcard or NUL.
    TopicNameInvalid = "topic-name-invalid", Broken, Some(0x90);
    /// A message was refused and MQTT 3.x has no other way to say so.
    MessageRefused = "message-refused", Other, Some(0x83);
    /// The handler could not forget QoS 2 identifiers.
    ReleaseFailed = "release-failed", Other, Some(0x83);
}

impl CloseReason {
    /// The stable name, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The reason code of the DISCONNECT that an MQTT 5 client gets, if it gets one.
    #[must_use]
    pub fn disconnect_code(self) -> Option<u8> {
        self.row().2
    }

    /// The client broke the protocol.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        self.row().1 == Class::Broken
    }

    /// A wait ran out.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        self.row().1 == Class::Late
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
