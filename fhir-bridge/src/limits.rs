//! Every bound of the bridge in one place, with the unit last in its name.
//!
//! A bound is checked before memory is taken; what happens at it is chosen, counted and shown (promise P7).

use wardline_log::limits::RECORD_BYTES_MAX;

/// Largest frame that goes into a record as it came; larger ones are cut into parts. Leaves room for headers.
pub const FRAME_RECORD_BYTES_MAX: usize = RECORD_BYTES_MAX - 4 * 1024;
/// Bytes of a damaged frame that the sideline keeps.
pub const SIDELINE_RAW_BYTES_MAX: usize = FRAME_RECORD_BYTES_MAX;
/// Damaged frames that are remembered, so that one that is sent again and again is kept once.
pub const DAMAGED_REMEMBERED_MAX: usize = 1024;

/// Messages that wait for the ingest task; a connection that finds it full is refused and comes again.
pub const QUEUE_JOBS_MAX: usize = 16 * 1024;
/// Frames that go into one append at most.
pub const BATCH_FRAMES_MAX: usize = 1024;
/// Frame bytes after which an append takes no further job: two frames of each job still fit `APPEND_BYTES_MAX`.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Agents that one site may have.
pub const AGENTS_MAX: usize = 4096;
/// Lives of one agent's store whose coverage is kept; the least recently heard one goes.
pub const INCARNATIONS_PER_AGENT_MAX: usize = 64;
/// Disjoint ranges of one life; a frame that would make more is refused until holes close.
pub const FRAGMENTS_MAX: usize = 4096;

/// Frames after which the watermarks are written down again.
pub const SNAPSHOT_FRAMES: u64 = 10_000;
/// Time after which they are, if anything moved.
pub const SNAPSHOT_INTERVAL_MS: u64 = 10_000;
/// Records read at once when the watermarks are rebuilt.
pub const SCAN_RECORDS_MAX: usize = 1024;
/// A read that brings nothing for this long while the log says there is more is a fault.
pub const SCAN_STALL_MS: u64 = 30_000;

/// Pause before an append is tried again: doubles from the first to the second.
pub const APPEND_RETRY_MIN_MS: u64 = 100;
pub const APPEND_RETRY_MAX_MS: u64 = 5_000;
/// How long the end of the bridge waits for an append that is on its way, for the watermarks, and for the status.
pub const STOP_WAIT_MS: u64 = 5_000;
/// How long a start waits for a log that is not there yet.
pub const START_WAIT_MS: u64 = 60_000;

/// How often the bridge looks whether its status changed.
pub const STATUS_INTERVAL_MS: u64 = 2_000;
/// An unchanged status is said again after this, so that its age can be told from silence.
pub const STATUS_HEARTBEAT_MS: u64 = 30_000;
/// One agent's status is written at most this often, unless it went on or off line.
pub const STATUS_AGENT_MIN_MS: u64 = 4_000;
/// Problems that a status names.
pub const PROBLEMS_MAX: usize = 32;

/// Frames of one connection that may be unacknowledged, and their bytes.
pub const AGENT_RECEIVE_MAX: u16 = 256;
pub const AGENT_PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of all connections, or of the broker's, that wait for the log.
pub const TOTAL_PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Agents connected at a time.
pub const CONNECTIONS_MAX: usize = 4096;

/// Upstream broker: keep-alive, pause between connections, and the client's own queues.
pub const UPSTREAM_KEEP_ALIVE_S: u64 = 10;
pub const UPSTREAM_RETRY_MIN_MS: u64 = 200;
pub const UPSTREAM_RETRY_MAX_MS: u64 = 10_000;
pub const UPSTREAM_CONNECT_TIMEOUT_S: u64 = 5;
pub const UPSTREAM_QUEUE_MESSAGES_MAX: usize = 256;
pub const UPSTREAM_PENDING_MESSAGES_MAX: usize = 1024;

/// Retention of the site's topics, for each partition.
pub const FRAMES_RETENTION_BYTES: u64 = 20 * 1024 * 1024 * 1024;
pub const FRAMES_RETENTION_MS: u64 = 35 * DAY_MS;
pub const FHIR_RETENTION_BYTES: u64 = 20 * 1024 * 1024 * 1024;
pub const FHIR_RETENTION_MS: u64 = 35 * DAY_MS;
pub const SIDELINE_RETENTION_BYTES: u64 = 4 * 1024 * 1024 * 1024;
pub const SIDELINE_RETENTION_MS: u64 = 365 * DAY_MS;
pub const RETRY_RETENTION_BYTES: u64 = 1024 * 1024 * 1024;
pub const RETRY_RETENTION_MS: u64 = 35 * DAY_MS;
/// Partitions of every topic, unless configured.
pub const PARTITIONS: u32 = 1;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
