//! Every bound of the transform half, unit last.

/// The site's key.
pub const SITE_KEY_BYTES: usize = 32;
/// A key file is read up to here.
pub const SITE_KEY_FILE_BYTES_MAX: u64 = 4096;
/// A mapping file.
pub const MAPPING_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Mapping files of a site, all patterns together.
pub const MAPPING_FILES_MAX: usize = 256;

/// MSH-10 as a header.
pub const CONTROL_ID_CHARS_MAX: usize = 199;
/// NPU segments of one A20.
pub const NPU_SEGMENTS_MAX: usize = 64;
/// Department, device and metric, as a topic names them.
pub const TOPIC_LEVEL_CHARS_MAX: usize = 80;
/// The kind of a device.
pub const KIND_CHARS_MAX: usize = 64;
/// The `detail` of a sideline record.
pub const DETAIL_CHARS_MAX: usize = 300;
/// The key of a record that is put back as it came.
pub const KEY_BYTES_MAX: usize = 256;
/// Raw bytes in a sideline record; what is longer is cut, and says so.
pub const SIDELINE_RAW_BYTES_MAX: usize = 768 * 1024;
/// Years that a time may lie in: outside of them it is a default or a mistake, never a moment.
pub const YEAR_MIN: i16 = 1970;
pub const YEAR_MAX: i16 = 2199;

/// Log records read at once.
pub const READ_RECORDS_MAX: usize = 64;
/// How long a read waits before the loop looks around.
pub const READ_WAIT_MS: u64 = 500;
/// Bytes of output after which a batch is appended.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Source events after which a batch is appended.
pub const BATCH_EVENTS_MAX: usize = 8192;
/// Where outputs and position are two appends: how long a position may lag behind, so that a busy site does not
/// write one for every frame.
pub const POSITION_INTERVAL_MS: u64 = 1_000;
/// First and longest pause before a failed log call is tried again.
pub const RETRY_PAUSE_MIN_MS: u64 = 100;
pub const RETRY_PAUSE_MAX_MS: u64 = 5_000;
