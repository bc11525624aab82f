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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentWatermark {
    pub agent: String,
    pub incarnation: Incarnation,
    pub up_to: u64,
    pub ranges: Vec<(u64, u64)>,
    pub gap_events: u64,
    pub last_frame_ms: i64,
}
