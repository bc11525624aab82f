//! Every bound of the agent, with the unit last and what happens at it (P7).

use wardline_model::limits::FRAME_RAW_BYTES_MAX;

wardline_limits::limits! {
    /// Page cache of the store. The library's default of 1 GiB would be the whole gateway.
    pub STORE_CACHE_BYTES: usize = 4 * 1024 * 1024, "bytes", "pages are read from the disk again";
    /// Uncompressed events of one stored block. A block of this size fits a frame even if it does not compress.
    pub BLOCK_RAW_BYTES_MAX: usize = 512 * 1024, "bytes", "the next event begins another block";
    /// Events that one commit takes from the queue, uncompressed.
    pub COMMIT_RAW_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "the rest goes into the next commit";
    /// A commit of this size does not wait for company.
    pub COMMIT_LARGE_BYTES: usize = 64 * 1024, "bytes", "it is written at once";
    /// Events that wait for a commit; intake bounds itself far below.
    pub QUEUE_RAW_BYTES_MAX: usize = 64 * 1024 * 1024, "bytes", "an append is refused as busy";
    /// Blocks that one commit frees.
    pub FREE_BLOCKS_MAX: usize = 1024, "blocks", "the rest goes with the next commit";
    /// How long a receipt waits for a commit that takes its deletions along.
    pub FREE_DELAY_MS: u64 = 500, "ms", "the deletions are committed by themselves";
    /// QoS 2 packet identifiers that are not yet released, all clients together.
    pub QOS2_IDS_MAX: u64 = 262_144, "identifiers", "the message is refused; the device sends it again";
    /// How often an idle committer looks around.
    pub IDLE_TICK_MS: u64 = 10_000, "ms", "it looks for what is due";
    /// How often it is looked whether the file should be made smaller.
    pub HOUSEKEEPING_MS: u64 = 60_000, "ms", "it is looked";
    /// A page of the store's file, for the quota's arithmetic.
    pub STORE_PAGE_BYTES: u64 = 4096, "bytes", "the next page is counted";
    /// What a stored block costs besides its bytes: key, offsets, its share of a page that is never quite full.
    pub BLOCK_OVERHEAD_BYTES: u64 = 64, "bytes", "counted with every block";
    /// Smallest quota: below it a single large message would not fit.
    pub QUOTA_BYTES_MIN: u64 = 1024 * 1024, "bytes", "a smaller one is a configuration problem";
    /// Longest time that a commit may wait for company.
    pub LINGER_MS_MAX: u64 = 5_000, "ms", "a longer one is a configuration problem";
    /// Smallest bound for a device's packet.
    pub PACKET_BYTES_MIN: u64 = 128, "bytes", "a smaller one is a configuration problem";

    /// Events that are merged into one frame.
    pub FRAME_EVENTS_MERGE_MAX: u32 = wardline_model::limits::FRAME_EVENTS_MAX, "events", "the next frame begins";
    /// Uncompressed bytes that are merged into one frame.
    pub FRAME_RAW_BYTES_MERGE_MAX: usize = 256 * 1024, "bytes", "the next frame begins";
    /// Frames sent and not yet covered by a receipt.
    pub WINDOW_FRAMES_MAX: usize = 32, "frames", "nothing more is sent until a receipt comes";
    /// Bytes of frames sent and not yet covered by a receipt.
    pub WINDOW_BYTES_MAX: usize = 2 * 1024 * 1024, "bytes", "nothing more is sent until a receipt comes";
    /// Frames of the window that the backlog lane leaves to the live lane.
    pub WINDOW_LIVE_RESERVE_FRAMES: usize = 8, "frames", "the backlog waits";
    /// A backlog of up to so many events goes in order on the live lane.
    pub BACKLOG_INLINE_EVENTS_MAX: u64 = 16_384, "events", "a larger one has a lane of its own";
    /// A backlog of up to so many stored bytes goes in order on the live lane.
    pub BACKLOG_INLINE_BYTES_MAX: u64 = 1024 * 1024, "bytes", "a larger one has a lane of its own";
    /// Without a receipt for so long while frames are outstanding.
    pub RECEIPT_TIMEOUT_MS: u64 = 10_000, "ms", "the connection is given up and made anew";
    /// From the first byte to the granted subscription.
    pub UPLINK_CONNECT_TIMEOUT_MS: u64 = 10_000, "ms", "the attempt has failed";
    /// Silence after which the uplink asks whether the other side is there.
    pub UPLINK_KEEP_ALIVE_S: u64 = 5, "s", "a ping is sent; without an answer the connection is given up";
    /// How often a session looks at its timeouts.
    pub UPLINK_TICK_MS: u64 = 200, "ms", "it looks";
    /// The first wait between two connections to the bridge is at most so long.
    pub BACKOFF_MIN_MS: u64 = 200, "ms", "it doubles with every failure";
    /// The longest wait between two connections to the bridge.
    pub BACKOFF_MAX_MS: u64 = 30_000, "ms", "it doubles no further";
    /// Time for the farewell of a session.
    pub UPLINK_FAREWELL_MS: u64 = 1_000, "ms", "the connection is cut";
    /// How often the agent says on MQTT how it is.
    pub STATUS_INTERVAL_MS: u64 = 10_000, "ms", "it says so";

    /// HL7 senders connected at a time.
    pub MLLP_CONNECTIONS_MAX: usize = 256, "connections", "one more is closed at once";
    /// Messages of one connection whose answer is outstanding.
    pub MLLP_PIPELINE_MAX: usize = 64, "messages", "nothing more is read from it";
    /// HL7 messages of all connections whose answer is outstanding.
    pub MLLP_PENDING_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "nothing more is read: TCP back-pressure";
    /// One read from an HL7 sender.
    pub MLLP_READ_BYTES: usize = 8 * 1024, "bytes", "the rest is read next";
    /// How long a sender may take to take an answer.
    pub MLLP_WRITE_TIMEOUT_MS: u64 = 30_000, "ms", "the connection is closed";
    /// What is kept of a message that is too large: enough to answer it.
    pub MLLP_HEAD_BYTES: usize = 4096, "bytes", "the rest is skipped";
    /// How long a stopping listener waits for outstanding answers.
    pub MLLP_SHUTDOWN_TIMEOUT_MS: u64 = 5_000, "ms", "connections are cut: what was not answered is sent again";
    /// An echoed field of an acknowledgement.
    pub ACK_FIELD_CHARS_MAX: usize = 256, "characters", "the field is cut";

    /// Programs that ask for the status at a time.
    pub STATUS_CLIENTS_MAX: usize = 8, "connections", "one more is closed at once";
    /// How long one may take to read it.
    pub STATUS_WRITE_TIMEOUT_MS: u64 = 2_000, "ms", "it gets no answer";
    /// The status as `status` reads it.
    pub STATUS_BYTES_MAX: u64 = 64 * 1024, "bytes", "the answer is not understood";
    /// Between two looks when the status socket cannot accept.
    pub STATUS_ACCEPT_PAUSE_MS: u64 = 20, "ms", "it is tried again";
}

// A block must fit a frame whatever it holds: the model's limits and ours agree at compile time.
const _: () = assert!(BLOCK_RAW_BYTES_MAX <= FRAME_RAW_BYTES_MAX);
const _: () = assert!(
    BLOCK_RAW_BYTES_MAX + BLOCK_RAW_BYTES_MAX / 128 + 1024
        <= wardline_model::limits::FRAME_BYTES_MAX
);
const _: () = assert!(wardline_model::limits::HL7_MESSAGE_BYTES_MAX + 2048 <= BLOCK_RAW_BYTES_MAX);
