//! Every bound of what programs need around their work.

wardline_limits::limits! {
    /// The shortest wait between two attempts, whatever the jitter says.
    pub BACKOFF_FLOOR_MS: u64 = 10, "ms", "a shorter wait is made this long, so that failures in a row do not spin";
    /// How long one stage may take to stop.
    pub STOP_MS_MAX: u64 = 15_000, "ms", "it is cut off and named, the stages below it are ended all the same, exit code 1";
    /// How long a stage that is a part with stages of its own may take to stop.
    pub PART_STOP_MS_MAX: u64 = 40_000, "ms", "it is cut off and named, the stages below it are ended all the same, exit code 1";
    /// How long threads that were cut off may still take when everything else has ended.
    pub RUNTIME_END_MS_MAX: u64 = 1_000, "ms", "the process ends without them";
    /// What is said of a wall clock that the system reports as synchronised.
    pub CLOCK_SYNCED_UNCERTAINTY_MS: u32 = 1_000, "ms", "a clock that is not reported as synchronised counts as unknown";
    /// How long an answer about the clock's quality is used.
    pub CLOCK_QUALITY_AGE_MS: u64 = 30_000, "ms", "it is looked again";
}
