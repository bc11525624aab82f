//! Every bound of the crate in one place, each with its unit last.

/// Beds that one simulated house may have.
pub(crate) const BEDS_MAX: u32 = 20_000;
/// Devices that one simulated house may have.
pub(crate) const DEVICES_MAX: u32 = 20_000;
/// Messages that one step hands out; what is due beyond that comes with the next step.
pub(crate) const STEP_MESSAGES_MAX: usize = 4_096;
/// A device that was not stepped for longer skips the readings in between: nobody reads them late.
pub(crate) const DEVICE_CATCH_UP_MS: i64 = 30_000;
/// Shortest time between two events of a visit or bed, so that second-precise times keep their order.
pub(crate) const STEP_GAP_MIN_MS: i64 = 2_000;

/// Largest acknowledgement that is read.
pub(crate) const ACK_BYTES_MAX: usize = 64 * 1024;
/// Largest message that a client sends; above what any listener here takes, so that tests can try.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest MQTT packet that a client sends or takes.
pub(crate) const PACKET_BYTES_MAX: usize = 1024 * 1024;
pub(crate) const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How long an acknowledgement may take before the connection counts as broken.
pub(crate) const ACK_TIMEOUT_MS: u64 = 10_000;
/// Messages without acknowledgement on one pipelined connection, unless told otherwise.
pub(crate) const WINDOW_MESSAGES: usize = 64;
pub(crate) const KEEP_ALIVE_S: u64 = 15;

/// First and longest wait between two attempts.
pub(crate) const BACKOFF_FIRST_MS: u64 = 100;
pub(crate) const BACKOFF_MAX_MS: u64 = 3_000;
/// HL7 messages between simulation and connection; when full, the simulation waits.
pub(crate) const HL7_QUEUE_MESSAGES: usize = 256;
/// Readings between simulation and one gateway; when full, new readings are dropped and counted.
pub(crate) const READING_QUEUE_MESSAGES: usize = 512;
/// Gateway connections; departments beyond that share them.
pub(crate) const GATEWAYS_MAX: usize = 8;
/// Longest sleep between two steps.
pub(crate) const IDLE_MAX_MS: u64 = 200;
/// How long acknowledgements are still awaited after the stop.
pub(crate) const DRAIN_MS: u64 = 3_000;
