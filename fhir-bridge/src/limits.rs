//! Every bound of the bridge in one place, with the unit last in its name.
//!
//! A bound is checked before memory is taken; what happens at it is chosen, counted and shown (promise P7).

use wardline_log::limits::RECORD_BYTES_MAX;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

wardline_limits::limits! {
    /// A frame that goes into a record as it came. Leaves room for headers.
    pub FRAME_RECORD_BYTES_MAX: usize = RECORD_BYTES_MAX - 4 * 1024, "bytes", "cut into parts";
    /// Damaged frames that are remembered, so that one that is sent again and again is kept once.
    pub DAMAGED_REMEMBERED_MAX: usize = 1024, "frames", "the oldest is forgotten";

    /// Messages that wait for the ingest task.
    pub QUEUE_JOBS_MAX: usize = 16 * 1024, "messages", "the connection that brings one more is refused and comes again";
    /// Frames that go into one append.
    pub BATCH_FRAMES_MAX: usize = 1024, "frames", "the rest waits for the next append";
    /// Frame bytes of one append: two frames of each job still fit `APPEND_BYTES_MAX`.
    pub INGEST_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024, "bytes", "the rest waits for the next append";

    /// Agents that one site may have.
    pub AGENTS_MAX: usize = 4096, "agents", "frames of one more are refused";
    /// Lives of one agent's store whose watermark is kept.
    pub INCARNATIONS_PER_AGENT_MAX: usize = 64, "lives", "the least recently heard one is forgotten";
    /// Disjoint ranges of one life.
    pub FRAGMENTS_MAX: usize = 4096, "ranges", "a frame that would make more is refused until holes close";

    /// Frames after which the watermarks are written down again.
    pub SNAPSHOT_FRAMES: u64 = 10_000, "frames", "a snapshot is written";
    /// Time after which they are, if anything moved.
    pub SNAPSHOT_INTERVAL_MS: u64 = 10_000, "ms", "a snapshot is written";
    /// How often ingest looks whether a snapshot is due.
    pub SNAPSHOT_TICK_MS: u64 = 500, "ms", "it looks";

    /// Shortest pause before an append is tried again.
    pub APPEND_RETRY_MIN_MS: u64 = 100, "ms", "the next one is twice as long";
    /// Longest pause before an append is tried again.
    pub APPEND_RETRY_MAX_MS: u64 = 5_000, "ms", "pauses grow no more";
    /// What the end of the bridge waits for an append that is on its way, for the watermarks, and for the status.
    pub STOP_WAIT_MS: u64 = 5_000, "ms", "what is not durable by then was never acknowledged";
    /// How long a start waits for a log that is not there yet.
    pub START_WAIT_MS: u64 = 60_000, "ms", "the start fails";

    /// How often the status task looks whether something is due.
    pub STATUS_TICK_MS: u64 = 500, "ms", "it looks";
    /// How often a changed status of the bridge is written.
    pub STATUS_INTERVAL_MS: u64 = 2_000, "ms", "a change waits";
    /// An unchanged status is said again after this, so that its age can be told from silence.
    pub STATUS_HEARTBEAT_MS: u64 = 30_000, "ms", "the status is written";
    /// How often one agent's status is written, unless it went on or off line.
    pub STATUS_AGENT_MIN_MS: u64 = 4_000, "ms", "a change waits";
    /// How often what is known of the feeds is written, unless one fell silent or came back.
    pub FEEDS_INTERVAL_MS: u64 = 10_000, "ms", "a change waits";
    /// How often it is kept for the next start.
    pub FEEDS_SAVED_MS: u64 = 60_000, "ms", "a crash forgets what came since";
    /// Feeds of a site that are told apart.
    pub FEEDS_MAX: usize = 512, "feeds", "one that gave nothing to the views makes room, else one more counts as `other`";
    /// Points of care that one feed names.
    pub FEED_PLACES_MAX: usize = 64, "places", "further ones do not count for its coverage";
    /// Name of a feed, a topic or a place in a message.
    pub FEED_NAME_CHARS_MAX: usize = 100, "characters", "it is cut";
    /// Gaps between events after which a feed has a usual interval.
    pub FEED_GAPS_MIN: u64 = 4, "gaps", "before, it has none and is never called silent";
    /// Events of a feed that come within this time.
    pub FEED_BURST_MS: i64 = 1_000, "ms", "they count as one in its rhythm";
    /// How much a gap counts in a feed's rhythm.
    pub FEED_GAP_WEIGHT_MS_MAX: u64 = 60_000, "ms", "a longer one counts as this long";
    /// The shortest usual interval that is believed: shorter gaps are bursts.
    pub FEED_INTERVAL_MS_MIN: u64 = 2_000, "ms", "it counts as this long";
    /// Usual intervals without an event.
    pub FEED_SILENT_INTERVALS: u64 = 3, "intervals", "the feed is silent";
    /// Counts of the last hour are kept by parts of it.
    pub FEED_SLOT_MS: i64 = 300_000, "ms", "a new part begins";
    /// Parts of the last hour.
    pub FEED_SLOTS: i64 = 12, "parts", "older ones are forgotten";
    /// A feed without an event.
    pub FEED_FORGOTTEN_AFTER_MS: i64 = 7 * 24 * 60 * 60 * 1000, "ms", "it is taken for removed, and forgotten";
    /// Reasons why events are not in the views, each with its feed and place.
    pub REASONS_MAX: usize = 200, "reasons", "the one not seen for longest goes";
    /// Problems that a status names.
    pub PROBLEMS_MAX: usize = 32, "problems", "the one not seen for longest goes";
    /// How long a problem that does not come again is shown.
    pub PROBLEM_SHOWN_MS: u64 = 600_000, "ms", "it is not shown any more";

    /// Frames of one connection that may be unacknowledged.
    pub AGENT_RECEIVE_MAX: u16 = 256, "frames", "no more is read from the connection";
    /// Their bytes.
    pub AGENT_PENDING_BYTES_MAX: usize = 8 * 1024 * 1024, "bytes", "no more is read from the connection";
    /// Bytes of all connections, or of the broker's, that wait for the log.
    pub TOTAL_PENDING_BYTES_MAX: usize = 64 * 1024 * 1024, "bytes", "no more is read from any";
    /// Agents connected at a time.
    pub CONNECTIONS_MAX: usize = 4096, "connections", "one more is refused";

    /// Keep-alive of the connection to a broker.
    pub UPSTREAM_KEEP_ALIVE_S: u64 = 10, "s", "the connection counts as lost and is made anew";
    /// Shortest pause between connections to a broker.
    pub UPSTREAM_RETRY_MIN_MS: u64 = 200, "ms", "the next one is twice as long";
    /// Longest pause between connections to a broker.
    pub UPSTREAM_RETRY_MAX_MS: u64 = 10_000, "ms", "pauses grow no more";
    /// Requests in the MQTT client's own queue.
    pub UPSTREAM_QUEUE_MESSAGES_MAX: usize = 256, "messages", "the writer waits";
    /// A broker's messages that wait for the log.
    pub UPSTREAM_PENDING_MESSAGES_MAX: usize = 1024, "messages", "no more is read from the broker";
    /// A broker's messages that are not acknowledged: packet ids are 16 bits, so there cannot be more.
    pub UPSTREAM_UNACKED_MAX: usize = 65_536, "messages", "the connection is made anew";

    /// Bytes of `edge.frames` that are kept, for each partition.
    pub FRAMES_RETENTION_BYTES: u64 = 20 * 1024 * 1024 * 1024, "bytes", "the oldest go";
    /// Age of what is kept there.
    pub FRAMES_RETENTION_MS: u64 = 35 * DAY_MS, "ms", "older ones go";
    /// Bytes of each `fhir.*` topic that are kept, for each partition.
    pub FHIR_RETENTION_BYTES: u64 = 20 * 1024 * 1024 * 1024, "bytes", "the oldest go";
    /// Age of what is kept there.
    pub FHIR_RETENTION_MS: u64 = 35 * DAY_MS, "ms", "older ones go";
    /// Bytes of `sideline` that are kept.
    pub SIDELINE_RETENTION_BYTES: u64 = 4 * 1024 * 1024 * 1024, "bytes", "the oldest go";
    /// Age of what is kept there.
    pub SIDELINE_RETENTION_MS: u64 = 365 * DAY_MS, "ms", "older ones go";
    /// Bytes of `retry` that are kept.
    pub RETRY_RETENTION_BYTES: u64 = 1024 * 1024 * 1024, "bytes", "the oldest go";
    /// Age of what is kept there.
    pub RETRY_RETENTION_MS: u64 = 35 * DAY_MS, "ms", "older ones go";
    /// Partitions of `edge.frames` and of each `fhir.*` topic.
    pub PARTITIONS: u32 = 1, "partitions", "fixed";

    /// The site's key.
    pub SITE_KEY_BYTES: usize = 32, "bytes", "a key of another length is refused";
    /// A key file.
    pub SITE_KEY_FILE_BYTES_MAX: u64 = 4096, "bytes", "what follows is not read";
    /// A mapping file.
    pub MAPPING_FILE_BYTES_MAX: u64 = 256 * 1024, "bytes", "refused at start";
    /// Mapping files of a site, all patterns together.
    pub MAPPING_FILES_MAX: usize = 256, "files", "refused at start";

    /// PID and PV1 groups of one message: more than any event has.
    pub PATIENTS_MAX: usize = 3, "groups", "the rest of the message is not looked at";
    /// MSH-10 as a header.
    pub CONTROL_ID_CHARS_MAX: usize = 199, "characters", "the rest is cut off";
    /// NPU segments of one A20.
    pub NPU_SEGMENTS_MAX: usize = 64, "segments", "the message is sidelined";
    /// Department, device and metric, as a topic names them.
    pub TOPIC_LEVEL_CHARS_MAX: usize = 80, "characters", "the message is sidelined";
    /// The kind of a device.
    pub KIND_CHARS_MAX: usize = 64, "characters", "the message is sidelined";
    /// First year that a time may lie in: before it is a default or a mistake, never a moment.
    pub YEAR_MIN: i16 = 1970, "year", "no time";
    /// Last year that a time may lie in.
    pub YEAR_MAX: i16 = 2199, "year", "no time";

    /// Log records that the transform reads at once.
    pub READ_RECORDS_MAX: usize = 64, "records", "the rest is read next";
    /// Bytes of output of the transform after which they are appended.
    pub TRANSFORM_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024, "bytes", "appended";
    /// Source events after which they are.
    pub BATCH_EVENTS_MAX: usize = 8192, "events", "appended";
    /// Where outputs and position are two appends: how long a position may lag behind, so that a busy site does not
    /// write one for every frame.
    pub POSITION_INTERVAL_MS: u64 = 1_000, "ms", "the position is written";
    /// Shortest pause before the transform tries a failed log call again.
    pub TRANSFORM_RETRY_MIN_MS: u64 = 100, "ms", "the next one is twice as long";
    /// Longest pause before it does.
    pub TRANSFORM_RETRY_MAX_MS: u64 = 5_000, "ms", "pauses grow no more";
    /// How long a log call of the transform may take in silence.
    pub LOG_SILENT_MS: u64 = 5_000, "ms", "the status says that the log does not answer; the call goes on";
}
