//! Brings the topics of the sites to the centre, exactly once and in order, with the origin of every record beside it.
//!
//! One task a site: one follower reads all its partitions, and what came of one is appended before the next is read. A
//! site that cannot be reached, or whose log lost something, never holds up another one; its problem is shown and counted.
//! docs/specs/replication.md has the numbered rules.

mod copy;
mod resume;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardline_log::follow::{Followed, Follower, Item};
use wardline_log::{LogError, SharedLog};
use wardline_model::topic::{FHIR_TOPICS, STATUS};
use wardline_service::Backoff;

pub(crate) use copy::Context;
use copy::Copier;

use crate::error::AggregatorError;
use crate::health::copies::PartitionId;
use crate::limits::{COPY_RECORDS_MAX, RETRY_FIRST_MS, RETRY_LONGEST_MS};

/// The topics that are copied. The sideline stays at its site, where the replay happens.
const TOPICS: [&str; 5] = {
    let [a, b, c, d] = FHIR_TOPICS;
    [a, b, c, d, STATUS]
};

/// Copies one site until told to stop. Ends with an error only where going on makes no sense.
pub(crate) async fn run(
    context: Context,
    site: String,
    source: SharedLog,
) -> Result<(), AggregatorError> {
    let mut backoff = Backoff::of_ms(RETRY_FIRST_MS, RETRY_LONGEST_MS);
    loop {
        let mut copies = Site {
            context: context.clone(),
            name: site.clone(),
            source: source.clone(),
            copiers: BTreeMap::new(),
        };
        match copies.run(&mut backoff).await {
            Ok(()) => return Ok(()),
            Err(error @ AggregatorError::Fault(_)) => return Err(error),
            // A damaged source is that site's problem; a damaged state file is everybody's.
            Err(AggregatorError::Disk(error)) if error.is_damage() => return Err(error.into()),
            Err(error) => tracing::error!(site, %error, "copying stopped, will try again"),
        }
        if backoff.wait(&context.stop).await.is_err() {
            return Ok(());
        }
    }
}

/// All partitions of one source.
struct Site {
    context: Context,
    name: String,
    source: SharedLog,
    copiers: BTreeMap<PartitionId, Copier>,
}

impl Site {
    async fn run(&mut self, backoff: &mut Backoff) -> Result<(), AggregatorError> {
        let known = self.known().await;
        let known = known.inspect_err(|error| self.trouble(Some(format!("source: {error}"))))?;
        let stop = self.context.stop.clone();
        let mut follower = Follower::new(self.source.clone(), &TOPICS, stop).max(COPY_RECORDS_MAX);
        for (_, topic, partition) in known {
            let mark = self.copier(&topic, partition).await?.mark();
            follower = follower.starting_at(&topic, partition, mark);
        }
        self.trouble(None);
        while let Some(item) = follower.next().await? {
            if matches!(item, Item::Idle) {
                self.trouble(None);
                for place in follower.places() {
                    let copier = self.copier(&place.topic, place.partition).await?;
                    copier.report(Some(place.end));
                }
            } else if self.take(item).await? {
                backoff.progress();
            }
            for copier in self.copiers.values_mut() {
                copier.save_if_due().await?;
            }
        }
        for copier in self.copiers.values_mut() {
            copier.save().await?;
        }
        Ok(())
    }

    /// Whether something was copied.
    async fn take(&mut self, item: Item) -> Result<bool, AggregatorError> {
        match item {
            Item::Entries(Followed { place, entries }) => {
                let copier = self.copier(&place.topic, place.partition).await?;
                copier.copy(entries, &place).await?;
                return Ok(true);
            }
            Item::Added(place) => {
                let copier = self.copier(&place.topic, place.partition).await?;
                copier.report(Some(place.end));
            }
            Item::Truncated { place, .. } => {
                let copier = self.copier(&place.topic, place.partition).await?;
                copier.truncated(&place).await?;
            }
            Item::Recreated { place, why } => {
                let copier = self.copier(&place.topic, place.partition).await?;
                copier.recreated(&place, &why).await?;
            }
            Item::Trouble { place: None, error } => self.trouble(Some(format!("source: {error}"))),
            Item::Trouble {
                place: Some(place),
                error,
            } => {
                let id = (self.name.clone(), place.topic, place.partition);
                self.context.stuck(&id, &error.into());
            }
            Item::Idle => {}
        }
        Ok(false)
    }

    fn trouble(&self, trouble: Option<String>) {
        self.context.progress.listed(&self.name, trouble);
    }

    /// The partitions that the source has, and those that were copied before, with the ends that are known now.
    async fn known(&self) -> Result<BTreeSet<PartitionId>, AggregatorError> {
        let store = Arc::clone(&self.context.store);
        let stored = tokio::task::spawn_blocking(move || store.checkpoints()).await??;
        let of_site = |key: String| {
            let (site_topic, partition) = key.rsplit_once('/')?;
            let (site, topic) = site_topic.split_once('/')?;
            let id = (site.to_owned(), topic.to_owned(), partition.parse().ok()?);
            (site == self.name).then_some(id)
        };
        let mut known: BTreeSet<PartitionId> = stored.into_keys().filter_map(of_site).collect();
        for topic in TOPICS {
            let held = match self.source.offsets(topic).await {
                Ok(held) => held,
                Err(LogError::UnknownTopic { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            for held in held {
                let id = (self.name.clone(), topic.to_owned(), held.partition);
                self.context.progress.update(&id, |p| {
                    p.target = held.end;
                    p.source_end = held.end;
                });
                known.insert(id);
            }
        }
        Ok(known)
    }

    /// The copier of a partition, which reads back where it ended when it is needed first.
    async fn copier(
        &mut self,
        topic: &str,
        partition: u32,
    ) -> Result<&mut Copier, AggregatorError> {
        let id = (self.name.clone(), topic.to_owned(), partition);
        match self.copiers.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(free) => {
                let copier = Copier::open(self.context.clone(), free.key().clone()).await?;
                Ok(free.insert(copier))
            }
        }
    }
}
