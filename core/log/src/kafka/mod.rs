//! The log in a Kafka cluster, through librdkafka.
//!
//! What it keeps true:
//! - an append is answered when all replicas in sync have it (`acks=all`), with idempotence, so that librdkafka's own
//!   retries neither double nor reorder; it waits as long as the cluster is away;
//! - an append of several records is not atomic here: after an error some may stand;
//! - reading starts at an explicit offset and nothing is committed anywhere but in the caller's own state;
//! - blocking calls of librdkafka run as blocking tasks, with a timeout.
//!
//! Each reader is one consumer, however many partitions it reads: a few threads and a connection a broker.

mod admin;
mod arena;
mod config;
mod error;
mod identity;
mod offsets;
mod producer;
mod reader;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::Offset;
use rdkafka::admin::AdminClient;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use config::Context;
use identity::Ids;
use offsets::Cluster;
use producer::Producer;
use reader::{KafkaReader, Source};

use crate::check::Load;
use crate::limits::{KAFKA_REQUEST_TIMEOUT_MS, KAFKA_TOPIC_AGE_MS_MAX};
use crate::{
    Log, LogError, LogId, PartitionOffsets, Position, Reader, Record, Start, TopicInfo, TopicSpec,
};

/// The record's own time. Kafka's timestamp is the time of writing, because the cluster recognises a batch that was
/// sent twice only while its newest timestamp is younger than a day: with event times, a backlog would be doubled when
/// a broker restarts. Retention and segments go by the time of writing as well, as in the embedded engine.
const TIME_HEADER: &str = "log-time-ms";
/// First header of a record that is about the log itself. Readers leave it out.
const MARKER_HEADER: &str = "log-marker";
/// How often something that is on its way is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(KAFKA_REQUEST_TIMEOUT_MS);

/// The Kafka engine.
pub struct KafkaLog {
    me: Weak<Self>,
    brokers: String,
    prefix: String,
    producer: Producer,
    admin: AdminClient<Context>,
    cluster: Cluster,
    topics: RwLock<Topics>,
    /// The topics are being asked for, beside an append.
    refreshing: AtomicBool,
    ids: Mutex<Ids>,
    closed: watch::Sender<bool>,
}

/// By name without prefix, as last seen.
struct Topics {
    known: BTreeMap<String, TopicInfo>,
    seen_at: Instant,
}

impl KafkaLog {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// `Unavailable` if no broker answers, `Target` if the settings are not accepted.
    pub async fn open(brokers: &str, prefix: &str) -> Result<Arc<Self>, LogError> {
        let client_error = |error: rdkafka::error::KafkaError| LogError::Target {
            text: format!("kafka://{brokers}"),
            why: error.to_string(),
        };
        let producer = Producer::new(brokers).map_err(client_error)?;
        let admin = config::admin(brokers).map_err(client_error)?;
        let cluster = Cluster::new(config::questions(brokers).map_err(client_error)?);
        let log = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            producer,
            admin,
            cluster,
            topics: RwLock::new(Topics {
                known: BTreeMap::new(),
                seen_at: Instant::now(),
            }),
            refreshing: AtomicBool::new(false),
            ids: Mutex::default(),
            closed: watch::Sender::new(false),
        });
        log.load_topics().await?;
        Ok(log)
    }

    fn full(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    fn check_open(&self) -> Result<(), LogError> {
        if *self.closed.borrow() {
            return Err(LogError::Closed);
        }
        Ok(())
    }

    /// What is known of a topic; asks the cluster if nothing is. What is old is asked for again without waiting for it,
    /// so that appends stay in order and a topic that grew is found within a minute.
    async fn topic(&self, name: &str) -> Result<TopicInfo, LogError> {
        self.check_open()?;
        let (known, seen_at) = {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            (topics.known.get(name).cloned(), topics.seen_at)
        };
        if let Some(known) = known {
            if seen_at.elapsed() > Duration::from_millis(KAFKA_TOPIC_AGE_MS_MAX) {
                self.refresh_topics();
            }
            return Ok(known);
        }
        let mut loaded = self.load_topics().await?;
        loaded.remove(name).ok_or_else(|| LogError::UnknownTopic {
            topic: name.to_owned(),
        })
    }

    fn refresh_topics(&self) {
        let Some(log) = self.me.upgrade() else { return };
        if self.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = log.load_topics().await {
                tracing::debug!(%error, "the topics could not be looked at again");
            }
            log.refreshing.store(false, Ordering::Release);
        });
    }

    fn forget(&self, topic: &str) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.known.remove(topic);
    }

    /// The number of partitions as the cluster has it now, and the topic's full name.
    async fn grown(&self, topic: &str) -> Result<(u32, String), LogError> {
        self.check_open()?;
        let full = self.full(topic);
        let asked = self.cluster.partitions(topic, &full).await;
        if matches!(asked, Err(LogError::UnknownTopic { .. })) {
            self.forget(topic);
        }
        let partitions = asked?;
        self.notice(topic, partitions).await?;
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = topics.known.get_mut(topic) {
            known.partitions = partitions;
        }
        Ok((partitions, full))
    }

    /// Before anything is sent to partitions that were added, the producer looks at the topic: it remembers its own number,
    /// for minutes, and refuses what is beyond.
    async fn notice(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let known = {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            topics.known.get(topic).map(|known| known.partitions)
        };
        if known.is_some_and(|known| known < partitions) {
            self.producer.look_at(topic, self.full(topic)).await?;
        }
        Ok(())
    }

    /// Where a reader begins, if the partition holds that.
    async fn sources(&self, from: &[Start]) -> Result<Vec<Source>, LogError> {
        let mut held: BTreeMap<&str, Vec<PartitionOffsets>> = BTreeMap::new();
        let mut sources = Vec::with_capacity(from.len());
        for start in from {
            let topic = start.topic.as_str();
            if !held.contains_key(topic) {
                held.insert(topic, self.offsets(topic).await?);
            }
            let held = held.get(topic).map(Vec::as_slice).unwrap_or_default();
            let there = held.iter().find(|held| held.partition == start.partition);
            let there = there.ok_or_else(|| LogError::UnknownPartition {
                topic: topic.to_owned(),
                partition: start.partition,
                partitions: u32::try_from(held.len()).unwrap_or(u32::MAX),
            })?;
            if start.from < there.start || start.from > there.end {
                return Err(LogError::OffsetOutOfRange {
                    topic: topic.to_owned(),
                    partition: start.partition,
                    requested: start.from,
                    start: there.start,
                    end: there.end,
                });
            }
            sources.push(Source::new(start, self.full(topic)));
        }
        Ok(sources)
    }
}

