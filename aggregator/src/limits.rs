//! Every bound of the aggregator, unit last. A test prints nothing and checks nothing against a clock here: these are
//! the numbers that memory, waits and answers are held to.

/// Records that one delivery from a log carries at most.
pub const DELIVERY_RECORDS_MAX: usize = 1_000;
/// Deliveries that wait for the fold; readers wait beyond it.
pub const DELIVERIES_QUEUED_MAX: usize = 4;
/// Folded records after which a commit happens whatever the time.
pub const COMMIT_RECORDS_MAX: u64 = 5_000;
/// Longest time between a record's folding and its commit. A commit costs some 30 kB of writes however much it carries,
/// so state follows memory once a second; after a crash the log is folded again from the committed positions.
pub const COMMIT_INTERVAL_MS: u64 = 1_000;
/// Folded records that may wait for a store that cannot commit; the fold stops reading beyond it.
pub const UNCOMMITTED_RECORDS_MAX: u64 = 20_000;
/// Wait before a failed commit is tried again.
pub const COMMIT_RETRY_MS: u64 = 1_000;
/// How often changed rows are worked out and published.
pub const REFRESH_INTERVAL_MS: u64 = 100;
/// How often all rows are worked out, because time itself changes them.
pub const PULSE_INTERVAL_MS: u64 = 1_000;
/// How often history beyond the horizon is let go.
pub const EVICT_INTERVAL_MS: u64 = 600_000;
/// redb's page cache for state.redb.
pub const STORE_CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Records that could not be read and are kept with their position and cause.
pub const UNREADABLE_KEPT_MAX: u64 = 1_000;
/// Outbox rows that one append to the view topics carries.
pub const OUTBOX_BATCH_ROWS_MAX: usize = 1_000;
/// Wait before the view topics are tried again.
pub const OUTBOX_RETRY_MS: u64 = 1_000;

/// Longest single wait of a log reader; a stop is noticed at once all the same.
pub const READ_WAIT_MS: u64 = 1_000;
/// How often new topics and partitions are looked for, and the end of an idle partition is compared.
pub const DISCOVER_INTERVAL_MS: u64 = 5_000;
/// The same while a topic does not exist yet.
pub const DISCOVER_MISSING_INTERVAL_MS: u64 = 250;
/// First wait after a failure of a log; doubles up to the longest.
pub const RETRY_FIRST_MS: u64 = 200;
/// Longest wait between two attempts at a log that fails.
pub const RETRY_LONGEST_MS: u64 = 10_000;
/// Records that one copy to the centre carries.
pub const COPY_RECORDS_MAX: usize = 1_000;
/// Copied records after which the checkpoint moves.
pub const CHECKPOINT_RECORDS_MAX: u64 = 10_000;
/// Longest time between a copy and its checkpoint.
pub const CHECKPOINT_INTERVAL_MS: u64 = 1_000;
/// How long a truncated or recreated source is shown as a problem.
pub const PROBLEM_SHOWN_MS: i64 = 24 * 60 * 60 * 1000;

/// An agent says something at least this often, or it counts as not heard.
pub const AGENT_SILENT_AFTER_MS: i64 = 60_000;

/// Connections to the API at the same time.
pub const CONNECTIONS_MAX: usize = 256;
/// Clients of the event stream at the same time.
pub const STREAM_CLIENTS_MAX: usize = 64;
/// Clients that follow a log topic at the same time.
pub const FOLLOW_CLIENTS_MAX: usize = 32;
/// Changes that a stream client may lag behind before it is told to ask again.
pub const STREAM_CHANGES_MAX: usize = 4_096;
/// A comment goes to silent stream clients this often.
pub const STREAM_HEARTBEAT_MS: u64 = 15_000;
/// Longest wait for the whole head of a request, on a fresh connection as on a kept one.
pub const HEAD_TIMEOUT_MS: u64 = 30_000;
/// Head of a request, and what a connection buffers.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Body of a request; no endpoint needs any.
pub const BODY_BYTES_MAX: u64 = 64 * 1024;
/// Longest time for one answer that is not a stream.
pub const ANSWER_TIMEOUT_MS: u64 = 30_000;
/// How long open answers may take once the aggregator stops.
pub const SHUTDOWN_TIMEOUT_MS: u64 = 3_000;
/// Sideline items in one answer.
pub const SIDELINE_ITEMS_MAX: usize = 1_000;
/// Sideline items in one answer unless asked otherwise.
pub const SIDELINE_ITEMS_DEFAULT: usize = 100;
/// Log records in one answer, unless it follows.
pub const LOG_LINES_MAX: usize = 100_000;
/// Log records in one answer unless asked otherwise.
pub const LOG_LINES_DEFAULT: usize = 1_000;
/// Log lines that wait for a slow client.
pub const LOG_LINES_QUEUED_MAX: usize = 256;
