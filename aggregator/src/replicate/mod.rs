//! Brings the topics of the sites to the centre, exactly once and in order, with the origin of every record beside it.
//!
//! One task a site looks for topics and partitions, one task a partition copies. A site that cannot be reached, or whose
//! log lost something, never holds up another one; its problem is shown and counted. docs/specs/replication.md has the
//! numbered rules.

pub(crate) mod check;
mod copy;
mod resume;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use wardline_log::{LogError, SharedLog};
use wardline_model::topic::{FHIR_TOPICS, STATUS};

use crate::health::copies::PartitionId;
pub(crate) use copy::Context;
use copy::Copier;

use crate::error::AggregatorError;
use crate::limits::{
    DISCOVER_INTERVAL_MS, DISCOVER_MISSING_INTERVAL_MS, RETRY_FIRST_MS, RETRY_LONGEST_MS,
};

/// The topics that are copied. The sideline stays at its site, where the replay happens.
pub(crate) fn topics() -> impl Iterator<Item = &'static str> {
    FHIR_TOPICS.into_iter().chain([STATUS])
}

/// Copies one site until told to stop. Ends with an error only where going on makes no sense.
pub(crate) async fn run(
    context: Context,
    site: String,
    source: SharedLog,
) -> Result<(), AggregatorError> {
    let mut known = BTreeSet::new();
    let mut copies = JoinSet::new();
    while !context.stop.is_stopped() {
        let (found, missing, trouble) = discover(&source, &site).await;
        for (id, end) in found {
            if known.insert(id.clone()) {
                context.progress.update(&id, |p| {
                    p.target = end;
                    p.source_end = end;
                });
                copies.spawn(copy(context.clone(), source.clone(), id));
            }
        }
        let wait = if missing || trouble.is_some() {
            DISCOVER_MISSING_INTERVAL_MS
        } else {
            DISCOVER_INTERVAL_MS
        };
        context.progress.listed(&site, trouble);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            () = context.stop.stopped() => {}
            Some(ended) = copies.join_next() => ended??,
        }
    }
    while let Some(ended) = copies.join_next().await {
        ended??;
    }
    Ok(())
}

/// The partitions of the source with their ends, whether a topic is missing, and what keeps us from knowing.
async fn discover(
    source: &SharedLog,
    site: &str,
) -> (Vec<(PartitionId, u64)>, bool, Option<String>) {
    let mut found = Vec::new();
    let mut missing = false;
    for topic in topics() {
        match source.offsets(topic).await {
            Ok(offsets) => found.extend(
                offsets
                    .iter()
                    .map(|o| ((site.to_owned(), topic.to_owned(), o.partition), o.end)),
            ),
            Err(LogError::UnknownTopic { .. }) => missing = true,
            Err(error) => return (found, missing, Some(format!("source: {error}"))),
        }
    }
    (found, missing, None)
}

/// Copies one partition, and begins again after a failure that may pass.
async fn copy(context: Context, source: SharedLog, id: PartitionId) -> Result<(), AggregatorError> {
    let mut wait = RETRY_FIRST_MS;
    loop {
        let before = context.progress.position(&id);
        let error = match attempt(&context, &source, &id).await {
            Ok(()) => return Ok(()),
            Err(error @ AggregatorError::Fault(_)) => return Err(error),
            // A damaged source is that site's problem; a damaged state file is everybody's.
            Err(AggregatorError::Disk(error)) if error.is_damage() => return Err(error.into()),
            Err(error) => error,
        };
        if context.progress.position(&id) > before {
            wait = RETRY_FIRST_MS;
        }
        tracing::error!(site = id.0, topic = id.1, partition = id.2, %error, "copying stopped, will try again");
        context.progress.update(&id, |p| {
            p.trouble = Some(format!("copying {}/{}: {error}", id.1, id.2));
        });
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            () = context.stop.stopped() => return Ok(()),
        }
        wait = (wait * 2).min(RETRY_LONGEST_MS);
    }
}

async fn attempt(
    context: &Context,
    source: &SharedLog,
    id: &PartitionId,
) -> Result<(), AggregatorError> {
    let mut copier = Copier::open(context.clone(), source.clone(), id.clone()).await?;
    copier.run().await
}
