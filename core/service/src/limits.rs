//! Every bound of what programs need around their work.

wardline_limits::limits! {
    /// The shortest wait between two attempts, whatever the jitter says.
    pub BACKOFF_FLOOR_MS: u64 = 10, "ms", "a shorter wait is made this long, so that failures in a row do not spin";
    /// What is said of a wall clock that the system reports as synchronised.
    pub CLOCK_SYNCED_UNCERTAINTY_MS: u32 = 1_000, "ms", "a clock that is not reported as synchronised counts as unknown";
    /// How long an answer about the clock's quality is used.
    pub CLOCK_QUALITY_AGE_MS: u64 = 30_000, "ms", "it is looked again";
}
