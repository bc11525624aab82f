//! One task for each partition of `edge.frames` and `retry`, until the program stops, begun again whenever one fails.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use wardline_log::{LogError, SharedLog};
use wardline_service::{Backoff, Stop};

use super::counters::Counters;
use super::position::{self, Input};
use super::task::{PartitionTask, answer};
use crate::limits::{STOP_WAIT_MS, TRANSFORM_RETRY_MAX_MS, TRANSFORM_RETRY_MIN_MS};
use crate::map::{MapEvent, SiteContext};

/// What is transformed, and by what.
#[derive(Clone)]
pub struct Transform {
    pub ctx: Arc<SiteContext>,
    pub log: SharedLog,
    pub counters: Arc<Counters>,
    /// The log commits an `append_many` as a whole (the embedded engine). Then outputs and position move together;
    /// otherwise outputs go first, and a crash between the two repeats them byte for byte.
    pub one_commit: bool,
    pub map: MapEvent,
}

/// Transforms until `stop`, then returns with everything that was begun either durable or not begun.
///
/// The topics must be there. Whatever fails is shown in `counters` and tried again: frames are safe in the log, and
/// who writes them there must go on. A log that gives no answer holds up the end for `STOP_WAIT_MS` at most.
pub async fn run(transform: Transform, stop: Stop) {
    tokio::select! {
        biased;
        () = again_and_again(&transform, &stop) => {}
        () = waited_after(&stop) => {
            tracing::warn!("the log did not answer in time; what was not durable is mapped again at the next start");
        }
    }
}

async fn waited_after(stop: &Stop) {
    stop.stopped().await;
    tokio::time::sleep(Duration::from_millis(STOP_WAIT_MS)).await;
}

async fn again_and_again(transform: &Transform, stop: &Stop) {
    let mut backoff = Backoff::of_ms(TRANSFORM_RETRY_MIN_MS, TRANSFORM_RETRY_MAX_MS);
    loop {
        let before = transform.counters.snapshot().moved_events();
        let Err(error) = all_partitions(transform, stop).await else {
            return;
        };
        let failure = format!("the transform fails: {error:#}");
        tracing::error!(%failure, "trying again");
        transform.counters.set_failure(failure);
        if transform.counters.snapshot().moved_events() > before {
            backoff.progress();
        }
        if backoff.wait(stop).await.is_err() {
            return;
        }
    }
}

/// Until `stop`, or until the first partition's task fails; the others are dropped then.
async fn all_partitions(transform: &Transform, stop: &Stop) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    for task in tasks(transform, stop).await? {
        running.spawn(task.run());
    }
    while let Some(ended) = running.join_next().await {
        ended.context("a transform task ended unexpectedly")??;
    }
    Ok(())
}

/// Every partition with where it was left.
async fn tasks(of: &Transform, stop: &Stop) -> anyhow::Result<Vec<PartitionTask>> {
    let mut tasks = Vec::new();
    for input in [Input::Frames, Input::Retry] {
        let show = |problem: &str| of.counters.set_problem(input, 0, problem.to_owned());
        let find = async {
            let stored = position::read_all(&of.log).await?;
            Ok::<_, LogError>((stored, of.log.offsets(input.topic()).await?))
        };
        let doing = || format!("reading where the transform of {} was left", input.topic());
        let (stored, partitions) = answer(show, find).await.with_context(doing)?;
        of.counters.restore_feeds(position::feeds(&stored));
        for range in partitions {
            tasks.push(PartitionTask {
                ctx: of.ctx.clone(),
                one_commit: of.one_commit,
                map: of.map,
                log: of.log.clone(),
                counters: of.counters.clone(),
                stop: stop.clone(),
                input,
                partition: range.partition,
                start: position::of(&stored, input, range.partition),
            });
        }
    }
    Ok(tasks)
}
