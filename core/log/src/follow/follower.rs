//! Follows all partitions of some topics of one log, with one reader, for as long as the program runs.
//!
//! Readers that stay open for months meet everything: topics that do not exist yet, retention that overtakes them, logs
//! that were deleted and made anew, clusters that are away. Each of these is told as an item and followed by a retry
//! with a growing wait; only `Closed` and the program's stop end it. A mark moves only with what was handed out or told
//! as lost, and one partition that cannot be read does not hold up the others.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wardline_service::{Backoff, Stop};

use super::mark::{Finding, Mark, Seen, can_compare, judge};
use super::{Followed, Item, PartitionState};
use crate::limits::{
    FOLLOW_CHECK_INTERVAL_MS, FOLLOW_COMPARE_INTERVAL_MS, FOLLOW_ENDS_INTERVAL_MS,
    FOLLOW_MISSING_INTERVAL_MS, FOLLOW_READ_RECORDS_MAX, FOLLOW_RETRY_FIRST_MS,
    FOLLOW_RETRY_LONGEST_MS, FOLLOW_WAIT_MS,
};
use crate::{Batch, Entry, LogError, LogId, PartitionOffsets, Reader, SharedLog, Start};

type Key = (String, u32);

/// A position in several partitions of one log, and the log's identity. `next` may be dropped and called again.
///
/// Topics and partitions that do not exist yet are waited for. A partition without a given mark starts at offset 0, so
/// what retention has removed of it before is told as `Truncated` too.
pub struct Follower {
    log: SharedLog,
    topics: Vec<String>,
    /// Nothing else is followed.
    partition: Option<u32>,
    stop: Stop,
    max: usize,
    /// Marks of partitions that were not seen yet.
    given: BTreeMap<Key, Mark>,
    parts: Vec<Part>,
    /// What its starts are called in `parts`.
    reader: Option<(Box<dyn Reader>, Vec<usize>)>,
    told: VecDeque<Item>,
    backoff: Backoff,
    retry_at: Option<Instant>,
    /// When offsets, identities and partitions are looked at next.
    check_at: Instant,
    /// The last records are compared before anything is read, and now and then while nothing comes.
    compare: bool,
    compare_at: Instant,
}

/// One partition.
struct Part {
    place: PartitionState,
    backoff: Backoff,
    /// Left out of the reader until then.
    rests_until: Option<Instant>,
}

fn backoff() -> Backoff {
    Backoff::of_ms(FOLLOW_RETRY_FIRST_MS, FOLLOW_RETRY_LONGEST_MS)
}

