//! What goes into the log together: outputs by topic, and how far they reach.

use std::collections::BTreeMap;

use wardline_log::Record;
use wardline_model::SidelineRecord;
use wardline_model::topic::SIDELINE;

use super::position::Progress;
use crate::feeds::Seen;
use crate::limits::{BATCH_EVENTS_MAX, TRANSFORM_BATCH_BYTES_MAX};
use crate::logged;
use crate::map::Mapped;

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) topics: BTreeMap<&'static str, Vec<Record>>,
    /// Where the input stands once this is durable.
    pub(super) progress: Progress,
    /// The source's own time for it.
    pub(super) time_ms: i64,
    /// Who sent its events, and what became of each.
    pub(super) seen: Vec<Seen>,
    bytes: usize,
    events: usize,
}

impl Batch {
    pub(super) fn starting_at(progress: Progress) -> Self {
        Self {
            progress,
            ..Self::default()
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= TRANSFORM_BATCH_BYTES_MAX || self.events >= BATCH_EVENTS_MAX
    }

    /// Counts one event and takes what came of it. `time_ms` is when the log took the event in: brokers decide by a
    /// record's time how long to keep it, and a gateway's clock may be years off.
    pub(super) fn take(&mut self, mapped: Mapped, time_ms: i64) {
        self.events += 1;
        self.progress.counts.received += 1;
        match mapped {
            Mapped::Records(records) => {
                self.progress.counts.applied += 1;
                self.progress.records += records.len() as u64;
                for out in records {
                    self.push(out.topic, logged::mapped(out, time_ms));
                }
            }
            Mapped::Filtered(reason) => {
                self.progress.counts.filtered += 1;
                *self.progress.filtered.entry(reason.to_owned()).or_default() += 1;
            }
            Mapped::Sidelined(aside) => {
                self.progress.counts.sidelined += 1;
                self.push(SIDELINE, logged::sidelined(*aside, time_ms));
            }
        }
    }

    /// A record in place of `events` events that could not even be unpacked.
    pub(super) fn take_damaged(&mut self, aside: SidelineRecord, events: u64, time_ms: i64) {
        self.events += 1;
        self.progress.counts.received += events;
        self.progress.counts.sidelined += events;
        self.push(SIDELINE, logged::sidelined(aside, time_ms));
    }

    fn push(&mut self, topic: &'static str, record: Record) {
        self.bytes += record.bytes_len();
        self.topics.entry(topic).or_default().push(record);
    }
}
