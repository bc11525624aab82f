//! The log in a Kafka cluster, through librdkafka.
//!
//! What it keeps true:
//! - an append is answered when all replicas in sync have it (`acks=all`), with idempotence, so that librdkafka's own
//!   retries neither double nor reorder; it waits as long as the cluster is away;
//! - an append of several records is not atomic here: an error says `uncertain` when some may stand;
//! - reading starts at an explicit offset and nothing is committed anywhere but in the caller's own state;
//! - blocking calls of librdkafka run as blocking tasks, with a timeout.
//!
//! Each reader has a consumer of its own, which costs librdkafka a few threads and a connection a broker.

mod admin;
mod arena;
mod config;
mod error;
mod reader;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::admin::AdminClient;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};

use config::Context;
use reader::KafkaReader;

use crate::check::Load;
use crate::limits::{
    KAFKA_IN_FLIGHT_KBYTES_MAX, KAFKA_RECORD_OVERHEAD_BYTES, KAFKA_REQUEST_TIMEOUT_MS,
};
use crate::{
    Log, LogError, Maintenance, PartitionOffsets, Position, Reader, Record, TopicInfo, TopicSpec,
    partition_for,
};

type Producer = FutureProducer<Context>;

/// The record's own time. Kafka's timestamp is the time of writing, because the cluster recognises a batch that was
/// sent twice only while its newest timestamp is younger than a day: with event times, a backlog would be doubled when
/// a broker restarts. Retention and segments go by the time of writing as well, as in the embedded engine.
pub(crate) const TIME_HEADER: &str = "log-time-ms";
/// How often something that is on its way is looked for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_millis(KAFKA_REQUEST_TIMEOUT_MS);

/// The Kafka engine.
pub struct KafkaLog {
    brokers: String,
    prefix: String,
    producer: Producer,
    admin: AdminClient<Context>,
    /// By name without prefix, as last seen.
    topics: RwLock<BTreeMap<String, TopicInfo>>,
    /// One permit is a KiB inside the producer.
    in_flight: Arc<Semaphore>,
    closed: watch::Sender<bool>,
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
        let log = Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            producer: config::producer(brokers).map_err(client_error)?,
            admin: config::admin(brokers).map_err(client_error)?,
            topics: RwLock::new(BTreeMap::new()),
            in_flight: Arc::new(Semaphore::new(KAFKA_IN_FLIGHT_KBYTES_MAX)),
            closed: watch::Sender::new(false),
        };
        log.load_topics().await?;
        Ok(Arc::new(log))
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

    /// What is known of a topic; asks the cluster if nothing is.
    async fn topic(&self, name: &str) -> Result<TopicInfo, LogError> {
        self.check_open()?;
        let known = {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            topics.get(name).cloned()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let mut loaded = self.load_topics().await?;
        loaded.remove(name).ok_or_else(|| LogError::UnknownTopic {
            topic: name.to_owned(),
        })
    }

    fn forget(&self, topic: &str) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.remove(topic);
    }

    /// Oldest and next offset of a partition. Waits while the partition's leader is changing.
    async fn watermarks(&self, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let (producer, full) = (self.producer.clone(), self.full(topic));
            let marks = blocking(move || {
                let client = producer.client();
                Ok(client.fetch_watermarks(&full, number, REQUEST_TIMEOUT))
            });
            match marks.await? {
                Ok((low, high)) => return Ok((error::offset(low), error::offset(high))),
                Err(moving) if error::leader_moves(&moving) && Instant::now() < deadline => {
                    sleep(LOOK_AGAIN).await;
                }
                Err(other) => return Err(error::during("read offsets", topic, &other)),
            }
        }
    }

    /// Hands all records to librdkafka without waiting in between, so that their order is the caller's.
    fn enqueue(
        &self,
        topic: &TopicInfo,
        records: &[Record],
    ) -> Result<Vec<DeliveryFuture>, LogError> {
        let full = self.full(&topic.name);
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            let partition = partition_for(record.key.as_deref(), topic.partitions);
            let outgoing = FutureRecord::<[u8], [u8]> {
                topic: &full,
                partition: i32::try_from(partition).ok(),
                payload: record.value.as_deref(),
                key: record.key.as_deref(),
                // The cluster's time of writing; the record's own is in a header.
                timestamp: None,
                headers: Some(headers(record)),
            };
            match self.producer.send_result(outgoing) {
                Ok(delivery) => sent.push(delivery),
                Err((error, _)) => {
                    return Err(self.append_failed(&topic.name, &error, !sent.is_empty()));
                }
            }
        }
        Ok(sent)
    }

    async fn delivered(
        &self,
        topic: &str,
        sent: Vec<DeliveryFuture>,
    ) -> Result<Vec<Position>, LogError> {
        let mut positions = Vec::with_capacity(sent.len());
        for delivery in sent {
            let delivery = delivery.await.map_err(|_| LogError::Closed)?;
            let delivery =
                delivery.map_err(|(error, _)| self.append_failed(topic, &error, true))?;
            let (Ok(partition), Ok(offset)) = (
                u32::try_from(delivery.partition),
                u64::try_from(delivery.offset),
            ) else {
                return Err(LogError::Unavailable {
                    doing: "append",
                    why: "the cluster did not say at which offset the record stands".to_owned(),
                    uncertain: true,
                });
            };
            positions.push(Position { partition, offset });
        }
        Ok(positions)
    }

    fn append_failed(
        &self,
        topic: &str,
        error: &rdkafka::error::KafkaError,
        uncertain: bool,
    ) -> LogError {
        let mut failed = error::during("append", topic, error);
        match &mut failed {
            LogError::UnknownTopic { .. } => self.forget(topic),
            LogError::Unavailable {
                uncertain: flag, ..
            } => *flag = uncertain,
            _ => {}
        }
        failed
    }
}

