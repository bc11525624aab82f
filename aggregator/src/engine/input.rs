//! Reads the topics that the fold (and what agents and bridges say of themselves) lives on, partition by partition, and delivers them in order.
//!
//! A reader knows the record before its position, so a log that was cut short or replaced is noticed before the next
//! record is delivered: the delivery then says how much was lost, and why. Deliveries wait when the fold is slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wardline_log::{Entry, LogError, PartitionOffsets, PartitionReader, SharedLog};
use wardline_service::Stop;

use crate::error::AggregatorError;
use crate::limits::{
    DELIVERY_RECORDS_MAX, DISCOVER_INTERVAL_MS, DISCOVER_MISSING_INTERVAL_MS, READ_WAIT_MS,
    RETRY_FIRST_MS, RETRY_LONGEST_MS,
};
use crate::replicate::check::{Verdict, by_offsets, by_record, identity};
use crate::store::Mark;

/// A log that the fold reads: the centre's own, or a local site's.
#[derive(Clone)]
pub(crate) struct Input {
    /// Stands in position keys; never changes for the same log.
    pub(crate) name: String,
    /// The site of records that name no origin.
    pub(crate) site: String,
    pub(crate) log: SharedLog,
}

/// Some records of one partition, in order.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// `input/topic/partition`.
    pub(crate) key: String,
    pub(crate) site: String,
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) entries: Vec<Entry>,
    /// The position after it.
    pub(crate) next: u64,
    /// Next offset that the log would write, as last seen.
    pub(crate) end: u64,
    /// Offsets that were gone before they were read.
    pub(crate) lost: u64,
    pub(crate) problem: Option<String>,
    /// Keeps the reader from going on right now.
    pub(crate) trouble: Option<String>,
}

pub(crate) fn position_key(input: &str, topic: &str, partition: u32) -> String {
    format!("{input}/{topic}/{partition}")
}

/// What reads one set of topics and where it delivers.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) topics: Arc<[&'static str]>,
    pub(crate) marks: Arc<BTreeMap<String, Mark>>,
    /// A compacted topic loses its beginning in the order of things.
    pub(crate) compacted: bool,
    pub(crate) deliver: mpsc::Sender<Delivery>,
    pub(crate) stop: Stop,
}

/// Reads one input until told to stop; new topics and partitions are picked up.
pub(crate) async fn run(reading: Reading, input: Input) -> Result<(), AggregatorError> {
    let mut known = BTreeSet::new();
    let mut readers = JoinSet::new();
    while !reading.stop.is_stopped() {
        let mut missing = false;
        for topic in reading.topics.iter().copied() {
            match input.log.offsets(topic).await {
                Ok(offsets) => {
                    for held in offsets {
                        if known.insert((topic, held.partition)) {
                            let tail = Tail::new(&reading, &input, topic, held);
                            readers.spawn(tail.run());
                        }
                    }
                }
                Err(LogError::UnknownTopic { .. }) => missing = true,
                Err(error) => {
                    tracing::warn!(input = input.name, topic, %error, "cannot look for partitions");
                    missing = true;
                }
            }
        }
        let wait = if missing {
            DISCOVER_MISSING_INTERVAL_MS
        } else {
            DISCOVER_INTERVAL_MS
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            () = reading.stop.stopped() => {}
            Some(ended) = readers.join_next() => ended??,
        }
    }
    while let Some(ended) = readers.join_next().await {
        ended??;
    }
    Ok(())
}

/// One partition, from its mark on.
struct Tail {
    reading: Reading,
    input: Input,
    topic: &'static str,
    partition: u32,
    key: String,
    mark: Mark,
    end: u64,
    checked: Instant,
}

impl Tail {
    fn new(reading: &Reading, input: &Input, topic: &'static str, held: PartitionOffsets) -> Self {
        let key = position_key(&input.name, topic, held.partition);
        Self {
            mark: reading.marks.get(&key).cloned().unwrap_or_default(),
            reading: reading.clone(),
            input: input.clone(),
            topic,
            partition: held.partition,
            key,
            end: held.end,
            checked: Instant::now(),
        }
    }

    async fn run(mut self) -> Result<(), AggregatorError> {
        let mut wait = RETRY_FIRST_MS;
        while !self.reading.stop.is_stopped() {
            let before = self.mark.next;
            match self.tail().await {
                Ok(()) => return Ok(()),
                // Nobody opens it again.
                Err(error @ LogError::Closed) => return Err(error.into()),
                Err(error) => {
                    tracing::error!(key = self.key, %error, "reading stopped, will try again");
                    let trouble = format!("reading {}/{}: {error}", self.topic, self.partition);
                    let mut delivery = self.delivery(Vec::new());
                    delivery.trouble = Some(trouble);
                    if !self.hand_over(delivery).await {
                        return Ok(());
                    }
                }
            }
            if self.mark.next > before {
                wait = RETRY_FIRST_MS;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                () = self.reading.stop.stopped() => {}
            }
            wait = (wait * 2).min(RETRY_LONGEST_MS);
        }
        Ok(())
    }

