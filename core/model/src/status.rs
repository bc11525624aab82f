//! What an agent and a bridge say about themselves: retained on MQTT, kept in the `status` log topic, shown
//! under sources and accounting. Counters are cumulative over the life of the store (agent) or log (bridge).

use serde::{Deserialize, Serialize};

use crate::event::Incarnation;

/// One stage's conservation law. `unaccounted` is not stored: it follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCounts {
    pub received: u64,
    pub applied: u64,
    pub late: u64,
    pub duplicate: u64,
    pub sidelined: u64,
    pub evicted: u64,
    pub filtered: u64,
    pub in_flight: u64,
}

impl StageCounts {
    /// What came in and is nowhere: 0, or something is wrong. Negative when something was counted twice.
    pub fn unaccounted(&self) -> i64 {
        let out = self.applied
            + self.late
            + self.duplicate
            + self.sidelined
            + self.evicted
            + self.filtered
            + self.in_flight;
        i64::try_from(i128::from(self.received) - i128::from(out)).unwrap_or(i64::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    pub v: u8,
    pub agent: String,
    pub incarnation: Incarnation,
    pub version: String,
    pub online: bool,
    /// Epoch milliseconds at which this was said.
    pub at_ms: i64,
    pub next_seq: u64,
    /// Lowest number still held; equals `next_seq` when nothing is held.
    pub oldest_held: u64,
    pub backlog_events: u64,
    pub backlog_bytes: u64,
    pub quota_bytes: u64,
    pub refused: u64,
    pub last_event_ms: Option<i64>,
    pub clock_uncertainty_ms: Option<u32>,
    pub mqtt_connections: u64,
    pub mllp_connections: u64,
    pub insecure: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeStatus {
    pub v: u8,
    pub site: String,
    pub version: String,
    pub at_ms: i64,
    pub ingest: StageCounts,
    pub transform: StageCounts,
    /// Records written to `fhir.*` topics.
    pub records: u64,
    pub gaps: u64,
    pub agents: Vec<AgentWatermark>,
}

/// What a bridge knows of those who send, under the key `feeds` (docs/specs/feeds.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedsStatus {
    pub v: u8,
    pub at_ms: i64,
    pub feeds: Vec<FeedStatus>,
    pub reasons: Vec<ReasonStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedKind {
    Hl7,
    Mqtt,
}

/// What can fall silent by itself behind an agent that is well: an HL7 sender, or a group of MQTT topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    pub agent: String,
    pub kind: FeedKind,
    pub name: String,
    /// Between its events at this time of day; `None` while too few were seen.
    pub usual_ms: Option<u64>,
    /// When the log took its newest event in.
    pub last_ms: i64,
    pub silent: bool,
    /// Whether the views rest on it; one of which everything is filtered is listed and does not count.
    pub counts: bool,
    /// Points of care that its events name.
    pub places: Vec<String>,
    pub received: u64,
    pub hour_received: u64,
    pub hour_sidelined: u64,
    pub hour_filtered: u64,
    /// So many of the newest were set aside without one that was mapped.
    pub sidelined_in_row: u64,
}

/// Why an event is not in the views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    Sidelined,
    Filtered,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonStatus {
    pub agent: String,
    pub feed: String,
    pub fate: Fate,
    pub reason: String,
    /// Sidelined: where in the message. Filtered: the topic, or the type of message.
    pub place: String,
    pub total: u64,
    pub hour: u64,
    pub last_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentWatermark {
    pub agent: String,
    pub incarnation: Incarnation,
    pub up_to: u64,
    pub ranges: Vec<(u64, u64)>,
    pub gap_events: u64,
    pub last_frame_ms: i64,
}