/// The record's headers, and its time as one more.
fn headers(record: &Record) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
    let headers = record
        .headers
        .iter()
        .fold(headers, |headers, (key, value)| {
            let value = Some(value);
            headers.insert(Header { key, value })
        });
    headers.insert(Header {
        key: TIME_HEADER,
        value: Some(record.time_ms.to_string().as_str()),
    })
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
    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        self.check_open()?;
        self.create_or_adjust(specs).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.check_open()?;
        Ok(self.load_topics().await?.into_values().collect())
    }

    async fn append(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, LogError> {
        let mut positions = self.append_many(vec![(topic.to_owned(), records)]).await?;
        Ok(positions.pop().unwrap_or_default())
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
        // 32 MiB and 50,000 records at most, so less than half of the permits: always to be had.
        let bytes = load.bytes + load.records * KAFKA_RECORD_OVERHEAD_BYTES;
        let permits = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let _permit = self
            .in_flight
            .acquire_many(permits)
            .await
            .map_err(|_| LogError::Closed)?;
        self.check_open()?;
        let mut sent = Vec::with_capacity(of_topics.len());
        for (topic, records) in &of_topics {
            sent.push(self.enqueue(topic, records)?);
        }
        let mut positions = Vec::with_capacity(sent.len());
        for ((topic, _), sent) in of_topics.iter().zip(sent) {
            positions.push(self.delivered(&topic.name, sent).await?);
        }
        Ok(positions)
    }

    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        let info = self.topic(topic).await?;
        let mut offsets = Vec::new();
        for partition in 0..info.partitions {
            let (start, end) = self.watermarks(topic, partition).await?;
            offsets.push(PartitionOffsets {
                partition,
                start,
                end,
            });
        }
        Ok(offsets)
    }

    async fn reader(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
    ) -> Result<Box<dyn Reader>, LogError> {
        let info = self.topic(topic).await?;
        if partition >= info.partitions {
            return Err(LogError::UnknownPartition {
                topic: topic.to_owned(),
                partition,
                partitions: info.partitions,
            });
        }
        let (start, end) = self.watermarks(topic, partition).await?;
        if from < start || from > end {
            return Err(LogError::OffsetOutOfRange {
                topic: topic.to_owned(),
                partition,
                requested: from,
                start,
                end,
            });
        }
        let names = (topic.to_owned(), self.full(topic));
        let reader = KafkaReader::new(
            &self.brokers,
            names,
            partition,
            from,
            self.closed.subscribe(),
        )?;
        Ok(Box::new(reader))
    }

    async fn maintain(&self) -> Result<Maintenance, LogError> {
        self.check_open()?;
        Ok(Maintenance::default())
    }

    async fn close(&self) -> Result<(), LogError> {
        if self.closed.send_replace(true) {
            return Ok(());
        }
        let producer = self.producer.clone();
        blocking(move || {
            let flushed = producer.flush(REQUEST_TIMEOUT);
            flushed.map_err(|error| LogError::Unavailable {
                doing: "write what was appended before it was closed",
                why: error.to_string(),
                uncertain: true,
            })
        })
        .await
    }
}