/// Runs a call of librdkafka that blocks.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let done = tokio::task::spawn_blocking(call).await;
    done.map_err(|_| LogError::Closed)?
}

#[async_trait]
impl Log for KafkaLog {
    async fn id(&self, topic: &str) -> Result<LogId, LogError> {
        self.check_open()?;
        self.identity(topic).await
    }

    fn atomic_append(&self) -> bool {
        false
    }

    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        self.check_open()?;
        self.create_or_adjust(specs).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.check_open()?;
        let mut topics = self.load_topics().await?;
        topics.remove(identity::TOPIC);
        Ok(topics.into_values().collect())
    }

    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError> {
        let mut load = Load::default();
        let mut of_topics = Vec::with_capacity(batches.len());
        for (name, records) in batches {
            let topic = self.topic(&name).await?;
            load.add(&name, topic.cleanup, &records)?;
            of_topics.push((topic, records));
        }
        let _permit = self.producer.room(load.records, load.bytes).await?;
        self.check_open()?;
        let mut sent = Vec::with_capacity(of_topics.len());
        for (topic, records) in &of_topics {
            let full = self.full(&topic.name);
            sent.push(self.producer.send(&full, topic, records)?);
        }
        let mut positions = Vec::with_capacity(sent.len());
        for ((topic, _), sent) in of_topics.iter().zip(sent) {
            let delivered = self.producer.delivered(&topic.name, sent).await;
            if matches!(delivered, Err(LogError::UnknownTopic { .. })) {
                self.forget(&topic.name);
            }
            positions.push(delivered?);
        }
        Ok(positions)
    }

    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        let (partitions, full) = self.grown(topic).await?;
        self.cluster.offsets(topic, &full, partitions).await
    }

    async fn barrier(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        let (partitions, full) = self.grown(topic).await?;
        let _permit = self.producer.room(partitions as usize, 0).await?;
        let sent = self.producer.send_markers(&full, topic, partitions)?;
        let markers = self.producer.delivered(topic, sent).await?;
        let mut held = self.cluster.offsets(topic, &full, partitions).await?;
        for (held, marker) in held.iter_mut().zip(markers) {
            held.end = marker.offset + 1;
        }
        Ok(held)
    }

    async fn offsets_at_time(&self, topic: &str, time_ms: i64) -> Result<Vec<Position>, LogError> {
        let (partitions, full) = self.grown(topic).await?;
        let at = Offset::Offset(time_ms.max(0));
        let found = self.cluster.ask(topic, &full, partitions, at).await?;
        let ends = self
            .cluster
            .ask(topic, &full, partitions, Offset::End)
            .await?;
        let rows = (0_u32..).zip(found.into_iter().zip(ends));
        Ok(rows
            .map(|(partition, (found, end))| Position {
                partition,
                offset: found.or(end).unwrap_or(0),
            })
            .collect())
    }

    async fn multi_reader(&self, from: &[Start]) -> Result<Box<dyn Reader>, LogError> {
        self.check_open()?;
        let sources = self.sources(from).await?;
        let closed = self.closed.subscribe();
        Ok(Box::new(KafkaReader::new(&self.brokers, sources, closed)?))
    }

    async fn close(&self) -> Result<(), LogError> {
        if self.closed.send_replace(true) {
            return Ok(());
        }
        self.producer.flush().await
    }
}
