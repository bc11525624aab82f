//! Deadlines of the bench: a scenario that does not come to its end by then has failed.

/// A program must have its listeners up.
pub const START_MS: u64 = 60_000;
/// After the last fault everything must have arrived and been counted.
pub const SETTLE_MS: u64 = 120_000;
/// After SIGTERM a program must have flushed and ended.
pub const STOP_MS: u64 = 30_000;
/// Between two looks at a condition.
pub const POLL_MS: u64 = 50;
/// A client waits for an acknowledgement before it connects anew.
pub const ACK_MS: u64 = 20_000;
/// A client pauses between two attempts to connect.
pub const RECONNECT_MS: u64 = 50;
