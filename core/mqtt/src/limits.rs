//! Every bound of the crate, with the unit last and what happens at it (P7).
//!
//! A bound is checked before memory is taken. [`crate::Limits`] holds those that a configuration may change.

wardline_limits::limits! {
    /// Largest packet that a client may send, fixed header included.
    pub PACKET_BYTES_MAX: usize = 256 * 1024, "bytes", "closed as packet-too-large, from the packet's header";
    /// Largest CONNECT: room for a will of 64 KiB and long credentials, and no more from somebody unknown.
    pub CONNECT_BYTES_MAX: usize = 96 * 1024, "bytes", "closed as packet-too-large, from the packet's header";
    /// From the accepted connection to the CONNACK.
    pub CONNECT_TIMEOUT_MS: u64 = 5_000, "ms", "closed as connect-timeout";
    /// QoS 1 and 2 messages of one connection that may be unacknowledged.
    pub RECEIVE_MAX: u16 = 1_024, "messages", "MQTT 5 is closed as receive-maximum-exceeded, MQTT 3 is read no further";
    /// Connections at a time, those that still wait for their handler included.
    pub CONNECTIONS_MAX: usize = 1_024, "connections", "one more is closed at once as connection-limit";
    /// Bytes of one connection that wait for the handler.
    pub CONNECTION_PENDING_BYTES_MAX: usize = 1024 * 1024, "bytes", "nothing more is read from it: TCP back-pressure";
    /// Bytes of all connections that wait for the handler, and of large packets on their way in.
    pub TOTAL_PENDING_BYTES_MAX: usize = 8 * 1024 * 1024, "bytes", "connections wait for room, first come first served";
    /// Longest keep-alive that is granted; 0 (none) is taken as this, so that dead peers go.
    pub KEEP_ALIVE_MAX_S: u64 = 3_600, "s", "a longer one is taken as this; silence for one and a half is closed as keep-alive-timeout";
    /// Topic aliases of one MQTT 5 connection.
    pub TOPIC_ALIAS_MAX: u16 = 16, "aliases", "closed as topic-alias-invalid";
    /// Longest topic name that is handed over, and longest filter.
    pub TOPIC_BYTES_MAX: usize = 1_024, "bytes", "the message or the subscription is refused";
    /// Topic names of one connection that are remembered, beside the aliases.
    pub(crate) RECENT_TOPICS_MAX: usize = 8, "names", "the oldest is forgotten and checked again when it comes";
    /// Longest client identifier.
    pub CLIENT_ID_BYTES_MAX: usize = 256, "bytes", "closed as client-id-rejected";
    /// Subscriptions of one connection.
    pub SUBSCRIPTIONS_MAX: usize = 32, "subscriptions", "one more is refused in the SUBACK";
    /// Outgoing messages queued for one connection.
    pub OUTGOING_MESSAGES_MAX: usize = 256, "messages", "the oldest goes and is counted as dropped";
    /// Outgoing bytes queued for one connection.
    pub OUTGOING_BYTES_MAX: usize = 256 * 1024, "bytes", "the oldest goes and is counted as dropped";
    /// How long a peer may take no byte.
    pub WRITE_TIMEOUT_MS: u64 = 30_000, "ms", "closed as write-timeout";
    /// From the first byte of a large packet, once there is room for it, to its last.
    pub PACKET_TIMEOUT_MS: u64 = 60_000, "ms", "closed as packet-timeout";
    /// How long a shutdown waits for outstanding acknowledgements.
    pub SHUTDOWN_TIMEOUT_MS: u64 = 5_000, "ms", "what is not settled is dropped; it was never acknowledged";
    /// Smallest piece that is read at once; the size follows what the connection sends.
    pub(crate) READ_BYTES_MIN: usize = 2 * 1024, "bytes", "a silent connection's buffer shrinks no further";
    /// Largest piece that is read at once.
    pub(crate) READ_BYTES_MAX: usize = 64 * 1024, "bytes", "the rest is read in the next step";
    /// An incomplete packet that is buffered without room from the total.
    pub(crate) UNGRANTED_PACKET_BYTES_MAX: usize = 16 * 1024, "bytes", "reading waits until there is room for the packet";
    /// An incomplete CONNECT that is buffered without room from the total.
    pub(crate) UNGRANTED_CONNECT_BYTES_MAX: usize = 4 * 1024, "bytes", "reading waits until there is room for the packet";
    /// Room that a connection takes from the total in advance while it decodes; what it does not need it gives back.
    pub(crate) ROOM_AHEAD_BYTES: usize = 16 * 1024, "bytes", "the next piece is taken";
    /// What a message costs in memory beside its packet.
    pub(crate) MESSAGE_OVERHEAD_BYTES: usize = 64, "bytes", "counted with every message that is handed over";
    /// Batches of one connection that wait for the handler.
    pub(crate) CONNECTION_BATCHES_MAX: usize = 256, "batches", "nothing more is read from it until one is settled";
    /// Encoded bytes that wait for the peer to take them.
    pub(crate) UNSENT_BYTES_MAX: usize = 64 * 1024, "bytes", "nothing more is read from it or taken from its queue";
    /// Time for the last packet of a connection to leave.
    pub(crate) FAREWELL_TIMEOUT_MS: u64 = 1_000, "ms", "closed without it";
    /// After a server-side close: how long unread input is thrown away, so that the last packet is not lost to a reset.
    pub(crate) LINGER_MS: u64 = 300, "ms", "closed over what is unread";
    /// After a server-side close: unread input that is thrown away.
    pub(crate) LINGER_BYTES_MAX: usize = 1024 * 1024, "bytes", "closed over what is unread";
    /// Bytes that a client has queued and its peer has not taken.
    pub(crate) CLIENT_UNSENT_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "publishing fails; whoever publishes connects anew";
    /// Pause after the system refused a new socket.
    pub(crate) ACCEPT_PAUSE_MS: u64 = 50, "ms", "accepting is tried again";
    /// What MQTT can say at most in a fixed header, header included.
    pub(crate) PROTOCOL_PACKET_BYTES_MAX: usize = 268_435_455 + 5, "bytes", "a larger bound is refused at the start";
}
