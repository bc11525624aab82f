//! Every bound of the agent, unit last. What happens at a bound is chosen where it is used: refuse, wait, or close.

use wardline_model::limits::FRAME_RAW_BYTES_MAX;

/// Page cache of the store. The library's default of 1 GiB would be the whole gateway.
pub const STORE_CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Uncompressed events of one stored block. A block of this size fits a frame even if it does not compress.
pub const BLOCK_RAW_BYTES_MAX: usize = 512 * 1024;
/// Events that one commit takes from the queue, uncompressed; the rest goes into the next one.
pub const COMMIT_RAW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A commit of this size does not wait for company.
pub const COMMIT_LARGE_BYTES: usize = 64 * 1024;
/// Events that wait for a commit. Above it an append is refused as busy; intake bounds itself far below.
pub const QUEUE_RAW_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Blocks that one commit frees; the rest goes with the next one.
pub const FREE_BLOCKS_MAX: usize = 1024;
/// How long a receipt waits for a commit that takes its deletions along.
pub const FREE_DELAY_MS: u64 = 500;
/// QoS 2 packet identifiers that are not yet released, all clients together.
pub const QOS2_IDS_MAX: u64 = 262_144;
/// How often an idle committer looks around.
pub const IDLE_TICK_MS: u64 = 10_000;
/// How often it is looked whether the file should be made smaller.
pub const HOUSEKEEPING_MS: u64 = 60_000;
/// A page of the store's file, for the quota's arithmetic.
pub const STORE_PAGE_BYTES: u64 = 4096;
/// What a stored block costs besides its bytes: key, offsets, its share of a page that is never quite full.
pub const BLOCK_OVERHEAD_BYTES: u64 = 64;
/// Smallest quota: below it a single large message would not fit.
pub const QUOTA_BYTES_MIN: u64 = 1024 * 1024;

/// Events that are merged into one frame.
pub const FRAME_EVENTS_MERGE_MAX: u32 = wardline_model::limits::FRAME_EVENTS_MAX;
/// Uncompressed bytes that are merged into one frame.
pub const FRAME_RAW_BYTES_MERGE_MAX: usize = 256 * 1024;
/// Frames sent and not yet covered by a receipt.
pub const WINDOW_FRAMES_MAX: usize = 32;
/// Bytes of frames sent and not yet covered by a receipt.
pub const WINDOW_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Frames of the window that the backlog lane leaves to the live lane.
pub const WINDOW_LIVE_RESERVE_FRAMES: usize = 8;
/// A backlog of up to so many events goes in order on the live lane.
pub const BACKLOG_INLINE_EVENTS_MAX: u64 = 16_384;
/// A backlog of up to so many stored bytes goes in order on the live lane.
pub const BACKLOG_INLINE_BYTES_MAX: u64 = 1024 * 1024;
/// Without a receipt for so long while frames are outstanding, the connection is given up.
pub const RECEIPT_TIMEOUT_MS: u64 = 10_000;
/// From the first byte to the granted subscription.
pub const UPLINK_CONNECT_TIMEOUT_MS: u64 = 10_000;
pub const UPLINK_KEEP_ALIVE_S: u64 = 5;
/// How often a session looks at its timeouts.
pub const UPLINK_TICK_MS: u64 = 200;
pub const BACKOFF_MIN_MS: u64 = 200;
pub const BACKOFF_MAX_MS: u64 = 30_000;
/// Time for the farewell of a session.
pub const UPLINK_FAREWELL_MS: u64 = 1_000;
pub const STATUS_INTERVAL_MS: u64 = 10_000;

/// HL7 senders connected at a time.
pub const MLLP_CONNECTIONS_MAX: usize = 256;
/// Messages of one connection whose answer is outstanding.
pub const MLLP_PIPELINE_MAX: usize = 64;
/// HL7 messages of all connections whose answer is outstanding.
pub const MLLP_PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;
pub const MLLP_READ_BYTES: usize = 8 * 1024;
/// A sender that takes no answer for so long is gone.
pub const MLLP_WRITE_TIMEOUT_MS: u64 = 30_000;
/// What is kept of a message that is too large: enough to answer it.
pub const MLLP_HEAD_BYTES: usize = 4096;
/// How long a stopping listener waits for outstanding answers.
pub const MLLP_SHUTDOWN_TIMEOUT_MS: u64 = 5_000;
/// An echoed field of an acknowledgement.
pub const ACK_FIELD_CHARS_MAX: usize = 256;

/// Programs that ask for the status at a time, and how long one may take to read it.
pub const STATUS_CLIENTS_MAX: usize = 8;
pub const STATUS_WRITE_TIMEOUT_MS: u64 = 2_000;
pub const STATUS_BYTES_MAX: u64 = 64 * 1024;

/// Bound that is said of a clock which the system reports as synchronised.
pub const CLOCK_SYNCED_UNCERTAINTY_MS: u32 = 1_000;
/// How long an answer about clock quality is used.
pub const CLOCK_QUALITY_AGE_MS: u64 = 30_000;

// A block must fit a frame whatever it holds: the model's limits and ours agree at compile time.
const _: () = assert!(BLOCK_RAW_BYTES_MAX <= FRAME_RAW_BYTES_MAX);
const _: () = assert!(
    BLOCK_RAW_BYTES_MAX + BLOCK_RAW_BYTES_MAX / 128 + 1024
        <= wardline_model::limits::FRAME_BYTES_MAX
);
const _: () = assert!(wardline_model::limits::HL7_MESSAGE_BYTES_MAX + 2048 <= BLOCK_RAW_BYTES_MAX);
