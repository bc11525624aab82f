//! Loss records: the pipeline speaking about itself, so that nothing is ever missing in silence.
//!
//! An agent writes them into its own sequence (they travel upstream like any event); the bridge writes
//! a `Gap` when an agent no longer holds numbers that the log never saw.

use serde::{Deserialize, Serialize};

use crate::event::{Class, Incarnation};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LossRecord {
    /// The first record of every life of a store (seq 1).
    IncarnationStart {
        incarnation: Incarnation,
        wall_ms: i64,
        reason: IncarnationReason,
    },
    /// Numbers `from..=to` are not in the log and their agent no longer holds them.
    Gap {
        agent: String,
        incarnation: Incarnation,
        from: u64,
        to: u64,
        reason: GapReason,
        noticed_ms: i64,
    },
    /// The agent gave up `count` stored events of one class to stay within its quota.
    Eviction {
        from: u64,
        to: u64,
        count: u64,
        class: Class,
    },
    /// The agent refused events because its quota was reached: never acknowledged, so never promised.
    Refused { count: u64, since_ms: i64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncarnationReason {
    /// No store was there: a first start, or a store that was lost.
    NewStore,
    /// A store was there but could not be read; it was set aside.
    DamagedStore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// Freed on a receipt of an earlier log that this log does not continue.
    NotInThisLog,
    /// Evicted by the agent; its eviction record names the range.
    Evicted,
}
