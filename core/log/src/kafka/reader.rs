//! Reads one partition with a consumer of its own, from an explicit offset.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::arena::Arena;
use super::config::{self, Context};
use super::{REQUEST_TIMEOUT, blocking, error};
use crate::limits::RECORD_BYTES_MAX;
use crate::{Entry, LogError, READ_BYTES_MAX, Reader};

pub(super) struct KafkaReader {
    /// `None` only while it is dropped.
    consumer: Option<Arc<StreamConsumer<Context>>>,
    topic: String,
    full: String,
    partition: u32,
    position: u64,
    arena: Arena,
    /// Came after records that had to be returned first.
    held: Option<KafkaError>,
    closed: watch::Receiver<bool>,
}

impl KafkaReader {
    pub(super) fn new(
        brokers: &str,
        (topic, full): (String, String),
        partition: u32,
        from: u64,
        closed: watch::Receiver<bool>,
    ) -> Result<Self, LogError> {
        let consumer = config::consumer(brokers);
        let consumer = consumer.map_err(|error| error::during("read", &topic, &error))?;
        let reader = Self {
            consumer: Some(Arc::new(consumer)),
            topic,
            full,
            partition,
            position: from,
            arena: Arena::default(),
            held: None,
            closed,
        };
        reader.assign()?;
        Ok(reader)
    }

    fn consumer(&self) -> Result<&Arc<StreamConsumer<Context>>, LogError> {
        self.consumer.as_ref().ok_or(LogError::Closed)
    }

    fn number(&self) -> i32 {
        i32::try_from(self.partition).unwrap_or(i32::MAX)
    }

    fn assign(&self) -> Result<(), LogError> {
        let failed = |error| error::during("read", &self.topic, &error);
        let mut list = TopicPartitionList::new();
        let from = i64::try_from(self.position).unwrap_or(i64::MAX);
        list.add_partition_offset(&self.full, self.number(), Offset::Offset(from))
            .map_err(failed)?;
        self.consumer()?.assign(&list).map_err(failed)
    }

    /// What is there already.
    fn take(&mut self, max: usize) -> Result<Vec<Entry>, LogError> {
        let consumer = Arc::clone(self.consumer()?);
        let mut taken = Vec::new();
        // Room for the one that `next` may have taken already.
        let mut bytes = RECORD_BYTES_MAX;
        while taken.len() < max && bytes + RECORD_BYTES_MAX <= READ_BYTES_MAX && self.held.is_none()
        {
            match consumer.recv().now_or_never() {
                Some(Ok(message)) => {
                    if let Some(entry) = self.entry(&message) {
                        bytes += entry.record.bytes_len();
                        taken.push(entry);
                    }
                }
                Some(Err(error)) => self.held = Some(error),
                None => break,
            }
        }
        Ok(taken)
    }

    /// A message as an entry; `None` for one that was returned before (fetched again after a new assignment).
    fn entry(&mut self, message: &BorrowedMessage<'_>) -> Option<Entry> {
        let offset = error::offset(message.offset());
        if offset < self.position {
            return None;
        }
        self.position = offset + 1;
        Some(Entry {
            partition: self.partition,
            offset,
            record: self.arena.record(message),
        })
    }

    /// What an error means for this position; `Ok` if reading goes on by itself.
    async fn judge(&mut self, error: &KafkaError) -> Result<(), LogError> {
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.outside().await,
            Some(Code::AllBrokersDown) => Err(error::during("read", &self.topic, error)),
            _ => match error::during("read", &self.topic, error) {
                // librdkafka tries again by itself, and says `AllBrokersDown` when that is in vain.
                LogError::Unavailable { why, .. } => {
                    tracing::debug!(
                        topic = self.topic,
                        partition = self.partition,
                        why,
                        "kafka reader goes on"
                    );
                    Ok(())
                }
                other => Err(other),
            },
        }
    }

    async fn outside(&mut self) -> Result<(), LogError> {
        let (consumer, full, number) = (
            Arc::clone(self.consumer()?),
            self.full.clone(),
            self.number(),
        );
        let topic = self.topic.clone();
        let (low, high) = blocking(move || {
            let marks = consumer
                .client()
                .fetch_watermarks(&full, number, REQUEST_TIMEOUT);
            marks.map_err(|error| error::during("read offsets", &topic, &error))
        })
        .await?;
        let (start, end) = (error::offset(low), error::offset(high));
        if self.position >= start && self.position <= end {
            return self.assign();
        }
        Err(LogError::OffsetOutOfRange {
            topic: self.topic.clone(),
            partition: self.partition,
            requested: self.position,
            start,
            end,
        })
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            if *self.closed.borrow() {
                return Err(LogError::Closed);
            }
            if let Some(error) = self.held.clone() {
                // Kept until it is judged: a dropped future must not lose it. A lost position stays lost.
                let judged = self.judge(&error).await;
                if !matches!(judged, Err(LogError::OffsetOutOfRange { .. })) {
                    self.held = None;
                }
                judged?;
            }
            let taken = self.take(max)?;
            if max == 0 || !taken.is_empty() {
                return Ok(taken);
            }
            if self.held.is_some() {
                continue;
            }
            let consumer = Arc::clone(self.consumer()?);
            let first = tokio::select! {
                first = timeout_at(deadline, consumer.recv()) => first,
                _ = self.closed.changed() => return Err(LogError::Closed),
            };
            match first {
                Err(_) => return Ok(Vec::new()),
                Ok(Err(error)) => self.held = Some(error),
                Ok(Ok(message)) => {
                    let Some(entry) = self.entry(&message) else {
                        continue;
                    };
                    let mut entries = vec![entry];
                    entries.extend(self.take(max - 1)?);
                    return Ok(entries);
                }
            }
        }
    }

    fn position(&self) -> u64 {
        self.position
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        // Closing a consumer blocks until its threads are gone.
        let consumer = self.consumer.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(consumer));
        }
    }
}
