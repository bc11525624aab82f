//! Every bound of the log in one place.
//!
//! They hold for both engines, so that a program that works on one does not meet a new limit on the other.

wardline_limits::limits! {
    /// Largest record: key, value and headers together. Below Kafka's default of 1,000,000 bytes a message.
    pub RECORD_BYTES_MAX: usize = 960 * 1024, "bytes", "the append is refused with RecordTooLarge";
    /// Most that one call of `append` or `append_many` may carry.
    pub APPEND_BYTES_MAX: usize = 32 * 1024 * 1024, "bytes", "the append is refused with RecordTooLarge";
    /// Most records of one call of `append` or `append_many`.
    pub APPEND_RECORDS_MAX: usize = 50_000, "records", "the append is refused with RecordTooLarge";
    /// Most headers of a record.
    pub RECORD_HEADERS_MAX: usize = 64, "headers", "the append is refused with RecordTooLarge";
    /// Longest name of a header.
    pub HEADER_NAME_BYTES_MAX: usize = 256, "bytes", "the append is refused with RecordTooLarge";
    /// Most that one read returns.
    pub READ_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "the rest comes with the next read; a single larger record still comes";
    /// Longest topic name (Kafka allows 249 with the prefix).
    pub TOPIC_NAME_BYTES_MAX: usize = 200, "bytes", "the topic is refused with InvalidTopic";
    /// Most partitions of a topic.
    pub PARTITIONS_MAX: u32 = 1024, "partitions", "the topic is refused with InvalidTopic";
    /// What a record costs in memory beside its bytes, wherever bytes in memory are bounded.
    pub RECORD_OVERHEAD_BYTES: usize = 512, "bytes", "counted, not checked";

    /// Records that a scan or a follower reads at once, unless told otherwise.
    pub FOLLOW_READ_RECORDS_MAX: usize = 1_000, "records", "the rest comes with the next read";
    /// Longest single wait of a scan or a follower for records.
    pub FOLLOW_WAIT_MS: u64 = 1_000, "ms", "a follower says that nothing came; a scan asks again";
    /// How long the log may say that there is more and give nothing.
    pub SCAN_STALL_MS: u64 = 30_000, "ms", "the scan ends with Stalled";
    /// How often a follower looks for new partitions and whether a log is still the same.
    pub FOLLOW_CHECK_INTERVAL_MS: u64 = 5_000, "ms", "it looks";
    /// The same while a topic does not exist yet.
    pub FOLLOW_MISSING_INTERVAL_MS: u64 = 250, "ms", "it looks";
    /// How old the ends that a follower tells may be while records come.
    pub FOLLOW_ENDS_INTERVAL_MS: u64 = 1_000, "ms", "it asks for them again";
    /// How often a follower that nothing comes for reads the last records again to see whether they are the same.
    pub FOLLOW_COMPARE_INTERVAL_MS: u64 = 30_000, "ms", "it reads them";
    /// First wait of a follower after a failure; doubles up to the longest.
    pub FOLLOW_RETRY_FIRST_MS: u64 = 200, "ms", "it tries again";
    /// Longest wait of a follower between two attempts.
    pub FOLLOW_RETRY_LONGEST_MS: u64 = 10_000, "ms", "it tries again";

    /// Bytes that may wait for a commit in the embedded engine.
    pub PENDING_BYTES_MAX: usize = 64 * 1024 * 1024, "bytes", "callers wait";
    /// Bytes that one commit of the embedded engine takes at most.
    pub COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024, "bytes", "the rest goes into the next commit; one larger append still goes as a whole";
    /// What a stored block should not exceed: redb keeps values in runs of 2^k pages, so just under 64 KiB wastes least.
    pub BLOCK_STORED_BYTES_MAX: usize = 60_000, "bytes", "the records are cut into more blocks; a single larger record still is one";
    /// Raw bytes that go into one block before compression, whatever the ratio promises.
    pub BLOCK_RAW_BYTES_MAX: usize = 512 * 1024, "bytes", "the records are cut into more blocks";
    /// Most raw bytes that a block read from disk may claim, before memory is taken for it.
    pub BLOCK_DECODED_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "the block is called damaged";
    /// Page cache of the embedded engine (redb's default would be 1 GiB).
    pub CACHE_BYTES: usize = 12 * 1024 * 1024, "bytes", "pages are read from the file again";
    /// How often retention and compaction run by themselves.
    pub MAINTENANCE_INTERVAL_MS: u64 = 60_000, "ms", "a background pass begins";
    /// How long a tombstone outlives the first compaction that saw it.
    pub TOMBSTONE_GRACE_MS: u64 = 24 * 60 * 60 * 1000, "ms", "the next compaction removes it";
    /// Keys that one compaction pass remembers.
    pub COMPACT_KEYS_BYTES_MAX: usize = 16 * 1024 * 1024, "bytes", "the rest of the partition waits for the next pass";
    /// Bytes, as they lie in memory, that one compaction step handles before waiting appends get their turn.
    pub MAINTENANCE_STEP_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "the rest waits for the next step";
    /// Blocks that one maintenance step handles at most.
    pub MAINTENANCE_STEP_BLOCKS_MAX: usize = 512, "blocks", "the rest waits for the next step";
    /// Unclean bytes below which the background pass leaves a compacted partition alone.
    pub COMPACT_DIRTY_BYTES_MIN: u64 = 256 * 1024, "bytes", "it is compacted if they are half of what is stored";
    /// Ranges that one `Maintenance` names one by one.
    pub MAINTENANCE_RANGES_MAX: usize = 1024, "ranges", "further ones are counted in bytes only";

    /// Longest wait for a metadata or admin answer from Kafka.
    pub KAFKA_REQUEST_TIMEOUT_MS: u64 = 15_000, "ms", "the call ends with Unavailable";
    /// How old the number of partitions that an append goes by may be.
    pub KAFKA_TOPIC_AGE_MS_MAX: u64 = 60_000, "ms", "it is asked for again, beside the append";
    /// Records that the Kafka producer takes: more than fit by the next limit.
    pub KAFKA_IN_FLIGHT_RECORDS_MAX: usize = 300_000, "records", "never reached";
    /// KiB that wait inside the Kafka producer.
    pub KAFKA_IN_FLIGHT_KBYTES_MAX: usize = 128 * 1024, "KiB", "callers wait";
    /// KiB that a Kafka reader fetches ahead of what was read.
    pub KAFKA_FETCH_AHEAD_KBYTES_MAX: usize = 8 * 1024, "KiB", "it fetches nothing more until some of it was read";
    /// How long a Kafka reader that has fetched enough leaves it at that before it looks again.
    pub KAFKA_FETCH_PAUSE_MS: u64 = 10, "ms", "it looks whether there is room again";
    /// Buffer that a Kafka reader copies records into.
    pub KAFKA_READ_BUFFER_BYTES: usize = 64 * 1024, "bytes", "the next buffer is begun; a larger record gets one of its own";
}