fn soon(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

impl Follower {
    /// Follows these topics from offset 0, unless `starting_at` says otherwise.
    #[must_use]
    pub fn new(log: SharedLog, topics: &[&str], stop: Stop) -> Self {
        Self {
            log,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            partition: None,
            stop,
            max: FOLLOW_READ_RECORDS_MAX,
            given: BTreeMap::new(),
            parts: Vec::new(),
            reader: None,
            told: VecDeque::new(),
            backoff: backoff(),
            retry_at: None,
            check_at: Instant::now(),
            compare: true,
            compare_at: Instant::now(),
        }
    }

    /// Goes on where a partition was left.
    #[must_use]
    pub fn starting_at(mut self, topic: &str, partition: u32, mark: Mark) -> Self {
        self.given.insert((topic.to_owned(), partition), mark);
        self
    }

    /// Follows this one partition of the topics and no other.
    #[must_use]
    pub fn partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Records that one item carries at most.
    #[must_use]
    pub fn max(mut self, records: usize) -> Self {
        self.max = records;
        self
    }

    /// All partitions, as they stand.
    pub fn places(&self) -> impl Iterator<Item = &PartitionState> {
        self.parts.iter().map(|part| &part.place)
    }

    /// What comes next; `None` once the program stops.
    ///
    /// # Errors
    /// `Closed`. Everything else is an item, and is tried again.
    pub async fn next(&mut self) -> Result<Option<Item>, LogError> {
        let stop = self.stop.clone();
        loop {
            if stop.is_stopped() {
                return Ok(None);
            }
            if let Some(item) = self.told.pop_front() {
                return Ok(Some(item));
            }
            let step = tokio::select! {
                biased;
                () = stop.stopped() => return Ok(None),
                step = self.step() => step,
            };
            match step {
                Ok(()) => {}
                Err(LogError::Closed) => return Err(LogError::Closed),
                Err(error) => self.trouble(error),
            }
        }
    }

    fn trouble(&mut self, error: LogError) {
        tracing::warn!(topics = ?self.topics, %error, "following a log is interrupted");
        self.reopen();
        self.retry_at = Some(Instant::now() + self.backoff.draw());
        self.told.push_back(Item::Trouble { place: None, error });
    }

    fn reopen(&mut self) {
        self.reader = None;
        self.compare = true;
    }

    async fn step(&mut self) -> Result<(), LogError> {
        if let Some(at) = self.retry_at {
            sleep_until(at).await;
            self.retry_at = None;
        }
        let now = Instant::now();
        let mut rested = false;
        for part in &mut self.parts {
            rested |= part.rests_until.take_if(|at| *at <= now).is_some();
        }
        if rested {
            self.reopen();
        }
        if self.check_at <= now || self.compare {
            self.check().await?;
            if !self.told.is_empty() {
                return Ok(());
            }
        }
        self.read().await
    }

    async fn read(&mut self) -> Result<(), LogError> {
        let (reader, starts) = match &mut self.reader {
            Some(open) => open,
            None => {
                let starts: Vec<usize> = (0..self.parts.len())
                    .filter(|at| self.parts.get(*at).is_some_and(|p| p.rests_until.is_none()))
                    .collect();
                if starts.is_empty() {
                    sleep_until(self.check_at).await;
                    self.told.push_back(Item::Idle);
                    return Ok(());
                }
                let from: Vec<Start> = starts
                    .iter()
                    .filter_map(|at| self.parts.get(*at))
                    .map(|part| Start {
                        topic: part.place.topic.clone(),
                        partition: part.place.partition,
                        from: part.place.mark.next,
                    })
                    .collect();
                let reader = self.log.multi_reader(&from).await?;
                self.reader.insert((reader, starts))
            }
        };
        let wait = Duration::from_millis(FOLLOW_WAIT_MS);
        match reader.next(self.max, wait).await? {
            None => self.idle(),
            Some(batch) => {
                let at = starts.get(batch.start).copied();
                self.take(at, batch);
            }
        }
        Ok(())
    }

    fn idle(&mut self) {
        // Nothing is left to be read, so this is the time to look whether it is still the same log.
        self.compare = self.compare_at <= Instant::now();
        self.told.push_back(Item::Idle);
    }

    fn take(&mut self, at: Option<usize>, batch: Batch) {
        let Some(part) = at.and_then(|at| self.parts.get_mut(at)) else {
            return;
        };
        match batch.entries {
            Ok(entries) => {
                part.place.mark.advance(&entries, batch.next);
                part.place.end = part.place.end.max(batch.next);
                part.backoff.progress();
                self.backoff.progress();
                self.check_at = self.check_at.min(soon(FOLLOW_ENDS_INTERVAL_MS));
                let place = part.place.clone();
                let followed = Followed { place, entries };
                self.told.push_back(Item::Entries(followed));
            }
            Err(error) => {
                // Looked at anew; what the look does not explain rests for a while, so that the others go on.
                let wait = part.backoff.draw();
                let overtaken = matches!(error, LogError::OffsetOutOfRange { .. });
                if !overtaken || wait > Duration::from_millis(FOLLOW_RETRY_FIRST_MS) {
                    tracing::error!(topic = part.place.topic, partition = part.place.partition, %error, "a partition cannot be followed, will try again");
                    part.rests_until = Some(Instant::now() + wait);
                    let place = Some(part.place.clone());
                    self.told.push_back(Item::Trouble { place, error });
                }
                self.reopen();
            }
        }
    }

    /// Looks at offsets, identities and partitions, and at the last records if that is due; tells what is new.
    async fn check(&mut self) -> Result<(), LogError> {
        let mut missing = false;
        let mut seen: Vec<(Key, PartitionOffsets, LogId)> = Vec::new();
        for topic in &self.topics {
            match self.log.offsets(topic).await {
                Ok(held) => {
                    let id = self.log.id(topic).await?;
                    let followed = |p: u32| self.partition.is_none_or(|only| only == p);
                    let of_topic = held.into_iter().filter(|held| followed(held.partition));
                    seen.extend(
                        of_topic.map(|held| ((topic.clone(), held.partition), held, id.clone())),
                    );
                }
                Err(LogError::UnknownTopic { .. }) => missing = true,
                Err(error) => return Err(error),
            }
        }
        let last_read = match self.compare {
            true => self.last_read(&seen),
            false => Vec::new(),
        };
        let there = first_records(&self.log, &last_read).await?;
        for (key, held, id) in &seen {
            self.settle(key, *held, id, there.get(key));
        }
        self.check_at = soon(if missing {
            FOLLOW_MISSING_INTERVAL_MS
        } else {
            FOLLOW_CHECK_INTERVAL_MS
        });
        if std::mem::take(&mut self.compare) {
            self.compare_at = soon(FOLLOW_COMPARE_INTERVAL_MS);
        }
        Ok(())
    }

    /// Where each partition's last record was read, if it may still be there.
    fn last_read(&self, seen: &[(Key, PartitionOffsets, LogId)]) -> Vec<Start> {
        let start = |(key, held, _): &(Key, PartitionOffsets, LogId)| {
            let from = can_compare(self.mark(key)?, *held)?;
            let (topic, partition) = key.clone();
            Some(Start {
                topic,
                partition,
                from,
            })
        };
        seen.iter().filter_map(start).collect()
    }

    fn mark(&self, key: &Key) -> Option<&Mark> {
        let known = self.parts.iter().find(|part| part.is(key));
        known
            .map(|part| &part.place.mark)
            .or_else(|| self.given.get(key))
    }

    /// Compares what is known of a partition with what was seen.
    fn settle(&mut self, key: &Key, held: PartitionOffsets, id: &LogId, there: Option<&Entry>) {
        let known = self.parts.iter().position(|part| part.is(key));
        let at = known.unwrap_or(self.parts.len());
        if known.is_none() {
            let mark = self.given.remove(key).unwrap_or_default();
            self.parts.push(Part::new(key, mark));
            self.reader = None;
        }
        let Some(part) = self.parts.get_mut(at) else {
            return;
        };
        let seen = Seen {
            held,
            log: id,
            there,
        };
        let finding = judge(&part.place.mark, &seen);
        part.place.end = held.end.max(part.place.mark.next);
        part.place.mark.log = Some(id.clone());
        match finding {
            Finding::Same => {
                if known.is_none() {
                    self.told.push_back(Item::Added(part.place.clone()));
                }
                return;
            }
            Finding::Truncated { to } => {
                let from = part.place.mark.next;
                part.place.mark.next = to;
                let place = part.place.clone();
                let lost = to - from;
                tracing::error!(
                    topic = key.0,
                    partition = key.1,
                    from,
                    to,
                    "retention removed records before they were read"
                );
                self.told.push_back(Item::Truncated { place, from, lost });
            }
            Finding::Recreated { why } => {
                part.place.mark.next = held.start;
                part.place.mark.last = None;
                part.place.end = held.end;
                let place = part.place.clone();
                tracing::error!(
                    topic = key.0,
                    partition = key.1,
                    why,
                    "the log was replaced"
                );
                self.told.push_back(Item::Recreated { place, why });
            }
        }
        self.reader = None;
    }
}

/// The first record from each start on. What does not come soon is a hole, of which nothing can be said.
async fn first_records(
    log: &SharedLog,
    starts: &[Start],
) -> Result<BTreeMap<Key, Entry>, LogError> {
    let mut found = BTreeMap::new();
    if starts.is_empty() {
        return Ok(found);
    }
    let mut reader = log.multi_reader(starts).await?;
    let deadline = soon(FOLLOW_WAIT_MS);
    while found.len() < starts.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(batch) = reader.next(1, left).await? else {
            break;
        };
        // A partition that cannot be read says so again when it is read.
        let Ok(entries) = batch.entries else { break };
        let first = entries.into_iter().next();
        if let (Some(start), Some(first)) = (starts.get(batch.start), first) {
            let key = (start.topic.clone(), start.partition);
            found.entry(key).or_insert(first);
        }
    }
    Ok(found)
}

impl Part {
    fn new((topic, partition): &Key, mark: Mark) -> Self {
        Self {
            place: PartitionState {
                topic: topic.clone(),
                partition: *partition,
                end: mark.next,
                mark,
            },
            backoff: backoff(),
            rests_until: None,
        }
    }

    fn is(&self, (topic, partition): &Key) -> bool {
        self.place.partition == *partition && self.place.topic == *topic
    }
}
