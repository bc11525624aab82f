//! Appending: the idempotent producer, what bounds it, and a new one when librdkafka has given the old one up.
//!
//! librdkafka makes a producer useless for ever after errors that may have broken its order. The append that met it is
//! answered as `Unavailable`, like every other failed append, and the next one finds a new producer.

use std::sync::{PoisonError, RwLock};

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};
use tokio::sync::Semaphore;

use super::config::{self, Context};
use super::{MARKER_HEADER, REQUEST_TIMEOUT, TIME_HEADER, blocking, error};
use crate::limits::{KAFKA_IN_FLIGHT_KBYTES_MAX, RECORD_OVERHEAD_BYTES};
use crate::{LogError, Position, Record, TopicInfo, partition_for};

pub(super) struct Producer {
    brokers: String,
    current: RwLock<FutureProducer<Context>>,
    /// One permit is a KiB inside the producer.
    in_flight: Semaphore,
}

/// Records that were handed to librdkafka, in order.
pub(super) struct Sent(Vec<DeliveryFuture>);

impl Producer {
    pub(super) fn new(brokers: &str) -> KafkaResult<Self> {
        Ok(Self {
            brokers: brokers.to_owned(),
            current: RwLock::new(config::producer(brokers)?),
            in_flight: Semaphore::new(KAFKA_IN_FLIGHT_KBYTES_MAX),
        })
    }

    /// Waits for room for an append.
    pub(super) async fn room(
        &self,
        records: usize,
        bytes: usize,
    ) -> Result<tokio::sync::SemaphorePermit<'_>, LogError> {
        // 32 MiB and 50,000 records at most, so less than half of the permits: always to be had.
        let bytes = bytes + records * RECORD_OVERHEAD_BYTES;
        let permits = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let permit = self.in_flight.acquire_many(permits).await;
        permit.map_err(|_| LogError::Closed)
    }

    fn current(&self) -> FutureProducer<Context> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Hands all records over without waiting in between, so that their order is the caller's.
    pub(super) fn send(
        &self,
        full: &str,
        topic: &TopicInfo,
        records: &[Record],
    ) -> Result<Sent, LogError> {
        let producer = self.current();
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            let partition = partition_for(record.key.as_deref(), topic.partitions);
            let outgoing = FutureRecord::<[u8], [u8]> {
                topic: full,
                partition: i32::try_from(partition).ok(),
                payload: record.value.as_deref(),
                key: record.key.as_deref(),
                // The cluster's time of writing; the record's own is in a header.
                timestamp: None,
                headers: Some(headers(record)),
            };
            let handed = producer.send_result(outgoing);
            sent.push(handed.map_err(|(error, _)| self.failed(&topic.name, &error))?);
        }
        Ok(Sent(sent))
    }

    /// A record that no reader shows, in each of the partitions; a key of its own keeps it apart where keys count.
    pub(super) fn send_markers(
        &self,
        full: &str,
        topic: &str,
        partitions: u32,
    ) -> Result<Sent, LogError> {
        let producer = self.current();
        let mut sent = Vec::new();
        for partition in 0..partitions {
            let marker = OwnedHeaders::new().insert(Header {
                key: MARKER_HEADER,
                value: Some("barrier"),
            });
            let outgoing = FutureRecord::<str, [u8]> {
                topic: full,
                partition: i32::try_from(partition).ok(),
                payload: None,
                key: Some(MARKER_HEADER),
                timestamp: None,
                headers: Some(marker),
            };
            let handed = producer.send_result(outgoing);
            sent.push(handed.map_err(|(error, _)| self.failed(topic, &error))?);
        }
        Ok(Sent(sent))
    }

    /// Waits until all replicas in sync have them.
    pub(super) async fn delivered(
        &self,
        topic: &str,
        sent: Sent,
    ) -> Result<Vec<Position>, LogError> {
        let mut positions = Vec::with_capacity(sent.0.len());
        for delivery in sent.0 {
            let delivery = delivery.await.map_err(|_| LogError::Closed)?;
            let delivery = delivery.map_err(|(error, _)| self.failed(topic, &error))?;
            let (Ok(partition), Ok(offset)) = (
                u32::try_from(delivery.partition),
                u64::try_from(delivery.offset),
            ) else {
                return Err(LogError::Unavailable {
                    doing: "append",
                    why: "the cluster did not say at which offset the record stands".to_owned(),
                });
            };
            positions.push(Position { partition, offset });
        }
        Ok(positions)
    }

    fn failed(&self, topic: &str, error: &KafkaError) -> LogError {
        self.mend();
        error::during("append", topic, error)
    }

    /// Puts a new producer in the place of one that librdkafka has given up.
    fn mend(&self) {
        let Some((code, why)) = self.current().client().fatal_error() else {
            return;
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.client().fatal_error().is_none() {
            // Somebody was faster.
            return;
        }
        match config::producer(&self.brokers) {
            Ok(new) => {
                tracing::warn!(%code, why, "the kafka producer failed for good; a new one goes on");
                let old = std::mem::replace(&mut *current, new);
                // Dropping it waits for its threads.
                std::thread::spawn(move || drop(old));
            }
            Err(error) => {
                tracing::error!(%error, "the kafka producer failed for good, and no new one can be made");
            }
        }
    }

    /// Asks for the topic's partitions, which the client remembers.
    pub(super) async fn look_at(&self, topic: &str, full: String) -> Result<(), LogError> {
        let (producer, topic) = (self.current(), topic.to_owned());
        blocking(move || {
            let seen = producer
                .client()
                .fetch_metadata(Some(&full), REQUEST_TIMEOUT);
            seen.map_err(|error| error::during("read topics", &topic, &error))?;
            Ok(())
        })
        .await
    }

    pub(super) async fn flush(&self) -> Result<(), LogError> {
        let producer = self.current();
        blocking(move || {
            let flushed = producer.flush(REQUEST_TIMEOUT);
            flushed.map_err(|error| LogError::Unavailable {
                doing: "write what was appended before it was closed",
                why: error.to_string(),
            })
        })
        .await
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
