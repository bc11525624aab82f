//! The way that events took: who sends, what became of it, what could not be mapped, what stands in the log.
//!
//! Every row has its site. What was not said is null, never zero; a reason is a stable code, a problem a sentence for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    pub as_of: String,
    pub sources: Vec<SourceRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRow {
    pub site: String,
    /// `agent`, `bridge` or `feed`.
    pub kind: String,
    pub name: String,
    /// Heard, and not silent.
    pub connected: bool,
    pub last_event: Option<String>,
    pub age_s: Option<i64>,
    /// Events on the agent's disk that the log does not have yet.
    pub backlog: u64,
    /// Seconds between the newest event's arrival at the agent and its application to the views.
    pub lag_s: Option<i64>,
    /// Complete up to this sequence number.
    pub watermark: Option<u64>,
    pub incarnation: Option<String>,
    pub gaps: u64,
    /// Upper bound of the clock's error; null when nothing is known.
    pub clock_uncertainty_ms: Option<u32>,
    /// Listens without TLS beyond loopback.
    pub insecure: bool,
    /// What a person should know, e.g. `source truncated at fhir.encounter/0`.
    pub problem: Option<String>,
    /// Of a feed.
    pub feed: Option<FeedRow>,
}

/// An HL7 sender, or a group of MQTT topics, behind an agent. docs/specs/feeds.md.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedRow {
    pub agent: String,
    /// `hl7` or `mqtt`.
    pub protocol: String,
    /// Usual time between its events at this time of day; null while too few were seen.
    pub interval_s: Option<i64>,
    /// Nothing came for three intervals.
    pub silent: bool,
    /// Whether the views rest on it; where everything is filtered they do not.
    pub counts: bool,
    pub departments: Vec<String>,
    /// What came in the last hour, and what of it is not in the views.
    pub hour: HourRow,
    /// So many of the newest were set aside without one that was mapped.
    pub sidelined_in_row: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HourRow {
    pub received: u64,
    /// By reason.
    pub sidelined: BTreeMap<String, u64>,
    pub filtered: BTreeMap<String, u64>,
}

/// Why events are not in the views.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reasons {
    pub as_of: String,
    pub reasons: Vec<ReasonRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReasonRow {
    pub site: String,
    pub agent: String,
    pub feed: String,
    /// `sidelined` or `filtered`.
    pub fate: String,
    pub reason: String,
    /// Sidelined: where in the message. Filtered: the topic, or the type of message.
    #[serde(rename = "where")]
    pub place: String,
    pub total: u64,
    /// In the last hour.
    pub hour: u64,
    pub last: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accounting {
    pub as_of: String,
    pub stages: Vec<StageRow>,
    pub unaccounted: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// `agent/gw-1`, `ingest`, `transform`, `replicate`, `ledger`.
    pub stage: String,
    pub site: String,
    pub received: u64,
    pub applied: u64,
    pub late: u64,
    pub duplicate: u64,
    pub sidelined: u64,
    pub evicted: u64,
    pub filtered: u64,
    pub in_flight: u64,
    pub unaccounted: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sideline {
    pub items: Vec<SidelineItem>,
    /// Pass as `after` for the next page; null at the end.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SidelineItem {
    /// `partition-offset` in the sideline topic.
    pub id: String,
    pub event_id: String,
    pub cause: String,
    #[serde(rename = "where")]
    pub place: String,
    pub rule: String,
    pub mapping: String,
    pub detail: String,
    pub time: String,
    pub bytes: u64,
}

/// One log record as NDJSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
    pub key: Option<String>,
    pub time: String,
    pub headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value_b64: Option<String>,
}
