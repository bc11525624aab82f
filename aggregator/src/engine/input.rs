//! Reads the topics that the fold lives on, and those that agents and bridges speak in, and delivers them in order.
//!
//! One follower reads all partitions of a log. It knows the record before each position, so a log that was cut short or
//! replaced is told before the next record is delivered: the delivery then says how much was lost, and why. Deliveries
//! wait when the fold is slow.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use wardline_log::follow::{Followed, Follower, Item, PartitionState};
use wardline_log::{Entry, SharedLog};
use wardline_service::Stop;

use crate::decode::origin::ReadFrom;
use crate::error::AggregatorError;
use crate::limits::DELIVERY_RECORDS_MAX;
use crate::store::Mark;

/// A log that the fold reads: the centre's own, or a local site's.
#[derive(Clone)]
pub(crate) struct Input {
    /// Stands in position keys; never changes for the same log.
    pub(crate) name: String,
    /// The site of records that are no copies.
    pub(crate) site: String,
    /// The log is the centre's own, and holds copies of other sites' records.
    pub(crate) copies: bool,
    pub(crate) log: SharedLog,
}

/// Some records of one partition, in order.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// `input/topic/partition`.
    pub(crate) key: String,
    pub(crate) site: String,
    pub(crate) copies: bool,
    /// Where the partition stands after it.
    pub(crate) place: PartitionState,
    pub(crate) entries: Vec<Entry>,
    /// Offsets that were gone before they were read.
    pub(crate) lost: u64,
    pub(crate) problem: Option<String>,
    /// Keeps the reader from going on right now.
    pub(crate) trouble: Option<String>,
}

impl Delivery {
    pub(crate) fn from(&self) -> ReadFrom<'_> {
        ReadFrom {
            site: &self.site,
            copies: self.copies,
        }
    }
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
    let log = input.log.clone();
    let mut follower =
        Follower::new(log, &reading.topics, reading.stop.clone()).max(DELIVERY_RECORDS_MAX);
    for (key, mark) in reading.marks.iter() {
        let position = key
            .strip_prefix(&input.name)
            .and_then(|k| k.strip_prefix('/'));
        if let Some((topic, partition)) = position.and_then(|p| p.rsplit_once('/'))
            && let Ok(partition) = partition.parse()
        {
            follower = follower.starting_at(topic, partition, mark.read.clone());
        }
    }
    let mut troubled = false;
    while let Some(item) = follower.next().await? {
        let deliveries = match item {
            Item::Idle => {
                // Only where there is news: what waits, or that reading goes on again.
                let again = std::mem::take(&mut troubled);
                let news = follower.places().filter(|place| again || place.lag() > 0);
                news.map(|place| input.delivery(place.clone())).collect()
            }
            Item::Trouble { place, error } => {
                let places: Vec<PartitionState> = match place {
                    Some(place) => vec![place],
                    None => follower.places().cloned().collect(),
                };
                let stuck = |place: PartitionState| Delivery {
                    trouble: Some(format!(
                        "reading {}/{}: {error}",
                        place.topic, place.partition
                    )),
                    ..input.delivery(place)
                };
                troubled = true;
                places.into_iter().map(stuck).collect()
            }
            item => input
                .news(item, reading.compacted)
                .into_iter()
                .collect::<Vec<_>>(),
        };
        for delivery in deliveries {
            tokio::select! {
                sent = reading.deliver.send(delivery) => if sent.is_err() { return Ok(()) },
                () = reading.stop.stopped() => return Ok(()),
            }
        }
    }
    Ok(())
}

impl Input {
    fn delivery(&self, place: PartitionState) -> Delivery {
        Delivery {
            key: position_key(&self.name, &place.topic, place.partition),
            site: self.site.clone(),
            copies: self.copies,
            place,
            entries: Vec::new(),
            lost: 0,
            problem: None,
            trouble: None,
        }
    }

    /// What is delivered of one partition.
    fn news(&self, item: Item, compacted: bool) -> Option<Delivery> {
        match item {
            Item::Added(place) => Some(self.delivery(place)),
            Item::Entries(Followed { place, entries }) => Some(Delivery {
                entries,
                ..self.delivery(place)
            }),
            Item::Truncated { place, .. } if compacted => Some(self.delivery(place)),
            Item::Truncated { place, from, lost } => {
                let (topic, partition, start) = (&place.topic, place.partition, place.mark.next);
                let text = format!(
                    "log truncated at {topic}/{partition}: {lost} records ({from}..{start}) were removed before they were folded"
                );
                Some(Delivery {
                    lost,
                    problem: Some(text),
                    ..self.delivery(place)
                })
            }
            Item::Recreated { place, why } => {
                let (topic, partition, start) = (&place.topic, place.partition, place.mark.next);
                let text = format!(
                    "log recreated at {topic}/{partition}: {why}; folding what it holds from {start} on"
                );
                Some(Delivery {
                    problem: Some(text),
                    ..self.delivery(place)
                })
            }
            Item::Trouble { .. } | Item::Idle => None,
        }
    }
}
