//! Every bound of the dashboard, in one place, with the unit last.

/// How often departments, sources and accounting are asked for; the stream brings changes in between.
pub const POLL_EVERY_MS: u64 = 2_000;
/// Beds, devices and warnings are asked for again after so many rounds: what the stream lost heals by then.
pub const FULL_EVERY_ROUNDS: u64 = 6;
/// A stream that says "ask again" over and over is followed at this pace.
pub const RESYNC_WAIT_MS: u64 = 250;
pub const BACKOFF_MS_MIN: u64 = 500;
pub const BACKOFF_MS_MAX: u64 = 5_000;
pub const CONNECT_TIMEOUT_MS: u64 = 2_000;
/// One whole answer.
pub const ANSWER_TIMEOUT_MS: u64 = 5_000;
/// The stream sends at least a comment within this time, or it is opened anew.
pub const STREAM_QUIET_MS: u64 = 60_000;
pub const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
pub const STREAM_LINE_BYTES_MAX: usize = 256 * 1024;
/// A reason that is shown is cut here.
pub const REASON_CHARS_MAX: usize = 300;

/// The last answer is older than this: the picture is stale, whatever else is known.
pub const STALE_AFTER_MS: u64 = POLL_EVERY_MS + ANSWER_TIMEOUT_MS + 1_000;
/// An agent whose events come to the views later than this is a problem.
pub const LAG_S_MAX: i64 = 60;
/// Rows of one kind that are kept; more are counted and said, not shown.
pub const ROWS_MAX: usize = 100_000;
pub const FILTER_CHARS_MAX: usize = 40;

/// Between the threads that read and the one that draws.
pub const INPUTS_MAX: usize = 256;
/// Inputs taken in before the picture is drawn again.
pub const INPUTS_PER_DRAW_MAX: usize = 1_024;
/// Changes that come faster are drawn together.
pub const DRAW_EVERY_MS: u64 = 100;
/// Ages are looked at this often, and drawn if a shown word changed.
pub const AGES_EVERY_MS: u64 = 1_000;
/// How soon a wish to stop is noticed.
pub const STOP_LOOK_MS: u64 = 250;
pub const KEYS_LOOK_MS: u64 = 200;

/// The smallest terminal that is drawn in.
pub const COLUMNS_MIN: u16 = 80;
pub const LINES_MIN: u16 = 24;
/// From here on the wide layout.
pub const COLUMNS_WIDE: u16 = 120;

/// How long `--once` waits for an aggregator that is not there yet.
pub const ONCE_WAIT_MS: u64 = 5_000;
/// Width of `--once --format table` where standard output is no terminal.
pub const ONCE_COLUMNS: u16 = 100;
