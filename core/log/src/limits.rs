//! Every bound of the log in one place, with the unit last in its name.
//!
//! They hold for both engines, so that a program that works on one does not meet a new limit on the other.

/// Largest record: key, value and headers together. Below Kafka's default of 1,000,000 bytes a message.
pub const RECORD_BYTES_MAX: usize = 960 * 1024;
/// Most that one call of `append` or `append_many` may carry.
pub const APPEND_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most records of one call of `append` or `append_many`.
pub const APPEND_RECORDS_MAX: usize = 50_000;
/// Most headers of a record.
pub const RECORD_HEADERS_MAX: usize = 64;
/// Longest name of a header.
pub const HEADER_NAME_BYTES_MAX: usize = 256;
/// Most that one `Reader::next` returns, unless a single record is larger.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest topic name (Kafka allows 249 with the prefix).
pub const TOPIC_NAME_BYTES_MAX: usize = 200;
/// Most partitions of a topic.
pub const PARTITIONS_MAX: u32 = 1024;

/// Bytes that may wait for a commit in the embedded engine; callers wait beyond it.
pub const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that one commit of the embedded engine takes at most; one larger append still goes as a whole.
pub const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a stored block should not exceed: redb keeps values in runs of 2^k pages, so just under 64 KiB wastes least.
pub const BLOCK_STORED_BYTES_MAX: usize = 60_000;
/// Raw bytes that go into one block before compression, whatever the ratio promises.
pub const BLOCK_RAW_BYTES_MAX: usize = 512 * 1024;
/// Most raw bytes that a block read from disk may claim, before memory is taken for it.
pub const BLOCK_DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Page cache of the embedded engine (redb's default would be 1 GiB).
pub const CACHE_BYTES: usize = 12 * 1024 * 1024;
/// How often retention and compaction run by themselves.
pub const MAINTENANCE_INTERVAL_MS: u64 = 60_000;
/// How long a tombstone outlives the first compaction that saw it.
pub const TOMBSTONE_GRACE_MS: u64 = 24 * 60 * 60 * 1000;
/// Keys that one compaction pass remembers; the rest of the partition waits for the next pass.
pub const COMPACT_KEYS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Stored bytes that one maintenance step handles before waiting appends get their turn.
pub const MAINTENANCE_STEP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Blocks that one maintenance step handles at most.
pub const MAINTENANCE_STEP_BLOCKS_MAX: usize = 512;
/// Unclean bytes below which the background pass leaves a compacted partition alone.
pub const COMPACT_DIRTY_BYTES_MIN: u64 = 256 * 1024;
/// File size below which shrinking the file is not worth the writes.
pub const SHRINK_FILE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// The file is shrunk when it is this many times larger than what it holds.
pub const SHRINK_RATIO_MIN: u64 = 4;
/// Ranges that one `Maintenance` names one by one.
pub const MAINTENANCE_RANGES_MAX: usize = 1024;

/// Longest wait for a metadata or admin answer from Kafka.
pub const KAFKA_REQUEST_TIMEOUT_MS: u64 = 15_000;
/// What a record costs inside the Kafka producer beside its bytes; also bounds how many wait there.
pub const KAFKA_RECORD_OVERHEAD_BYTES: usize = 512;
/// Records that the Kafka producer takes: more than fit by the next limit.
pub const KAFKA_IN_FLIGHT_RECORDS_MAX: usize = 300_000;
/// KiB that wait inside the Kafka producer; callers wait beyond it.
pub const KAFKA_IN_FLIGHT_KBYTES_MAX: usize = 128 * 1024;
/// Buffer that a Kafka reader copies records into; a larger record gets one of its own.
pub const KAFKA_READ_BUFFER_BYTES: usize = 64 * 1024;
/// KiB that a Kafka reader fetches ahead.
pub const KAFKA_FETCH_AHEAD_KBYTES_MAX: usize = 8 * 1024;
