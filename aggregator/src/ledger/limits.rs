//! Every bound of the ledger, unit last. What happens at a bound is chosen, counted and shown.

/// Beds of one hospital list.
pub const BEDS_MAX: usize = 100_000;
/// Problems reported of one list; a wrong file is wrong in every line.
pub const BED_LIST_ERRORS_MAX: usize = 100;
/// Events of one explanation, the newest ones.
pub const EXPLAIN_EVENTS_MAX: usize = 200;
/// Arrivals per metric that are kept of a device with sequence numbers.
pub const DEVICE_ARRIVALS_MAX: usize = 4;
/// Events of a visit between two marks of its state: what a late repetition costs at most, more or less.
pub const MARK_EVENTS: usize = 64;
/// A device that said nothing for longer is shown as silent.
pub const DEVICE_SILENT_MS: i64 = 5 * 60 * 1000;
/// How long the event that ended a visit is remembered after the rest of the visit was evicted, so that a late
/// update does not bring the visit back.
pub const ENDED_KEPT_MS: i64 = 180 * 24 * 3600 * 1000;
