//! Every bound of the simulated hospital, with the unit last and what happens at it (P7).

wardline_limits::limits! {
    /// Between the messages that something is wrong with, with `--trouble`.
    pub TROUBLE_EVERY_MS: u64 = 2_000, "ms", "the next ones are sent";
    /// Messages of the second HL7 sender of `--trouble`.
    pub TROUBLE_ROUNDS_UNTIL_SILENT: u64 = 15, "messages", "it falls silent";

    /// Beds that one simulated house may have.
    pub(crate) BEDS_MAX: u32 = 20_000, "beds", "more are not made";
    /// Devices that one simulated house may have.
    pub(crate) DEVICES_MAX: u32 = 20_000, "devices", "more are not made";
    /// Messages that one step hands out.
    pub(crate) STEP_MESSAGES_MAX: usize = 4_096, "messages", "what is due beyond that comes with the next step";
    /// How far back a device's readings are made up for.
    pub(crate) DEVICE_CATCH_UP_MS: i64 = 30_000, "ms", "the readings in between are skipped: nobody reads them late";
    /// Shortest time between two events of a visit or bed, so that second-precise times keep their order.
    pub(crate) STEP_GAP_MIN_MS: i64 = 2_000, "ms", "the later event is moved";

    /// Largest acknowledgement that is read.
    pub(crate) ACK_BYTES_MAX: usize = 64 * 1024, "bytes", "the connection is given up";
    /// Largest message that a client sends; above what any listener here takes, so that tests can try.
    pub(crate) MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024, "bytes", "it is refused before it is sent";
    /// Largest MQTT packet that a client sends or takes.
    pub(crate) PACKET_BYTES_MAX: usize = 1024 * 1024, "bytes", "the connection is given up";
    /// From the first byte to the connection.
    pub(crate) CONNECT_TIMEOUT_MS: u64 = 5_000, "ms", "the attempt has failed";
    /// How long an acknowledgement may take.
    pub(crate) ACK_TIMEOUT_MS: u64 = 10_000, "ms", "the connection counts as broken";
    /// Messages without acknowledgement on one pipelined connection, unless told otherwise.
    pub(crate) WINDOW_MESSAGES: usize = 64, "messages", "acknowledgements are taken first";
    /// Silence after which a client asks whether the other side is there.
    pub(crate) KEEP_ALIVE_S: u64 = 15, "s", "a ping is sent";

    /// The first wait between two attempts is at most so long.
    pub(crate) BACKOFF_FIRST_MS: u64 = 100, "ms", "it doubles with every failure";
    /// The longest wait between two attempts.
    pub(crate) BACKOFF_MAX_MS: u64 = 3_000, "ms", "it doubles no further";
    /// HL7 messages between simulation and connection.
    pub(crate) HL7_QUEUE_MESSAGES: usize = 256, "messages", "the simulation waits";
    /// Readings between simulation and one gateway.
    pub(crate) READING_QUEUE_MESSAGES: usize = 512, "messages", "new readings are dropped and counted";
    /// Gateway connections.
    pub(crate) GATEWAYS_MAX: usize = 8, "connections", "departments beyond that share them";
    /// Longest sleep between two steps.
    pub(crate) IDLE_MAX_MS: u64 = 200, "ms", "the next step is taken";
    /// How long acknowledgements are still awaited after the stop.
    pub(crate) DRAIN_MS: u64 = 3_000, "ms", "what is missing stays unknown";
}
