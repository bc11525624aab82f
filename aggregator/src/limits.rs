//! Every bound of the aggregator: what memory, waits and answers are held to, and what happens there.

wardline_limits::limits! {
    /// Records that one delivery from a log carries at most.
    pub DELIVERY_RECORDS_MAX: usize = 1_000, "records", "the rest comes with the next delivery";
    /// Deliveries that wait for the fold.
    pub DELIVERIES_QUEUED_MAX: usize = 4, "deliveries", "readers wait";
    /// Folded records after which a commit happens whatever the time.
    pub COMMIT_RECORDS_MAX: u64 = 5_000, "records", "they are committed at once";
    /// Longest time between a record's folding and its commit. A commit costs some 30 kB of writes however much it
    /// carries, so state follows memory once a second; after a crash the log is folded again from the committed positions.
    pub COMMIT_INTERVAL_MS: u64 = 1_000, "ms", "what waits is committed";
    /// Folded records that may wait for a store that cannot commit.
    pub UNCOMMITTED_RECORDS_MAX: u64 = 20_000, "records", "the fold stops reading, queries go on";
    /// Wait before a failed commit is tried again.
    pub COMMIT_RETRY_MS: u64 = 1_000, "ms", "the same commit is repeated";
    /// How often changed rows are worked out and published.
    pub REFRESH_INTERVAL_MS: u64 = 100, "ms", "changed rows are worked out";
    /// How often all rows are worked out, because time itself changes them.
    pub PULSE_INTERVAL_MS: u64 = 1_000, "ms", "all rows are worked out";
    /// How often history beyond the horizon is let go.
    pub EVICT_INTERVAL_MS: u64 = 600_000, "ms", "what ended before the horizon is forgotten";
    /// redb's page cache for state.redb.
    pub STORE_CACHE_BYTES: usize = 16 * 1024 * 1024, "bytes", "older pages are read from disk again";
    /// Records that could not be read and are kept with their position and cause.
    pub UNREADABLE_KEPT_MAX: u64 = 1_000, "records", "the oldest is forgotten, the count stays";
    /// Rows that one append carries for each view topic.
    pub OUTBOX_BATCH_ROWS_MAX: usize = 1_000, "rows", "the rest goes with the next append";
    /// Wait before the view topics are tried again.
    pub OUTBOX_RETRY_MS: u64 = 1_000, "ms", "the same rows are appended again";

    /// First wait after a failure of a log.
    pub RETRY_FIRST_MS: u64 = 200, "ms", "the next wait is twice as long";
    /// Longest wait between two attempts at a log that fails.
    pub RETRY_LONGEST_MS: u64 = 10_000, "ms", "waits grow no longer, the problem is shown";
    /// Records that one copy to the centre carries.
    pub COPY_RECORDS_MAX: usize = 1_000, "records", "the rest goes with the next copy";
    /// Copied records after which the checkpoint moves.
    pub CHECKPOINT_RECORDS_MAX: u64 = 10_000, "records", "the checkpoint is written";
    /// Longest time between a copy and its checkpoint.
    pub CHECKPOINT_INTERVAL_MS: u64 = 1_000, "ms", "the checkpoint is written";
    /// How long a truncated or recreated source is shown as a problem.
    pub PROBLEM_SHOWN_MS: i64 = 24 * 60 * 60 * 1000, "ms", "it is shown no more, the counts stay";
    /// Age at which a bridge's count of written records is compared with what arrived: whatever it counted is in the log
    /// and has been looked for since.
    pub SETTLED_AFTER_MS: i64 = 15_000, "ms", "what is missing then is unaccounted";

    /// An agent says something at least this often.
    pub AGENT_SILENT_AFTER_MS: i64 = 60_000, "ms", "it counts as not heard, and coverage falls";
    /// A device that said nothing for longer.
    pub DEVICE_SILENT_MS: i64 = 5 * 60 * 1000, "ms", "it is shown as silent";

    /// A device's word that was older than this when it was received.
    pub DEVICE_WORD_OLD_MS: i64 = 60 * 60 * 1000, "ms", "its state is not known, because of its clock or a long way";

    /// Beds of one hospital list.
    pub BEDS_MAX: usize = 100_000, "beds", "the list is refused";
    /// Problems reported of one list; a wrong file is wrong in every line.
    pub BED_LIST_ERRORS_MAX: usize = 100, "problems", "the others are not told";
    /// Events of one explanation, the newest ones.
    pub EXPLAIN_EVENTS_MAX: usize = 200, "events", "older ones are left out";
    /// Arrivals per metric that are kept of a device with sequence numbers.
    /// How old what was folded last may be while more waits, before an answer says that it is catching up.
    pub CATCHING_UP_AFTER_S: i64 = 2, "s", "answers say catching_up";
    /// How long a site's bridge may have events in its log without having mapped them.
    pub UNMAPPED_AFTER_MS: i64 = 30_000, "ms", "answers say catching_up";
    /// How far a sender's clock may be ahead of the agent's without a word about it.
    pub CLOCK_AHEAD_MS: i64 = 5 * 60 * 1000, "ms", "the time is flagged; of a device the time received counts";
    /// How far ahead a time of an ADT message can be and still be one.
    pub IMPLAUSIBLE_AHEAD_MS: i64 = 24 * 3600 * 1000, "ms", "the time received counts";
    pub DEVICE_ARRIVALS_MAX: usize = 4, "messages", "older ones are superseded and counted as late";
    /// Events of a visit between two marks of its state: what a late repetition costs at most, more or less.
    pub MARK_EVENTS: usize = 64, "events", "the state is marked";
    /// How long the event that ended a visit is remembered after the rest of the visit was evicted, so that a late
    /// update does not bring the visit back.
    pub ENDED_KEPT_MS: i64 = 180 * 24 * 3600 * 1000, "ms", "the end is forgotten too";

    /// Connections to the API at the same time.
    pub CONNECTIONS_MAX: usize = 256, "connections", "the next one is closed and counted";
    /// Clients of the event stream at the same time.
    pub STREAM_CLIENTS_MAX: usize = 64, "clients", "the next one gets 503";
    /// Clients that follow a log topic at the same time.
    pub FOLLOW_CLIENTS_MAX: usize = 32, "clients", "the next one gets 503";
    /// Newest changes kept for stream clients that lag behind or come back.
    pub STREAM_CHANGES_MAX: usize = 4_096, "changes", "who needs older ones is told to ask again";
    /// Silence of a stream.
    pub STREAM_HEARTBEAT_MS: u64 = 15_000, "ms", "a comment is sent";
    /// Longest wait for the whole head of a request, on a fresh connection as on a kept one.
    pub HEAD_TIMEOUT_MS: u64 = 30_000, "ms", "the connection is closed";
    /// Head of a request, and what a connection buffers.
    pub HEAD_BYTES_MAX: usize = 32 * 1024, "bytes", "431, and the connection is closed";
    /// Body of a request; no endpoint needs any.
    pub BODY_BYTES_MAX: u64 = 64 * 1024, "bytes", "413";
    /// Longest time for one answer that is not a stream.
    pub ANSWER_TIMEOUT_MS: u64 = 30_000, "ms", "504; a line that a client does not take ends its answer";
    /// How long open answers may take once the aggregator stops.
    pub SHUTDOWN_TIMEOUT_MS: u64 = 3_000, "ms", "they are cut off";
    /// Sideline items in one answer.
    pub SIDELINE_ITEMS_MAX: usize = 1_000, "items", "400; the next page has the rest";
    /// Sideline items in one answer unless asked otherwise.
    pub SIDELINE_ITEMS_DEFAULT: usize = 100, "items", "the next page has the rest";
    /// Log records in one answer, unless it follows.
    pub LOG_LINES_MAX: usize = 100_000, "records", "400";
    /// Log records in one answer unless asked otherwise.
    pub LOG_LINES_DEFAULT: usize = 1_000, "records", "the answer ends";
    /// Log lines that wait for a slow client.
    pub LOG_LINES_QUEUED_MAX: usize = 256, "lines", "reading waits for the client";
}
