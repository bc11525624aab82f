//! Reads partitions with one consumer, each from an explicit offset.
//!
//! Messages come as the cluster answers, of all partitions mixed; they are sorted into one batch a partition before they
//! are given. What is held here, batches and a complaint, survives a read that was dropped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::arena::Arena;
use super::config::{self, Context};
use super::offsets::watermarks;
use super::{MARKER_HEADER, blocking, error};
use crate::limits::RECORD_BYTES_MAX;
use crate::{Batch, Entry, LogError, READ_BYTES_MAX, Reader, Start};

pub(super) struct KafkaReader {
    /// `None` only while it is dropped.
    consumer: Option<Arc<StreamConsumer<Context>>>,
    sources: Vec<Source>,
    /// Full topic name, and partition, to the index of the source.
    index: BTreeMap<String, BTreeMap<i32, usize>>,
    /// Read and not yet given, one batch a source.
    ready: VecDeque<Ready>,
    arena: Arena,
    /// Came after records that had to be returned first.
    held: Option<KafkaError>,
    closed: watch::Receiver<bool>,
}

/// One partition.
pub(super) struct Source {
    topic: String,
    full: String,
    partition: u32,
    /// What comes after everything that was taken from the consumer.
    position: u64,
}

struct Ready {
    start: usize,
    entries: Vec<Entry>,
}

impl Source {
    pub(super) fn new(start: &Start, full: String) -> Self {
        Self {
            topic: start.topic.clone(),
            full,
            partition: start.partition,
            position: start.from,
        }
    }

    fn number(&self) -> i32 {
        i32::try_from(self.partition).unwrap_or(i32::MAX)
    }
}

