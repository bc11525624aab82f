//! Every bound of the shared formats. A decoder checks these before it allocates.

wardline_limits::limits! {
    /// One HL7 message over MLLP, without framing.
    pub HL7_MESSAGE_BYTES_MAX: usize = 256 * 1024, "bytes", "the message is refused with AR";
    /// Events in one frame.
    pub FRAME_EVENTS_MAX: u32 = 4096, "events", "the rest goes into the next frame; a frame with more is not valid";
    /// The uncompressed block of one frame.
    pub FRAME_RAW_BYTES_MAX: usize = 2 * 1024 * 1024, "bytes", "the rest goes into the next frame; a frame with more is not valid";
    /// A whole frame on the wire, header and checksum included.
    pub FRAME_BYTES_MAX: usize = 1024 * 1024, "bytes", "the rest goes into the next frame; a larger one is not valid";
    /// An MQTT packet that carries a frame: the frame, its topic and the packet's own header.
    pub FRAME_PACKET_BYTES_MAX: usize = FRAME_BYTES_MAX + 4096, "bytes", "the packet is refused";
    /// Names of sites and agents.
    pub NAME_BYTES_MAX: usize = 32, "bytes", "the name is not valid";
    /// An MQTT topic inside an event.
    pub TOPIC_BYTES_MAX: usize = 1024, "bytes", "intake refuses the message; a block with a longer one is not valid";
    /// Who an event came from: client id or peer address.
    pub SOURCE_BYTES_MAX: usize = 256, "bytes", "the rest is cut off";
    /// Ranges above `up_to` that one receipt may name.
    pub RECEIPT_RANGES_MAX: usize = 64, "ranges", "the highest are named in a later receipt";
    /// A receipt or status message on the wire.
    pub CONTROL_BYTES_MAX: usize = 64 * 1024, "bytes", "the message is not valid";
    /// PV1-3 and other person locations.
    pub LOCATION_CHARS_MAX: usize = 80, "characters", "the event is sidelined";
    /// Raw bytes that a sideline record keeps. Leaves room in a log's record for headers.
    pub SIDELINE_RAW_BYTES_MAX: usize = 896 * 1024, "bytes", "the rest is cut off, and the record says so";
    /// The `detail` of a sideline record.
    pub SIDELINE_DETAIL_CHARS_MAX: usize = 300, "characters", "the rest is cut off";
    /// Any other header of a sideline record.
    pub SIDELINE_HEADER_BYTES_MAX: usize = 1024, "bytes", "the rest is cut off";
}
