//! Log records in, batches out: the part of the loop that computes. It runs on a blocking thread and knows no log.
//!
//! Kept true: events leave in the order they came; a batch ends at an event, not at a frame, so that its size
//! stays bounded whatever a frame holds; what cannot be unpacked goes to the sideline whole and stops nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use wardline_log::{Entry, Record};
use wardline_model::frame::Frame;
use wardline_model::record as names;
use wardline_model::time::rfc3339;

use super::batch::Batch;
use super::position::{Input, Progress};
use crate::limits::{DETAIL_CHARS_MAX, KEY_BYTES_MAX, SIDELINE_RAW_BYTES_MAX};
use crate::map::mapped::push;
use crate::map::sideline::{self, RETRIED, RetryError};
use crate::map::{self, Headers, Mapped, SiteContext};

pub(super) struct Work {
    ctx: Arc<SiteContext>,
    input: Input,
    queue: VecDeque<Entry>,
    open: Option<Open>,
    progress: Progress,
}

/// A frame that is partly done.
struct Open {
    frame: Frame,
    next: usize,
    offset: u64,
    time_ms: i64,
}

impl Work {
    pub(super) fn new(ctx: Arc<SiteContext>, input: Input, progress: Progress) -> Self {
        Self {
            ctx,
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
        let skip = match batch.progress.offset == entry.offset {
            true => batch.progress.skip,
            false => 0,
        };
        let after = entry.offset + 1;
        match self.input {
            Input::Retry => {
                self.retry(&entry.record, batch);
                done(batch, after);
                None
            }
            Input::Frames if entry.record.header_str(names::KIND) == Some(names::KIND_LEDGER) => {
                done(batch, after);
                None
            }
            Input::Frames => match Frame::decode(entry.record.value.as_deref().unwrap_or_default())
            {
                Ok(frame) => Some(Open {
                    frame,
                    next: skip as usize,
                    offset: entry.offset,
                    time_ms: entry.record.time_ms,
                }),
                Err(error) => {
                    self.damaged(&entry.record, &error.to_string(), batch);
                    done(batch, after);
                    None
                }
            },
        }
    }

    fn go_on(&self, mut open: Open, batch: &mut Batch) -> Option<Open> {
        batch.time_ms = open.time_ms;
        while let Some(event) = open.frame.events.get(open.next) {
            if batch.is_full() {
                batch.progress.offset = open.offset;
                batch.progress.skip = u32::try_from(open.next).unwrap_or(u32::MAX);
                return Some(open);
            }
            let mapped = map::map(event, &open.frame.id(open.next), &self.ctx);
            batch.take(mapped, open.time_ms);
            open.next += 1;
        }
        done(batch, open.offset + 1);
        None
    }

    fn damaged(&self, record: &Record, detail: &str, batch: &mut Batch) {
        let number = |name| record.header_str(name).and_then(|n| n.parse::<u64>().ok());
        let events = match (number(names::FIRST), number(names::LAST)) {
            (Some(first), Some(last)) => last.saturating_sub(first).saturating_add(1),
            _ => 1,
        };
        let id = match (
            record.header_str(names::AGENT),
            record.header_str(names::INCARNATION),
            number(names::FIRST),
        ) {
            (Some(agent), Some(incarnation), Some(first)) => {
                format!("{agent}/{incarnation}/{first}")
            }
            _ => "unknown".to_owned(),
        };
        let mut headers = self.headers(&id, "frame-unreadable", "frame", "R24", detail, "frame");
        push(&mut headers, names::RECEIVED, rfc3339(record.time_ms));
        batch.take_damaged(raw_record(record, headers), events, record.time_ms);
    }

    fn retry(&self, record: &Record, batch: &mut Batch) {
        let (id, event) =
            match sideline::event_of(|name| record.header_str(name), record.value.as_ref()) {
                Ok(found) => found,
                Err(error) => return self.not_retried(record, &error, batch),
            };
        let mut mapped = map::map(&event, &id, &self.ctx);
        let times = tries(record).to_string();
        match &mut mapped {
            Mapped::Records(records) => {
                for out in records {
                    push(&mut out.headers, RETRIED, times.clone());
                }
            }
            Mapped::Sidelined(again) => push(&mut again.more, RETRIED, times),
            Mapped::Filtered(_) => {}
        }
        batch.take(mapped, record.time_ms);
    }

    fn not_retried(&self, record: &Record, error: &RetryError, batch: &mut Batch) {
        let shown = |name: &str| -> String {
            let text = record.header_str(name).unwrap_or("unknown");
            text.chars().take(DETAIL_CHARS_MAX).collect()
        };
        let (id, kind) = (shown(names::EVENT_ID), shown(names::KIND));
        let detail = error.to_string();
        let mut headers = self.headers(&id, "retry-not-possible", "headers", "R25", &detail, &kind);
        push(&mut headers, RETRIED, tries(record).to_string());
        batch.take_damaged(raw_record(record, headers), 1, record.time_ms);
    }

    fn headers(
        &self,
        id: &str,
        cause: &'static str,
        place: &'static str,
        rule: &'static str,
        detail: &str,
        kind: &str,
    ) -> Headers {
        let short: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
        let mut headers = Headers::with_capacity(10);
        push(&mut headers, names::EVENT_ID, id.to_owned());
        push(&mut headers, names::CAUSE, cause);
        push(&mut headers, names::WHERE, place);
        push(&mut headers, names::RULE, rule);
        push(&mut headers, names::MAPPING, "-");
        push(&mut headers, names::DETAIL, short);
        push(&mut headers, names::SITE, self.ctx.site.to_string());
        push(&mut headers, names::KIND, kind.to_owned());
        headers
    }
}

fn done(batch: &mut Batch, offset: u64) {
    batch.progress.offset = offset;
    batch.progress.skip = 0;
}

fn tries(record: &Record) -> u64 {
    let before = record
        .header_str(RETRIED)
        .and_then(|n| n.parse::<u64>().ok());
    before.unwrap_or(0).saturating_add(1)
}

fn raw_record(record: &Record, mut headers: Headers) -> Record {
    let raw = record.value.clone().unwrap_or_default();
    let value = if raw.len() > SIDELINE_RAW_BYTES_MAX {
        push(&mut headers, sideline::CUT_FROM, raw.len().to_string());
        raw.slice(..SIDELINE_RAW_BYTES_MAX)
    } else {
        raw
    };
    Record {
        key: record.key.clone().filter(|key| key.len() <= KEY_BYTES_MAX),
        value: Some(value),
        headers: headers.into(),
        time_ms: record.time_ms,
    }
}
