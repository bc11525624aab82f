//! How far a partition has been transformed, and what was counted on the way: one JSON record in `bridge.state`.
//!
//! Kept true: position and counters are one value, so that they can never disagree. `skip` says how many
//! events of the frame at `offset` are done already: a single frame may give more output than one commit should carry.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wardline_log::{LogError, Record, SharedLog};
use wardline_model::status::StageCounts;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, RETRY};

use super::limits::{READ_RECORDS_MAX, READ_WAIT_MS};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Input {
    Frames,
    Retry,
}

impl Input {
    pub(super) fn topic(self) -> &'static str {
        match self {
            Input::Frames => EDGE_FRAMES,
            Input::Retry => RETRY,
        }
    }

    pub(super) fn key(self, partition: u32) -> String {
        match self {
            Input::Frames => format!("transform/{partition}"),
            Input::Retry => format!("retry/{partition}"),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The next record to read.
    pub(super) offset: u64,
    /// Events of that record that are done.
    #[serde(default)]
    pub(super) skip: u32,
    pub(super) counts: StageCounts,
    /// Records written to `fhir.*`.
    pub(super) records: u64,
    /// Why events were filtered.
    #[serde(default)]
    pub(super) filtered: BTreeMap<String, u64>,
    /// Source records that retention removed before they were read: a loss, never silent.
    #[serde(default)]
    pub(super) lost_records: u64,
}

impl Progress {
    pub(super) fn record(&self, input: Input, partition: u32, time_ms: i64) -> Record {
        Record {
            key: Some(input.key(partition).into()),
            value: Some(Bytes::from(serde_json::to_vec(self).unwrap_or_default())),
            headers: Vec::new(),
            time_ms,
        }
    }
}

/// The newest progress of one partition, or none if it was never read.
pub(super) async fn read(
    log: &SharedLog,
    input: Input,
    partition: u32,
) -> Result<Option<Progress>, LogError> {
    let key = input.key(partition);
    let mut newest = None;
    for range in log.offsets(BRIDGE_STATE).await? {
        let mut reader = log
            .reader(BRIDGE_STATE, range.partition, range.start)
            .await?;
        while reader.position() < range.end {
            let wait = std::time::Duration::from_millis(READ_WAIT_MS);
            let entries = reader.next(READ_RECORDS_MAX, wait).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if entry.record.key.as_deref() == Some(key.as_bytes()) {
                    newest = entry.record.value;
                }
            }
        }
    }
    // A value that cannot be read is as good as none: everything is mapped again, to the same bytes.
    Ok(newest.and_then(|value| match serde_json::from_slice(&value) {
        Ok(progress) => Some(progress),
        Err(error) => {
            tracing::error!(%key, %error, "the position in bridge.state is not readable; starting over");
            None
        }
    }))
}