    async fn tail(&mut self) -> Result<(), LogError> {
        let Some(mut reader) = self.reader().await? else {
            return Ok(());
        };
        loop {
            let entries = tokio::select! {
                entries = reader.next(DELIVERY_RECORDS_MAX, Duration::from_millis(READ_WAIT_MS)) => entries,
                () = self.reading.stop.stopped() => return Ok(()),
            };
            let again = match entries {
                Ok(entries) if entries.is_empty() => self.idle().await?,
                Ok(entries) => {
                    self.advance(&entries, reader.position());
                    if self.checked.elapsed() >= Duration::from_millis(READ_WAIT_MS) {
                        self.checked = Instant::now();
                        self.end = self.held().await?.end;
                    }
                    let delivery = self.delivery(entries);
                    if !self.hand_over(delivery).await {
                        return Ok(());
                    }
                    false
                }
                Err(LogError::OffsetOutOfRange { .. }) => true,
                Err(error) => return Err(error),
            };
            if again {
                match self.reader().await? {
                    Some(fresh) => reader = fresh,
                    None => return Ok(()),
                }
            }
        }
    }

    fn advance(&mut self, entries: &[Entry], next: u64) {
        self.mark.next = next;
        self.end = self.end.max(next);
        if let Some(last) = entries.last() {
            self.mark.last = Some((last.offset, identity(&last.record)));
        }
    }

    /// Whether the position has to be taken anew: the log was cut or replaced while nothing came.
    async fn idle(&mut self) -> Result<bool, LogError> {
        if self.checked.elapsed() < Duration::from_millis(DISCOVER_INTERVAL_MS) {
            return Ok(false);
        }
        self.checked = Instant::now();
        Ok(self.verdict().await?.1 != Verdict::Same)
    }

    async fn held(&self) -> Result<PartitionOffsets, LogError> {
        let all = self.input.log.offsets(self.topic).await?;
        let partitions = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.into_iter()
            .find(|o| o.partition == self.partition)
            .ok_or_else(|| LogError::UnknownPartition {
                topic: self.topic.to_owned(),
                partition: self.partition,
                partitions,
            })
    }

    async fn verdict(&self) -> Result<(PartitionOffsets, Verdict), LogError> {
        let held = self.held().await?;
        let verdict = by_offsets(self.mark.next, held);
        let Some((offset, id)) = &self.mark.last else {
            return Ok((held, verdict));
        };
        if verdict != Verdict::Same || *offset < held.start || *offset >= held.end {
            return Ok((held, verdict));
        }
        let mut reader = self
            .input
            .log
            .reader(self.topic, self.partition, *offset)
            .await?;
        let found = reader.next(1, Duration::from_millis(READ_WAIT_MS)).await?;
        Ok((held, by_record((*offset, id), found.first(), held)))
    }

    /// A reader at the right place; what is wrong with the place is delivered first. `None`: nobody listens any more.
    async fn reader(&mut self) -> Result<Option<PartitionReader>, LogError> {
        let (held, verdict) = self.verdict().await?;
        self.end = held.end;
        let (topic, partition) = (self.topic, self.partition);
        let (start, lost, problem) = match verdict {
            Verdict::Same => (self.mark.next, 0, None),
            Verdict::Truncated { start, .. } if self.reading.compacted => (start, 0, None),
            Verdict::Truncated { start, lost } => {
                let from = self.mark.next;
                let text = format!(
                    "log truncated at {topic}/{partition}: {lost} records ({from}..{start}) were removed before they were folded"
                );
                (start, lost, Some(text))
            }
            Verdict::Recreated { start, why } => {
                let text = format!(
                    "log recreated at {topic}/{partition}: {why}; folding what it holds from {start} on"
                );
                self.mark.last = None;
                (start, 0, Some(text))
            }
        };
        self.mark.next = start;
        if let Some(text) = &problem {
            tracing::error!(key = self.key, "{text}");
        }
        let mut delivery = self.delivery(Vec::new());
        delivery.lost = lost;
        delivery.problem = problem;
        if !self.hand_over(delivery).await {
            return Ok(None);
        }
        self.input
            .log
            .reader(topic, partition, start)
            .await
            .map(Some)
    }

    fn delivery(&self, entries: Vec<Entry>) -> Delivery {
        Delivery {
            key: self.key.clone(),
            site: self.input.site.clone(),
            topic: self.topic.to_owned(),
            partition: self.partition,
            entries,
            next: self.mark.next,
            end: self.end,
            lost: 0,
            problem: None,
            trouble: None,
        }
    }

    async fn hand_over(&self, delivery: Delivery) -> bool {
        tokio::select! {
            sent = self.reading.deliver.send(delivery) => sent.is_ok(),
            () = self.reading.stop.stopped() => false,
        }
    }
}
