//! Takes committed rows out of their line and appends them to the view topics.
//!
//! What was published leaves the store with the next commit of the fold, and at the end with one of its own: an orderly
//! restart publishes nothing twice. A crash in between publishes rows once more: the topics are compacted by key, so a
//! repetition is the same row again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use wardline_log::{Headers, Record, SharedLog};
use wardline_service::Stop;

use super::line::SharedLine;
use crate::engine::shared::Shared;
use crate::error::AggregatorError;
use crate::hooks::FaultPoint;
use crate::limits::{OUTBOX_BATCH_ROWS_MAX, OUTBOX_RETRY_MS};
use crate::store::{Batch, Queued, Store};

pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<Store>,
    pub(crate) centre: SharedLog,
    pub(crate) line: SharedLine,
    /// Rung after every commit.
    pub(crate) committed: Arc<Notify>,
    pub(crate) stop: Stop,
}

/// Records by topic, departments first: an append that is no single transaction writes them in this order.
type Batches = Vec<(String, Vec<Record>)>;

impl Publisher {
    pub(crate) async fn run(self) -> Result<(), AggregatorError> {
        let mut hand = Batches::new();
        loop {
            let stopping = self.stop.is_stopped();
            let wait = match self.pass(&mut hand).await {
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
                return self.forget().await;
            }
            tokio::select! {
                () = self.committed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.stopped() => {}
            }
        }
    }

    /// Publishes what is in hand, or the next rows; whether there may be more. What cannot be appended stays in hand.
    async fn pass(&self, hand: &mut Batches) -> Result<bool, AggregatorError> {
        if hand.is_empty() {
            *hand = self.take().await?;
        }
        if hand.is_empty() {
            return Ok(false);
        }
        self.shared.hooks.reach(FaultPoint::AfterCommit)?;
        self.centre.append_many(hand.clone()).await?;
        self.shared.hooks.reach(FaultPoint::AfterPublish)?;
        hand.clear();
        Ok(true)
    }

    /// The next rows; those that were taken before are published.
    async fn take(&self) -> Result<Batches, AggregatorError> {
        let (line, store) = (self.line.clone(), Arc::clone(&self.store));
        let rows = tokio::task::spawn_blocking(move || {
            let mut line = line.lock();
            line.published();
            line.take(&store, OUTBOX_BATCH_ROWS_MAX)
        })
        .await??;
        let now_ms = self.shared.now_ms();
        let records = |rows: Vec<Queued>| rows.into_iter().map(|row| record(row, now_ms)).collect();
        let batches = rows.into_iter();
        Ok(batches
            .map(|(topic, rows)| (topic.to_owned(), records(rows)))
            .collect())
    }

    /// The fold has made its last commit; what was published since leaves the store here.
    async fn forget(self) -> Result<(), AggregatorError> {
        let forgotten = tokio::task::spawn_blocking(move || {
            let mut line = self.line.lock();
            match line.has_published() {
                true => line.commit(&self.store, &mut Batch::default()),
                false => Ok(()),
            }
        })
        .await?;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "rows that are published stay in the outbox; the next start publishes them again");
        }
        Ok(())
    }
}

fn record(row: Queued, time_ms: i64) -> Record {
    Record {
        key: Some(row.key.into()),
        value: row.json.map(Into::into),
        headers: Headers::new(),
        time_ms,
    }
}
