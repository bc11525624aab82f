//! What the query API says, as types: the aggregator writes them, the dashboard and the command line read them.
//!
//! Times are RFC 3339, durations whole seconds. Nothing here can hold a patient. The crate knows no other part of
//! Wardline, so that whoever only asks compiles no frame, no log and no HL7.

mod pipeline;
mod views;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use pipeline::{
    Accounting, FeedRow, HourRow, LogLine, ReasonRow, Reasons, Sideline, SidelineItem, SourceRow,
    Sources, StageRow,
};
pub use views::{
    BedRow, Beds, Change, DepartmentRow, Departments, DeviceRow, Devices, ExplainedEvent,
    Explanation, Freshness, Removed, RowKind,
};
pub use words::{BedClass, BedStatus, DeviceState, UnknownWord};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub name: String,
    pub version: String,
    pub site: Option<String>,
    /// Of the site, as IANA names it.
    pub timezone: Option<String>,
    /// Since the program that answers was started.
    pub up_s: i64,
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
    /// With `gone`: the earliest moment that can still be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_from: Option<String>,
}
