//! Takes rows out of the outbox and appends them to the view topics.
//!
//! A row leaves the outbox with the next commit of the fold, and only if nothing newer took its place. A crash in between
//! publishes it once more: the topics are compacted by key, so a repetition is the same row again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use wardline_log::{Record, SharedLog};
use wardline_service::Stop;

use super::TOPICS;
use crate::engine::shared::Shared;
use crate::error::AggregatorError;
use crate::hooks::FaultPoint;
use crate::limits::{OUTBOX_BATCH_ROWS_MAX, OUTBOX_RETRY_MS};
use crate::store::{OutboxKey, OutboxRow, Store};

pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<Store>,
    pub(crate) centre: SharedLog,
    /// Rung after every commit.
    pub(crate) committed: Arc<Notify>,
    /// Tells the fold what it may remove.
    pub(crate) done: mpsc::Sender<BTreeMap<OutboxKey, u64>>,
    pub(crate) stop: Stop,
}

impl Publisher {
    pub(crate) async fn run(self) -> Result<(), AggregatorError> {
        let mut sent: BTreeMap<OutboxKey, u64> = BTreeMap::new();
        loop {
            let stopping = self.stop.is_stopped();
            let wait = match self.pass(&mut sent).await {
                Ok(true) => continue,
                Ok(false) => {
                    self.shared.fold().outbox_trouble = None;
                    Duration::from_secs(3600)
                }
                Err(error @ AggregatorError::Fault(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "view topics cannot be written, will try again");
                    self.shared.fold().outbox_trouble = Some(format!("view topics: {error}"));
                    Duration::from_millis(OUTBOX_RETRY_MS)
                }
            };
            if stopping {
                return Ok(());
            }
            tokio::select! {
                () = self.committed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.stopped() => {}
            }
        }
    }

    /// Publishes what is new among the first rows; whether there may be more.
    async fn pass(&self, sent: &mut BTreeMap<OutboxKey, u64>) -> Result<bool, AggregatorError> {
        let store = Arc::clone(&self.store);
        let rows =
            tokio::task::spawn_blocking(move || store.outbox(OUTBOX_BATCH_ROWS_MAX)).await??;
        let full = rows.len() == OUTBOX_BATCH_ROWS_MAX;
        // What left the outbox need not be remembered.
        let here: BTreeSet<&OutboxKey> = rows.iter().map(|(key, _)| key).collect();
        sent.retain(|key, _| here.contains(key));
        let fresh: Vec<(OutboxKey, OutboxRow)> = rows
            .into_iter()
            .filter(|(key, row)| sent.get(key).is_none_or(|seq| *seq < row.seq))
            .collect();
        if fresh.is_empty() {
            return Ok(false);
        }
        let now_ms = self.shared.now_ms();
        let batches: Vec<(String, Vec<Record>)> = TOPICS
            .iter()
            .map(|topic| {
                let records = fresh
                    .iter()
                    .filter(|(key, _)| key.topic == *topic)
                    .map(|(key, row)| record(key, row, now_ms))
                    .collect::<Vec<_>>();
                ((*topic).to_owned(), records)
            })
            .filter(|(_, records)| !records.is_empty())
            .collect();
        self.shared.hooks.reach(FaultPoint::AfterCommit)?;
        self.centre.append_many(batches).await?;
        self.shared.hooks.reach(FaultPoint::AfterPublish)?;
        let done: BTreeMap<OutboxKey, u64> =
            fresh.into_iter().map(|(key, row)| (key, row.seq)).collect();
        sent.extend(done.clone());
        // The fold is gone only when everything stops; the rows are published again then.
        self.done.send(done).await.ok();
        Ok(full && !self.stop.is_stopped())
    }
}

fn record(key: &OutboxKey, row: &OutboxRow, time_ms: i64) -> Record {
    Record {
        key: Some(key.key.clone().into()),
        value: row.json.clone().map(Into::into),
        headers: wardline_log::Headers::new(),
        time_ms,
    }
}
