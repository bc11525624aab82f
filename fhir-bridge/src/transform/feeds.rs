//! Says what is known of the feeds in the topic `status` (key `feeds`), at once when one falls silent or comes back, and
//! keeps it in `bridge.state` for the next start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use wardline_log::{Record, SharedLog};
use wardline_model::status::FeedsStatus;
use wardline_model::topic::{BRIDGE_STATE, STATUS};
use wardline_service::{SharedClock, Stop};

use super::counters::Counters;
use crate::limits::{
    FEEDS_INTERVAL_MS, FEEDS_SAVED_MS, STATUS_HEARTBEAT_MS, STATUS_TICK_MS, STOP_WAIT_MS,
};

/// Of both records.
pub(super) const FEEDS_KEY: &str = "feeds";

pub struct FeedsTask {
    pub log: SharedLog,
    pub counters: Arc<Counters>,
    pub clock: SharedClock,
}

/// What was written last, and when.
struct Last {
    said: Option<(FeedsStatus, Instant)>,
    saved: Instant,
}

impl FeedsTask {
    pub async fn run(self, stop: Stop) {
        let mut tick = interval(Duration::from_millis(STATUS_TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Last {
            said: None,
            saved: Instant::now(),
        };
        loop {
            tokio::select! {
                () = stop.stopped() => break,
                _ = tick.tick() => {}
            }
            tokio::select! {
                () = self.write(&mut last, false) => {}
                () = stop.stopped() => break,
            }
        }
        let wait = Duration::from_millis(STOP_WAIT_MS);
        timeout(wait, self.write(&mut last, true)).await.ok();
    }

    async fn write(&self, last: &mut Last, end: bool) {
        let now_ms = self.clock.wall_ms();
        let waiting = self.counters.snapshot().lag_records > 0;
        let status = self.counters.feeds().status(now_ms, waiting);
        let mut batch = Vec::new();
        let say = due(last.said.as_ref(), &status);
        if say {
            batch.push((STATUS.to_owned(), vec![record(&status, now_ms)]));
        }
        let save = end || last.saved.elapsed() >= Duration::from_millis(FEEDS_SAVED_MS);
        if save && !status.feeds.is_empty() {
            let saved = self.counters.feeds().saved();
            batch.push((BRIDGE_STATE.to_owned(), vec![record(&saved, now_ms)]));
        }
        if batch.is_empty() {
            return;
        }
        match self.log.append_many(batch).await {
            Ok(_) => {
                if say {
                    last.said = Some((status, Instant::now()));
                }
                if save {
                    last.saved = Instant::now();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the feeds could not be written; tried again later");
            }
        }
    }
}

fn record(value: &impl Serialize, time_ms: i64) -> Record {
    Record {
        key: Some(Bytes::from_static(FEEDS_KEY.as_bytes())),
        // Structs of strings and numbers cannot fail to serialise.
        value: Some(Bytes::from(serde_json::to_vec(value).unwrap_or_default())),
        headers: wardline_log::Headers::new(),
        time_ms,
    }
}

/// At once when the silent ones are others; else when something changed and not just written, or not said for long.
fn due(last: Option<&(FeedsStatus, Instant)>, now: &FeedsStatus) -> bool {
    let Some((last, at)) = last else {
        return !now.feeds.is_empty();
    };
    let age = at.elapsed();
    let changed = (&last.feeds, &last.reasons) != (&now.feeds, &now.reasons);
    troubled(last) != troubled(now)
        || age >= Duration::from_millis(STATUS_HEARTBEAT_MS)
        || (changed && age >= Duration::from_millis(FEEDS_INTERVAL_MS))
}

/// The feeds, and which of them are silent or only set aside.
fn troubled(status: &FeedsStatus) -> BTreeSet<(&str, &str, bool, bool)> {
    let feeds = status.feeds.iter();
    feeds
        .map(|f| {
            (
                f.agent.as_str(),
                f.name.as_str(),
                f.silent,
                f.sidelined_in_row >= 10,
            )
        })
        .collect()
}
