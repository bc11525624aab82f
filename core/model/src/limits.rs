//! Every bound of the shared formats, unit last. A decoder checks these before it allocates.

/// One MQTT packet from a device, as configured by default.
pub const DEVICE_PACKET_BYTES_MAX: usize = 256 * 1024;
/// One HL7 message over MLLP, without framing.
pub const HL7_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Events in one frame.
pub const FRAME_EVENTS_MAX: u32 = 4096;
/// The uncompressed block of one frame.
pub const FRAME_RAW_BYTES_MAX: usize = 2 * 1024 * 1024;
/// A whole frame on the wire, header and checksum included.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// An MQTT packet that carries a frame: the frame, its topic and the packet's own header.
pub const FRAME_PACKET_BYTES_MAX: usize = FRAME_BYTES_MAX + 4096;
/// Names of sites and agents.
pub const NAME_BYTES_MAX: usize = 32;
/// An MQTT topic inside an event.
pub const TOPIC_BYTES_MAX: usize = 1024;
/// Who an event came from: client id or peer address.
pub const SOURCE_BYTES_MAX: usize = 256;
/// Ranges above `up_to` that one receipt may name.
pub const RECEIPT_RANGES_MAX: usize = 64;
/// A receipt or status message on the wire.
pub const CONTROL_BYTES_MAX: usize = 64 * 1024;
/// PV1-3 and other person locations, in characters.
pub const LOCATION_CHARS_MAX: usize = 80;
