//! Departments, beds and devices as they are shown, and what a bed's status rests on.
//!
//! Every row has its site: names of two sites may be equal. What is not known is null or `unknown`, never zero and never free.

use serde::{Deserialize, Serialize};

use crate::words::{BedClass, BedStatus, DeviceState};

/// How far the numbers of an answer reach. A server that does not know leaves a field out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Freshness {
    /// Grows with each commit and never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Events that a source is known to hold are not in yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catching_up: Option<bool>,
    /// All events up to this event time are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_s: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Departments {
    pub as_of: String,
    #[serde(flatten)]
    pub fresh: Freshness,
    pub departments: Vec<DepartmentRow>,
}

/// `beds` counts each bed once: the sum of the eight states.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DepartmentRow {
    pub site: String,
    pub department: String,
    pub beds: u32,
    pub staffed: u32,
    pub occupied: u32,
    /// A part of `occupied`: taken beds without staff. They are in no share.
    pub occupied_unstaffed: u32,
    pub available: u32,
    /// A part of `available`: the list says that they have no staff, so nobody can be put there.
    pub available_unstaffed: u32,
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
    /// Occupied beds with staff / staffed; null when nothing is staffed, or nothing is known of any bed with staff. At
    /// least so much while beds are unknown.
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
    #[serde(flatten)]
    pub fresh: Freshness,
    pub beds: Vec<BedRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BedRow {
    pub site: String,
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
    #[serde(flatten)]
    pub fresh: Freshness,
    pub devices: Vec<DeviceRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceRow {
    pub site: String,
    pub device: String,
    pub department: String,
    pub kind: Option<String>,
    /// Null when nothing was said, or when what was said is not of now: then `reason` says why.
    pub state: Option<DeviceState>,
    /// `clock-behind` or `clock-ahead`: its own time and when it was received part too far.
    pub reason: Option<String>,
    pub battery: Option<f64>,
    pub location: Option<String>,
    pub since: Option<String>,
    pub age_s: Option<i64>,
    pub silent: bool,
    /// How far the device's clock was ahead in the last message; null when it was not.
    pub clock_ahead_s: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub site: String,
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

/// A row that changed, as an event of `/api/v1/stream` tells it beside the `version`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Change {
    Department(DepartmentRow),
    Bed(BedRow),
    Device(DeviceRow),
}

/// A row that is gone, as a `removed` event of `/api/v1/stream` tells it beside the `version`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "removed")]
pub struct Removed {
    pub kind: RowKind,
    pub site: String,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    Department,
    Bed,
    Device,
}