impl KafkaReader {
    pub(super) fn new(
        brokers: &str,
        sources: Vec<Source>,
        closed: watch::Receiver<bool>,
    ) -> Result<Self, LogError> {
        let consumer = config::consumer(brokers);
        let consumer = consumer.map_err(|error| error::during("read", "", &error))?;
        let mut index: BTreeMap<String, BTreeMap<i32, usize>> = BTreeMap::new();
        for (at, source) in sources.iter().enumerate() {
            let of_topic = index.entry(source.full.clone()).or_default();
            of_topic.insert(source.number(), at);
        }
        let reader = Self {
            consumer: Some(Arc::new(consumer)),
            sources,
            index,
            ready: VecDeque::new(),
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

    fn topic(&self) -> &str {
        self.sources.first().map_or("", |source| &source.topic)
    }

    fn assign(&self) -> Result<(), LogError> {
        let mut list = TopicPartitionList::new();
        for source in &self.sources {
            let from = i64::try_from(source.position).unwrap_or(i64::MAX);
            list.add_partition_offset(&source.full, source.number(), Offset::Offset(from))
                .map_err(|error| error::during("read", &source.topic, &error))?;
        }
        let assigned = self.consumer()?.assign(&list);
        assigned.map_err(|error| error::during("read", self.topic(), &error))
    }

    /// Takes what is there already.
    fn take(&mut self, max: usize) -> Result<(), LogError> {
        let consumer = Arc::clone(self.consumer()?);
        let mut taken: usize = self.ready.iter().map(|ready| ready.entries.len()).sum();
        // Room for the one that `next` may have taken already.
        let mut bytes = RECORD_BYTES_MAX;
        while taken < max && bytes + RECORD_BYTES_MAX <= READ_BYTES_MAX && self.held.is_none() {
            match consumer.recv().now_or_never() {
                Some(Ok(message)) => {
                    bytes += self.sort(&message);
                    taken += 1;
                }
                Some(Err(error)) => self.held = Some(error),
                None => break,
            }
        }
        Ok(())
    }

    /// Puts a message into the batch of its partition, and says how large it is. One that was taken before (fetched
    /// again after a new assignment) is left out; one that is about the log itself only moves the position.
    fn sort(&mut self, message: &BorrowedMessage<'_>) -> usize {
        let of_topic = self.index.get(message.topic());
        let Some(start) = of_topic.and_then(|of| of.get(&message.partition()).copied()) else {
            return 0;
        };
        let Some(source) = self.sources.get_mut(start) else {
            return 0;
        };
        let offset = error::offset(message.offset());
        if offset < source.position {
            return 0;
        }
        source.position = offset + 1;
        let entry = (!is_marker(message)).then(|| Entry {
            partition: source.partition,
            offset,
            record: self.arena.record(message),
        });
        let bytes = entry.as_ref().map_or(0, |entry| entry.record.bytes_len());
        match self.ready.iter_mut().find(|ready| ready.start == start) {
            Some(ready) => ready.entries.extend(entry),
            None => self.ready.push_back(Ready {
                start,
                entries: Vec::from_iter(entry),
            }),
        }
        bytes
    }

    fn give(&mut self, max: usize) -> Option<Batch> {
        let mut ready = self.ready.pop_front()?;
        let start = ready.start;
        let mut next = self.sources.get(start).map_or(0, |source| source.position);
        if ready.entries.len() > max {
            let rest = ready.entries.split_off(max);
            next = rest.first().map_or(next, |entry| entry.offset);
            let entries = rest;
            self.ready.push_front(Ready { start, entries });
        }
        Some(Batch {
            start,
            entries: Ok(ready.entries),
            next,
        })
    }

    /// What an error means; `Ok` if reading goes on by itself, or what is wrong with one partition.
    async fn judge(&mut self, error: &KafkaError) -> Result<Option<Batch>, LogError> {
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.outside().await,
            Some(Code::AllBrokersDown) => Err(error::during("read", self.topic(), error)),
            _ => match error::during("read", self.topic(), error) {
                // librdkafka tries again by itself, and says `AllBrokersDown` when that is in vain.
                LogError::Unavailable { why, .. } => {
                    tracing::debug!(topic = self.topic(), why, "kafka reader goes on");
                    Ok(None)
                }
                other => Err(other),
            },
        }
    }

    /// The error does not say which partition lost its position: all are looked at.
    async fn outside(&mut self) -> Result<Option<Batch>, LogError> {
        for (start, source) in self.sources.iter().enumerate() {
            let (consumer, topic) = (Arc::clone(self.consumer()?), source.topic.clone());
            let (full, number) = (source.full.clone(), source.number());
            let held = blocking(move || watermarks(&*consumer, &topic, &full, number)).await?;
            if source.position < held.start || source.position > held.end {
                let entries = Err(LogError::OffsetOutOfRange {
                    topic: source.topic.clone(),
                    partition: source.partition,
                    requested: source.position,
                    start: held.start,
                    end: held.end,
                });
                return Ok(Some(Batch {
                    start,
                    entries,
                    next: source.position,
                }));
            }
        }
        self.assign()?;
        Ok(None)
    }
}

fn is_marker(message: &BorrowedMessage<'_>) -> bool {
    message.payload().is_none()
        && message.headers().is_some_and(|headers| {
            headers
                .try_get(0)
                .is_some_and(|first| first.key == MARKER_HEADER)
        })
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Batch>, LogError> {
        let deadline = Instant::now() + wait;
        let max = max.max(1);
        loop {
            if *self.closed.borrow() {
                return Err(LogError::Closed);
            }
            if let Some(batch) = self.give(max) {
                return Ok(Some(batch));
            }
            if let Some(error) = self.held.clone() {
                // Kept until it is judged: a dropped future must not lose it. A lost position stays lost.
                let judged = self.judge(&error).await;
                if !matches!(judged, Ok(Some(_))) {
                    self.held = None;
                }
                if let Some(batch) = judged? {
                    return Ok(Some(batch));
                }
            }
            self.take(max)?;
            if !self.ready.is_empty() || self.held.is_some() {
                continue;
            }
            let consumer = Arc::clone(self.consumer()?);
            let first = tokio::select! {
                first = timeout_at(deadline, consumer.recv()) => first,
                _ = self.closed.changed() => return Err(LogError::Closed),
            };
            match first {
                Err(_) => return Ok(None),
                Ok(Err(error)) => self.held = Some(error),
                Ok(Ok(message)) => {
                    self.sort(&message);
                    self.take(max)?;
                }
            }
        }
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
