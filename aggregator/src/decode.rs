//! From a record of a `fhir.*` topic to a fact of the ledger.

use wardline_log::Record;

use crate::ledger::Fact;

/// What is wrong with a record, and where in it. Retrying does not help; the record is counted and set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct DecodeError {
    /// `header event-id`, `value`, `Encounter.location`.
    pub place: String,
    pub why: String,
}

/// `Ok(None)` for a tombstone: it says nothing. `site`, `topic`, `partition` and `offset` are where the record was read;
/// a replicated record says itself where it came from.
pub fn fact(
    site: &str,
    topic: &str,
    partition: u32,
    offset: u64,
    record: &Record,
) -> Result<Option<Fact>, DecodeError> {
    let _ = (site, topic, partition, offset, record);
    Ok(None)
}
