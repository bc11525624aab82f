//! What the query API says, as types: the aggregator writes them, the dashboard and the command line read them.
//! Times are RFC 3339, durations whole seconds. Nothing here can hold a patient.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capacity::{BedClass, BedStatus, DeviceState};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Departments {
    pub as_of: String,
    pub departments: Vec<DepartmentRow>,
}

/// `beds` counts each bed once: the sum of the eight states.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DepartmentRow {
    pub department: String,
    pub beds: u32,
    pub staffed: u32,
    pub occupied: u32,
    pub available: u32,
    pub reserved: u32,
    pub dirty: u32,
    pub cleaning: u32,
    pub blocked: u32,
    pub closed: u32,
    pub unknown: u32,
    /// A part of `occupied`.
    pub on_leave: u32,
    pub pending_in: u32,
    pub pending_out: u32,
    /// Occupied / staffed; null when nothing is staffed.
    pub occupancy: Option<f64>,
    /// Beds in conflict.
    pub conflicts: u32,
    pub oldest_dirty_s: Option<i64>,
    /// Since the newest event that the row rests on; null when there is none.
    pub age_s: Option<i64>,
    /// Share of its sources heard within their expected interval, 0 to 1; null when it has no source.
    pub coverage: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beds {
    pub as_of: String,
    pub beds: Vec<BedRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BedRow {
    pub bed: String,
    pub department: String,
    pub class: BedClass,
    pub staffed: bool,
    pub status: BedStatus,
    /// Of a blocked bed: `contaminated` or `isolated`.
    pub reason: Option<String>,
    pub on_leave: bool,
    pub since: Option<String>,
    pub age_s: Option<i64>,
    /// Whether the hospital's own list names it.
    pub listed: bool,
    pub flags: Vec<String>,
    /// Event ids of the visits that claim the bed at the same time.
    pub conflict: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Devices {
    pub as_of: String,
    pub devices: Vec<DeviceRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceRow {
    pub device: String,
    pub department: String,
    pub kind: Option<String>,
    pub state: Option<DeviceState>,
    pub battery: Option<f64>,
    pub location: Option<String>,
    pub since: Option<String>,
    pub age_s: Option<i64>,
    pub silent: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    pub as_of: String,
    pub sources: Vec<SourceRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRow {
    pub site: String,
    /// `agent` or `bridge`.
    pub kind: String,
    pub name: String,
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
pub struct Explanation {
    pub bed: String,
    pub as_of: String,
    pub status: BedStatus,
    pub events: Vec<ExplainedEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainedEvent {
    pub event_id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub event_time: String,
    pub received: String,
    /// site/topic/partition/offset
    pub log_position: String,
    pub mapping: String,
    /// The rule of docs/specs/bed-ledger.md that used it, and what it did: `B12 departs`.
    pub rule: String,
    /// False when a cancel took it out.
    pub counts: bool,
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

/// One server-sent event of `/api/v1/stream`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Change {
    Department(DepartmentRow),
    Bed(BedRow),
    Device(DeviceRow),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub name: String,
    pub version: String,
    pub site: Option<String>,
    pub addresses: BTreeMap<String, String>,
    /// Things a person must know, e.g. listeners without TLS beyond loopback.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ApiError,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiError {
    pub code: String,
    pub message: String,
    pub hint: String,
}
