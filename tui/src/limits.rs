//! Every bound of the dashboard, with the unit last and what happens at it (P7).

wardline_limits::limits! {
    /// How often departments, sources and accounting are asked for; the stream brings changes in between.
    pub POLL_EVERY_MS: u64 = 2_000, "ms", "they are asked for";
    /// Beds, devices and warnings are asked for again after so many rounds.
    pub FULL_EVERY_ROUNDS: u64 = 15, "rounds", "all is asked for: what the stream lost heals";
    /// A stream that says "ask again" over and over is followed at this pace.
    pub RESYNC_WAIT_MS: u64 = 250, "ms", "one round answers all of them";
    /// The first wait for an API that does not answer is at most so long.
    pub BACKOFF_MS_MIN: u64 = 500, "ms", "it doubles with every failure";
    /// The longest wait for an API that does not answer.
    pub BACKOFF_MS_MAX: u64 = 5_000, "ms", "it doubles no further";
    /// From the first byte to the connection.
    pub CONNECT_TIMEOUT_MS: u64 = 2_000, "ms", "the attempt has failed";
    /// One whole answer.
    pub ANSWER_TIMEOUT_MS: u64 = 5_000, "ms", "the attempt has failed";
    /// The stream sends at least a comment within this time.
    pub STREAM_QUIET_MS: u64 = 60_000, "ms", "it is opened anew";
    /// One whole answer.
    pub ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024, "bytes", "it is not understood";
    /// One line of the stream, and one event.
    pub STREAM_LINE_BYTES_MAX: usize = 256 * 1024, "bytes", "the row is asked for instead";
    /// A reason that is shown.
    pub REASON_CHARS_MAX: usize = 300, "characters", "it is cut";

    /// Age of the last answer.
    pub STALE_AFTER_MS: u64 = POLL_EVERY_MS + ANSWER_TIMEOUT_MS + 1_000, "ms", "the picture is stale, whatever else is known";
    /// How late an agent's events may come to the views.
    pub LAG_S_MAX: i64 = 60, "s", "it is a problem that is shown";
    /// The first seconds of a program, in which nobody was heard yet.
    pub STARTING_S: i64 = 10, "s", "who is not heard then is silent";
    /// Of all beds, those of which nothing is known.
    pub UNKNOWN_BEDS_PERCENT_MAX: u64 = 10, "%", "the numbers hold partly";
    /// Of a feed's events in the last hour, those that were set aside.
    pub SIDELINED_PERCENT_MAX: u64 = 5, "%", "the numbers hold partly";
    /// Events of a feed that were set aside without one that was mapped.
    pub SIDELINED_IN_ROW_MAX: u64 = 10, "events", "the numbers hold partly";
    /// A device's battery.
    pub BATTERY_LOW_PERCENT: u32 = 15, "%", "below it the device needs a person";
    /// How often the last picture is kept on disk.
    pub SNAPSHOT_EVERY_MS: u64 = 60_000, "ms", "it is written; a start without an answer shows it, with its time";
    /// A snapshot as it is read.
    pub SNAPSHOT_BYTES_MAX: u64 = 64 * 1024 * 1024, "bytes", "it is not taken";
    /// Rows of one kind that are kept.
    pub ROWS_MAX: usize = 100_000, "rows", "more are counted and said, not shown";
    /// What a person types to filter.
    pub FILTER_CHARS_MAX: usize = 40, "characters", "further keys are ignored";

    /// Between the threads that read and the one that draws.
    pub INPUTS_MAX: usize = 256, "inputs", "the readers wait";
    /// Inputs taken in before the picture is drawn again.
    pub INPUTS_PER_DRAW_MAX: usize = 1_024, "inputs", "the rest belongs to the next picture";
    /// Changes that come faster are drawn together.
    pub DRAW_EVERY_MS: u64 = 100, "ms", "the picture is drawn";
    /// How often ages are looked at.
    pub AGES_EVERY_MS: u64 = 1_000, "ms", "the picture is drawn if a shown word changed";
    /// How soon a wish to stop is noticed.
    pub STOP_LOOK_MS: u64 = 250, "ms", "it is looked";
    /// How often the keyboard thread looks whether it shall end.
    pub KEYS_LOOK_MS: u64 = 200, "ms", "it is looked";

    /// Of the lines for a table and what stands below it, while the table waits for room: one in so many.
    pub BELOW_SHARE: usize = 3, "parts", "the lines below get one of them";
    /// Screens that lie on each other.
    pub SCREENS_MAX: usize = 16, "screens", "one more takes the place of the last";
    /// From here on the wide layout.
    pub COLUMNS_WIDE: u16 = 120, "columns", "below it the narrow layout";

    /// How long `--once` waits for an aggregator that is not there yet.
    pub ONCE_WAIT_MS: u64 = 5_000, "ms", "it fails with the last reason";
    /// Width of `--once --format table` where standard output is no terminal.
    pub ONCE_COLUMNS: u16 = 100, "columns", "names are cut";
}
