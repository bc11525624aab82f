//! Every bound of the shell around a redb file, with its unit and what happens at it.

wardline_limits::limits! {
    /// Kept beside each file: room that only freeing may use when the disk is full, and the proof that there is room again.
    pub RESERVE_BYTES: usize = 1024 * 1024, "bytes", "given to the file when the disk is full; nothing is added until it is back";
    /// Between two attempts to write the reserve again on a full disk.
    pub RESERVE_RETRY_MS: u64 = 250, "ms", "what is to be added meanwhile is refused without touching the disk";
    /// Shortest pause after a failure before the next write or the next opening.
    pub REOPEN_PAUSE_MS_MIN: u64 = 250, "ms", "refused as unavailable until then; another kind of failure is not waited for";
    /// Longest such pause.
    pub REOPEN_PAUSE_MS_MAX: u64 = 10 * 60 * 1000, "ms", "the file is opened again";
    /// The pause is this many times what the last opening took: repairing a large file never takes most of the time.
    pub REOPEN_PAUSE_RATIO: u32 = 10, "times", "refused as unavailable until then";
    /// Rounds of finding no file, making one, and finding that another process was first.
    pub CREATE_ROUNDS_MAX: u32 = 8, "rounds", "the opening fails as unavailable";
    /// Smallest file that is shrunk.
    pub SHRINK_FILE_BYTES_MIN: u64 = 16 * 1024 * 1024, "bytes", "a smaller file keeps its free pages and uses them again";
    /// A file is shrunk when it is this many times larger than what it holds.
    pub SHRINK_RATIO_MIN: u64 = 4, "times", "a fuller file keeps its free pages and uses them again";
    /// Most that a file may hold to be shrunk: everybody waits while that much is read and written again.
    pub SHRINK_HELD_BYTES_MAX: u64 = 32 * 1024 * 1024, "bytes", "a file that holds more keeps its free pages and uses them again";
}
