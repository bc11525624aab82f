//! How far a partition has been transformed, and what was counted on the way: one JSON record in `bridge.state`.
//!
//! Kept true: position and counters are one value, so that they can never disagree. `skip` says how many
//! events of the frame that is next are done already: a single frame may give more output than one commit should carry.

use std::collections::BTreeMap;

use super::feeds::FEEDS_KEY;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wardline_log::follow::{Mark, Scan};
use wardline_log::{LogError, Record, SharedLog};
use wardline_model::status::StageCounts;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, RETRY};

use crate::feeds::Feeds;
use crate::logged;

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

    fn prefix(self) -> &'static str {
        match self {
            Input::Frames => "transform/",
            Input::Retry => "retry/",
        }
    }

    pub(super) fn key(self, partition: u32) -> String {
        format!("{}{partition}", self.prefix())
    }

    fn owns(self, key: &str) -> bool {
        key.starts_with(self.prefix())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The next record to read, and what was read before it.
    pub(super) read: Mark,
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
    /// Events on which the mapping itself broke.
    #[serde(default)]
    pub(super) internal: u64,
}

impl Progress {
    pub(super) fn record(&self, input: Input, partition: u32, time_ms: i64) -> Record {
        logged::json(input.key(partition), self, time_ms)
    }
}

/// What `bridge.state` holds of each key that is ours: the newest value.
pub(super) async fn read_all(log: &SharedLog) -> Result<BTreeMap<String, Bytes>, LogError> {
    let mut newest = BTreeMap::new();
    for range in log.offsets(BRIDGE_STATE).await? {
        let mut scan = Scan::new(&**log, BRIDGE_STATE, range);
        while let Some(entries) = scan.next().await? {
            for entry in entries {
                let key = entry.record.key.as_deref().unwrap_or_default();
                let Ok(key) = std::str::from_utf8(key) else {
                    continue;
                };
                let ours = [Input::Frames, Input::Retry].iter().any(|i| i.owns(key));
                if ours || key == FEEDS_KEY {
                    let value = entry.record.value.unwrap_or_default();
                    newest.insert(key.to_owned(), value);
                }
            }
        }
    }
    Ok(newest)
}

/// Feeds that cannot be read are learnt anew.
pub(super) fn feeds(stored: &BTreeMap<String, Bytes>) -> Feeds {
    let saved = stored
        .get(FEEDS_KEY)
        .and_then(|value| serde_json::from_slice(value).ok());
    saved.map(Feeds::restored).unwrap_or_default()
}

/// A value that cannot be read is as good as none: everything is mapped again, to the same bytes.
pub(super) fn of(stored: &BTreeMap<String, Bytes>, input: Input, partition: u32) -> Progress {
    let key = input.key(partition);
    let Some(value) = stored.get(&key) else {
        return Progress::default();
    };
    serde_json::from_slice(value).unwrap_or_else(|error| {
        tracing::error!(%key, %error, "the position in bridge.state is not readable; starting over");
        Progress::default()
    })
}
