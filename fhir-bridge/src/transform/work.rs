//! Log records in, batches out: the part of the loop that computes. It runs on a blocking thread and knows no log.
//!
//! Kept true: events leave in the order they came; a batch ends at an event, not at a frame, so that its size
//! stays bounded whatever a frame holds; what cannot be unpacked goes to the sideline whole and stops nothing.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wardline_log::follow::{LastRead, fingerprint};
use wardline_log::{Entry, Record};
use wardline_model::frame::Frame;
use wardline_model::record as names;
use wardline_model::sideline::{RETRIED, RawKind, Reason};
use wardline_model::{Event, EventId, SidelineRecord};

use super::batch::Batch;
use super::position::{Input, Progress};
use crate::feeds;
use crate::logged;
use crate::map::mapped::push;
use crate::map::{MapEvent, Mapped, SiteContext};

pub(super) struct Work {
    ctx: Arc<SiteContext>,
    map: MapEvent,
    input: Input,
    queue: VecDeque<Entry>,
    open: Option<Open>,
    progress: Progress,
}

/// A frame that is partly done.
struct Open {
    frame: Frame,
    next: usize,
    source: LastRead,
    time_ms: i64,
}

impl Work {
    pub(super) fn new(
        ctx: Arc<SiteContext>,
        map: MapEvent,
        input: Input,
        progress: Progress,
    ) -> Self {
        Self {
            ctx,
            map,
            input,
            queue: VecDeque::new(),
            open: None,
            progress,
        }
    }

    pub(super) fn add(&mut self, entries: Vec<Entry>) {
        self.queue.extend(entries);
    }

    /// The next batch, or `None` when everything that was added is mapped.
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        if self.open.is_none() && self.queue.is_empty() {
            return None;
        }
        let mut batch = Batch::starting_at(self.progress.clone());
        while !batch.is_full() {
            if let Some(open) = self.open.take() {
                self.open = self.go_on(open, &mut batch);
            } else if let Some(entry) = self.queue.pop_front() {
                self.open = self.start(&entry, &mut batch);
            } else {
                break;
            }
        }
        self.progress = batch.progress.clone();
        Some(batch)
    }

    fn start(&self, entry: &Entry, batch: &mut Batch) -> Option<Open> {
        batch.time_ms = entry.record.time_ms;
        // Compaction never touches these topics, but a hole in the offsets must not lead to reading twice.
        let skip = match batch.progress.read.next == entry.offset {
            true => batch.progress.skip,
            false => 0,
        };
        let source = LastRead {
            offset: entry.offset,
            fingerprint: fingerprint(&entry.record),
        };
        match self.input {
            Input::Retry => {
                self.retry(&entry.record, batch);
                done(batch, source);
                None
            }
            Input::Frames if entry.record.header_str(names::KIND) == Some(names::KIND_LOSS) => {
                done(batch, source);
                None
            }
            Input::Frames => match Frame::decode(entry.record.value.as_deref().unwrap_or_default())
            {
                Ok(frame) => Some(Open {
                    frame,
                    next: skip as usize,
                    source,
                    time_ms: entry.record.time_ms,
                }),
                Err(error) => {
                    self.damaged(&entry.record, &error.to_string(), batch);
                    done(batch, source);
                    None
                }
            },
        }
    }

    fn go_on(&self, mut open: Open, batch: &mut Batch) -> Option<Open> {
        batch.time_ms = open.time_ms;
        while let Some(event) = open.frame.events.get(open.next) {
            if batch.is_full() {
                batch.progress.read.next = open.source.offset;
                batch.progress.skip = u32::try_from(open.next).unwrap_or(u32::MAX);
                return Some(open);
            }
            let id = open.frame.id(open.next);
            let mapped = self.map(event, &id, batch);
            batch
                .seen
                .extend(feeds::seen(event, &id, &mapped, open.time_ms));
            batch.take(mapped, open.time_ms);
            open.next += 1;
        }
        done(batch, open.source);
        None
    }

    /// A mapping that breaks, which is a fault of this program and never of the input, costs the one event that it
    /// breaks on. The panic's own words stay out of the record: they may hold what the message holds.
    fn map(&self, event: &Event, id: &EventId, batch: &mut Batch) -> Mapped {
        let mapped = catch_unwind(AssertUnwindSafe(|| (self.map)(event, id, &self.ctx)));
        mapped.unwrap_or_else(|_| {
            tracing::error!(%id, "the mapping broke on this event; it is in the sideline, cause internal: report this");
            batch.progress.internal += 1;
            let detail = "the mapping broke on this event: a fault of this program; report it";
            let why = Reason::new("internal", "-", "FR27", detail);
            SidelineRecord::of_event(event, id, self.ctx.site.as_str(), "", why)
                .map_or(Mapped::Filtered("loss"), |aside| {
                    Mapped::Sidelined(Box::new(aside))
                })
        })
    }

    fn damaged(&self, record: &Record, detail: &str, batch: &mut Batch) {
        let text = |name| record.header_str(name).unwrap_or_default();
        let number = |name| record.header_str(name).and_then(|n| n.parse::<u64>().ok());
        let (first, last) = (number(names::FIRST), number(names::LAST));
        let events = match (first, last) {
            (Some(first), Some(last)) => last.saturating_sub(first).saturating_add(1),
            _ => 1,
        };
        let agent = text(names::AGENT).to_owned();
        let event_id = match (first, text(names::INCARNATION)) {
            (Some(first), life) if !agent.is_empty() && !life.is_empty() => {
                format!("{agent}/{life}/{first}")
            }
            _ => String::new(),
        };
        let aside = SidelineRecord {
            event_id,
            why: Reason::new("frame-unreadable", "frame", "FR24", detail),
            mapping: String::new(),
            site: self.ctx.site.to_string(),
            received_ms: Some(record.time_ms),
            kind: RawKind::Frame { agent, hash: None },
            retried: 0,
            cut_from: None,
            raw: record.value.clone(),
        };
        batch.take_damaged(aside, events, record.time_ms);
    }

    fn retry(&self, record: &Record, batch: &mut Batch) {
        let mut aside = logged::read_sidelined(record);
        let times = aside.retried.saturating_add(1);
        let (id, event) = match aside.event() {
            Ok(found) => found,
            Err(error) => {
                aside.why = Reason::new("retry-not-possible", "headers", "FR25", error.to_string());
                aside.retried = times;
                return batch.take_damaged(aside, 1, record.time_ms);
            }
        };
        let mut mapped = self.map(&event, &id, batch);
        match &mut mapped {
            Mapped::Records(records) => {
                for out in records {
                    push(&mut out.headers, RETRIED, times.to_string());
                }
            }
            Mapped::Sidelined(again) => again.retried = times,
            Mapped::Filtered(_) => {}
        }
        batch.take(mapped, record.time_ms);
    }
}

fn done(batch: &mut Batch, source: LastRead) {
    batch.progress.read.next = source.offset + 1;
    batch.progress.read.last = Some(source);
    batch.progress.skip = 0;
}
