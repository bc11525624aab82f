//! The tables of state.redb and the small values in them, as JSON: they are few, and people can read them.

use std::collections::{BTreeMap, BTreeSet};

use redb::TableDefinition;
use serde::{Deserialize, Serialize};
use wardline_model::status::StageCounts;

use crate::health::coverage::Heard;

pub(super) const FORMAT: u64 = 2;

/// Fact key -> fact.
pub(super) const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");
/// `input/topic/partition` -> `Mark`.
pub(super) const POSITIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("positions");
/// Site -> `FoldCounts`.
pub(super) const COUNTERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("counters");
/// `site/agent` -> `Spoke`.
pub(super) const SPEAKERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("speakers");
/// View topic and a row's key -> hash of what the row says, its ages left out.
pub(super) const PUBLISHED: TableDefinition<'_, (&str, &str), u64> =
    TableDefinition::new("published");
/// View topic and place in its line -> the row's key and the row; no row is a tombstone.
pub(super) const OUTBOX: TableDefinition<'_, RowPlace<'_>, Waiting<'_>> =
    TableDefinition::new("outbox");
type RowPlace<'a> = (&'a str, u64);
type Waiting<'a> = (&'a str, Option<&'a [u8]>);
/// Running number -> `Unreadable`.
pub(super) const UNREADABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("unreadable");
/// `site/topic/partition` -> `Checkpoint`.
pub(super) const CHECKPOINTS: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("checkpoints");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// How many transactions there were, 8 bytes, big endian.
pub(super) const META_COMMITS: &str = "commits";
pub(super) const META_BEDS: &str = "beds";
pub(super) const META_HORIZON: &str = "horizon";

/// How far one partition has been folded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Where reading goes on, and what stands before it.
    pub read: wardline_log::follow::Mark,
    /// What a person should know about it, and when it was found.
    pub problem: Option<Problem>,
}

/// Something that was found at a source or log, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub text: String,
    pub at_ms: i64,
}

/// What happened to the records of one site in the fold. `stage.received` is what was taken from the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldCounts {
    pub stage: StageCounts,
    /// Offsets that were gone from the log before they were folded; part of `received` and `evicted`.
    pub lost: u64,
    /// Two messages with one identity and different bytes; both are kept, both count as applied.
    pub conflicts: u64,
    /// Records that call themselves another site's than the one they came from; they count at the one they came from.
    #[serde(default)]
    pub misnamed: u64,
    /// Facts let go because they ended before the history horizon; they stay counted as applied.
    pub forgotten: u64,
}

/// What was folded of one agent last, and where it shows: coverage and lag are the same before and after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spoke {
    pub(crate) heard: Heard,
    /// Departments whose rows rest on its events.
    pub(crate) departments: BTreeSet<String>,
}

/// A view's topic, and the key of a row in it.
pub(crate) type RowKey = (&'static str, String);

/// How far each view's topic is.
pub(crate) type Cursor = BTreeMap<&'static str, u64>;

/// What a row of a view says now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ViewRow {
    /// Its place in its topic's line, given by the commit.
    pub(crate) seq: u64,
    pub(crate) hash: u64,
    /// `None` is a tombstone.
    pub(crate) json: Option<Vec<u8>>,
}

/// A row that waits for its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) seq: u64,
    pub(crate) key: String,
    pub(crate) json: Option<Vec<u8>>,
}

/// A record of a `fhir.*` topic that the fold could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    pub(crate) site: String,
    /// site/topic/partition/offset
    pub(crate) log_position: String,
    pub(crate) event_id: String,
    pub(crate) cause: String,
    pub(crate) at_ms: i64,
}

/// How far one partition of one source has been copied: a hint that is checked against the centre's own log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Where reading the source goes on, and what stands before it.
    pub(crate) read: wardline_log::follow::Mark,
    /// How often the source was found recreated: offsets of different epochs are different records.
    pub(crate) epoch: u32,
    /// The last copy: source offset, and where it stands in the centre's log.
    pub(crate) last: Option<LastCopy>,
    /// Where each partition of the centre's topic has to be read from to see every copy made since.
    pub(crate) centre: BTreeMap<u32, u64>,
    pub(crate) counts: StageCounts,
    pub(crate) truncated: u64,
    pub(crate) recreated: u64,
    pub(crate) problem: Option<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastCopy {
    pub(crate) offset: u64,
    pub(crate) centre_partition: u32,
    pub(crate) centre_offset: u64,
}
