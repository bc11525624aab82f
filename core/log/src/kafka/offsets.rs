//! What the cluster says about a topic: how many partitions, and where each begins and ends. One question for all
//! partitions, never from memory: a topic may have grown.
//!
//! The client blocks, so questions are asked on threads for blocking calls, each with a time limit. Leaders that move
//! are waited for, up to a limit; every other error is the caller's to judge.

use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep};

use super::config::Context;
use super::{LOOK_AGAIN, REQUEST_TIMEOUT, blocking, error};
use crate::{LogError, PartitionOffsets};

pub(super) struct Cluster(Arc<BaseConsumer<Context>>);

impl Cluster {
    pub(super) fn new(consumer: BaseConsumer<Context>) -> Self {
        Self(Arc::new(consumer))
    }

    /// Which cluster it is.
    pub(super) async fn id(&self) -> Result<String, LogError> {
        let client = Arc::clone(&self.0);
        blocking(move || {
            let id = client.client().fetch_cluster_id(REQUEST_TIMEOUT);
            id.ok_or_else(|| LogError::Unavailable {
                doing: "ask for the cluster's id",
                why: "no broker answered in time".to_owned(),
            })
        })
        .await
    }

    /// What the cluster says about all topics: asking for one by name may create it.
    pub(super) async fn metadata<T: Send + 'static>(
        &self,
        of: impl FnOnce(&Metadata) -> T + Send + 'static,
    ) -> Result<T, LogError> {
        let client = Arc::clone(&self.0);
        blocking(move || {
            let metadata = client.fetch_metadata(None, REQUEST_TIMEOUT);
            let metadata = metadata.map_err(|error| error::during("read topics", "", &error))?;
            Ok(of(&metadata))
        })
        .await
    }

    /// How many partitions a topic has now.
    pub(super) async fn partitions(&self, topic: &str, full: &str) -> Result<u32, LogError> {
        let (client, topic, full) = (Arc::clone(&self.0), topic.to_owned(), full.to_owned());
        blocking(move || {
            let doing = "read topics";
            let seen = client.fetch_metadata(Some(&full), REQUEST_TIMEOUT);
            let seen = seen.map_err(|error| error::during(doing, &topic, &error))?;
            let found = seen.topics().iter().find(|found| found.name() == full);
            let unknown = || LogError::UnknownTopic {
                topic: topic.clone(),
            };
            let found = found.ok_or_else(unknown)?;
            if let Some(code) = found.error() {
                return Err(error::of_code(doing, &topic, code.into()));
            }
            match u32::try_from(found.partitions().len()) {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(unknown()),
            }
        })
        .await
    }

    pub(super) async fn offsets(
        &self,
        topic: &str,
        full: &str,
        partitions: u32,
    ) -> Result<Vec<PartitionOffsets>, LogError> {
        let ask = |what| self.ask(topic, full, partitions, what);
        let starts = ask(Offset::Beginning).await?;
        let ends = ask(Offset::End).await?;
        let rows = (0_u32..).zip(starts.into_iter().zip(ends));
        Ok(rows
            .map(|(partition, (start, end))| PartitionOffsets {
                partition,
                start: start.unwrap_or(0),
                end: end.unwrap_or(0),
            })
            .collect())
    }

    /// An offset for each partition: its start, its end, or the first at a time (none if there is none so late). Waits
    /// while leaders are changing.
    pub(super) async fn ask(
        &self,
        topic: &str,
        full: &str,
        partitions: u32,
        what: Offset,
    ) -> Result<Vec<Option<u64>>, LogError> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let (client, full) = (Arc::clone(&self.0), full.to_owned());
            let asked = blocking(move || Ok(list(&client, &full, partitions, what)));
            match asked.await? {
                Ok(offsets) => return Ok(offsets),
                Err(moving) if error::leader_moves(&moving) && Instant::now() < deadline => {
                    sleep(LOOK_AGAIN).await;
                }
                Err(other) => return Err(error::during("read offsets", topic, &other)),
            }
        }
    }
}

fn list(
    client: &BaseConsumer<Context>,
    full: &str,
    partitions: u32,
    what: Offset,
) -> Result<Vec<Option<u64>>, KafkaError> {
    let mut list = TopicPartitionList::new();
    let numbers: Vec<i32> = (0..partitions)
        .filter_map(|n| i32::try_from(n).ok())
        .collect();
    for number in &numbers {
        list.add_partition_offset(full, *number, what)?;
    }
    let answer = client.offsets_for_times(list, REQUEST_TIMEOUT)?;
    let mut offsets = Vec::with_capacity(numbers.len());
    for number in numbers {
        let Some(found) = answer.find_partition(full, number) else {
            offsets.push(None);
            continue;
        };
        found.error()?;
        offsets.push(match found.offset() {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        });
    }
    Ok(offsets)
}

/// Where one partition begins and ends, as a consumer that reads it is told.
pub(super) fn watermarks(
    consumer: &impl Consumer<Context>,
    topic: &str,
    full: &str,
    number: i32,
) -> Result<PartitionOffsets, LogError> {
    let marks = consumer
        .client()
        .fetch_watermarks(full, number, REQUEST_TIMEOUT);
    let (low, high) = marks.map_err(|error| error::during("read offsets", topic, &error))?;
    Ok(PartitionOffsets {
        partition: u32::try_from(number).unwrap_or(0),
        start: error::offset(low),
        end: error::offset(high),
    })
}
