//! Runs the fold: takes deliveries, refreshes rows, commits, and keeps going when the store cannot.
//!
//! One task owns the fold; its work runs on a blocking thread, one step at a time. Commits follow the data by at most a
//! second. A store that fails is opened again and the same commit repeated; queries go on from memory meanwhile, the
//! problem is shown, and reading stops once too much would be waiting.

pub(crate) mod fold;
pub(crate) mod input;
pub(crate) mod shared;
pub(crate) mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use wardline_service::{Pulse, Stop};

use crate::error::AggregatorError;
use crate::hooks::{FaultPoint, Hooks};
use crate::limits::{
    COMMIT_INTERVAL_MS, COMMIT_RECORDS_MAX, COMMIT_RETRY_MS, EVICT_INTERVAL_MS, PULSE_INTERVAL_MS,
    REFRESH_INTERVAL_MS, UNCOMMITTED_RECORDS_MAX,
};
use fold::Fold;
use input::Delivery;

pub(crate) struct Engine {
    pub(crate) fold: Fold,
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    /// Rung after every commit.
    pub(crate) committed: Arc<Notify>,
    pub(crate) hooks: Hooks,
    pub(crate) stop: Stop,
    /// Ticked whenever the loop comes round, and so with every commit.
    pub(crate) pulse: Pulse,
}

/// When what was done last.
struct Times {
    refreshed: Instant,
    pulsed: Instant,
    evicted: Instant,
    /// The first change that waits for a commit.
    waiting: Option<Instant>,
    /// No commit before this, because the last one failed.
    retry: Option<Instant>,
}

/// What woke the loop.
enum Woken {
    Delivery(Box<Delivery>),
    Tick,
    Stop,
}

impl Engine {
    /// Folds until told to stop, then commits what is left.
    pub(crate) async fn run(mut self) -> Result<(), AggregatorError> {
        let now = Instant::now();
        let mut times = Times {
            refreshed: now,
            pulsed: now,
            evicted: now,
            waiting: None,
            retry: None,
        };
        let mut fold = self.fold;
        fold = blocking(fold, |fold| {
            fold.evict();
            fold.refresh(true);
        })
        .await?;
        let mut tick = tokio::time::interval(Duration::from_millis(REFRESH_INTERVAL_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.pulse.tick();
            let full = fold.uncommitted() >= UNCOMMITTED_RECORDS_MAX;
            let woken = tokio::select! {
                biased;
                () = self.stop.stopped() => Woken::Stop,
                Some(delivery) = self.deliveries.recv(), if !full => Woken::Delivery(Box::new(delivery)),
                _ = tick.tick() => Woken::Tick,
            };
            match woken {
                Woken::Stop => break,
                Woken::Delivery(delivery) => {
                    fold = blocking(fold, move |fold| fold.apply(&delivery)).await?;
                }
                Woken::Tick => {}
            }
            fold = housekeeping(fold, &mut times).await?;
            if times.commit_due(&fold) {
                fold = commit(fold, &mut times, &self.hooks).await?;
                self.committed.notify_one();
            }
        }
        fold = commit(fold, &mut times, &self.hooks).await?;
        self.committed.notify_one();
        if fold.has_changes() {
            tracing::error!(
                "stopped with changes that could not be stored; they are folded again from the log"
            );
        }
        Ok(())
    }
}

impl Times {
    fn commit_due(&mut self, fold: &Fold) -> bool {
        if !fold.has_changes() {
            self.waiting = None;
            return false;
        }
        let now = Instant::now();
        let since = *self.waiting.get_or_insert(now);
        let due = fold.uncommitted() >= COMMIT_RECORDS_MAX
            || now - since >= Duration::from_millis(COMMIT_INTERVAL_MS);
        due && self.retry.is_none_or(|at| now >= at)
    }
}

/// Rows that are due, and history that may go.
async fn housekeeping(fold: Fold, times: &mut Times) -> Result<Fold, AggregatorError> {
    let due = |since: Instant, ms: u64| since.elapsed() >= Duration::from_millis(ms);
    let pulse = due(times.pulsed, PULSE_INTERVAL_MS);
    let refresh = pulse || (due(times.refreshed, REFRESH_INTERVAL_MS) && fold.has_touched());
    let evict = due(times.evicted, EVICT_INTERVAL_MS);
    if !refresh && !evict {
        return Ok(fold);
    }
    let fold = blocking(fold, move |fold| {
        if evict {
            fold.evict();
        }
        fold.refresh(pulse || evict);
    })
    .await?;
    let now = Instant::now();
    times.refreshed = now;
    if pulse {
        times.pulsed = now;
    }
    if evict {
        times.evicted = now;
    }
    Ok(fold)
}

async fn commit(fold: Fold, times: &mut Times, hooks: &Hooks) -> Result<Fold, AggregatorError> {
    hooks.reach(FaultPoint::BeforeCommit)?;
    let (fold, result) = tokio::task::spawn_blocking(move || {
        let mut fold = fold;
        let result = fold.commit();
        (fold, result)
    })
    .await?;
    match result {
        Ok(()) => {
            times.waiting = None;
            times.retry = None;
        }
        Err(error) if error.is_damage() => return Err(error),
        Err(error) => {
            tracing::error!(%error, "state cannot be stored, will try again");
            times.retry = Some(Instant::now() + Duration::from_millis(COMMIT_RETRY_MS));
        }
    }
    Ok(fold)
}

async fn blocking(
    mut fold: Fold,
    work: impl FnOnce(&mut Fold) + Send + 'static,
) -> Result<Fold, AggregatorError> {
    Ok(tokio::task::spawn_blocking(move || {
        work(&mut fold);
        fold
    })
    .await?)
}
