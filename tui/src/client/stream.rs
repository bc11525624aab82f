//! Server-sent events: lines in, changes out. What cannot be read, or says that something was left out, leads to a full
//! round of questions instead: the stream only ever makes the picture newer, it is never the only way to it.
//!
//! The server is not trusted with this program's memory: a line or an event has a largest size (P7). A stream that
//! breaks is opened again after a growing wait, and what changed before it was open is asked for.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use wardline_api::Change;

use super::{Asker, Sink, backoff};
use crate::limits::STREAM_LINE_BYTES_MAX;
use crate::model::Update;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Change(Box<Change>),
    /// Something was left out, or is not understood.
    AskAgain,
}

/// The lines of one event.
#[derive(Debug, Default)]
pub(super) struct Parser {
    event: String,
    data: String,
}

impl Parser {
    pub(super) fn line(&mut self, line: &str) -> Option<Said> {
        if line.is_empty() {
            return self.end();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event = value.to_owned(),
            "data" if self.data.len() + value.len() <= STREAM_LINE_BYTES_MAX => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Too long to be a row.
            "data" => self.event = "resync".to_owned(),
            // Comments keep the connection alive; ids are of no use to one who asks again.
            _ => {}
        }
        None
    }

    fn end(&mut self) -> Option<Said> {
        let Parser { event, data } = std::mem::take(self);
        if event == "resync" {
            return Some(Said::AskAgain);
        }
        if data.is_empty() {
            return None;
        }
        Some(
            serde_json::from_str(&data)
                .map_or(Said::AskAgain, |change| Said::Change(Box::new(change))),
        )
    }
}

pub(super) struct Follow {
    pub asker: Asker,
    pub sink: Sink,
    pub wake: SyncSender<()>,
    pub stopping: Arc<AtomicBool>,
}

impl Follow {
    pub(super) fn run(&self) {
        let mut backoff = backoff();
        while !self.stopping() {
            if let Ok(stream) = self.asker.stream() {
                // What changed before the stream was open is asked for.
                self.ask_again();
                if self.follow(stream) {
                    backoff.progress();
                }
            }
            self.pause(backoff.draw());
        }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// One poke that waits is enough.
    fn ask_again(&self) {
        self.wake.try_send(()).ok();
    }

    fn pause(&self, long: std::time::Duration) {
        let step = std::time::Duration::from_millis(crate::limits::STOP_LOOK_MS);
        let mut left = long;
        while !self.stopping() && !left.is_zero() {
            let now = left.min(step);
            std::thread::sleep(now);
            left -= now;
        }
    }

    /// `false` when nobody listens any more.
    fn pass_on(&self, said: Said) -> bool {
        match said {
            Said::Change(change) => (self.sink)(Update::Change(change)),
            Said::AskAgain => {
                self.ask_again();
                true
            }
        }
    }

    /// Until the stream ends; whether anything came.
    fn follow(&self, stream: impl Read) -> bool {
        let mut lines = BufReader::new(stream);
        let mut parser = Parser::default();
        let mut heard = false;
        let mut line = Vec::new();
        while !self.stopping() {
            line.clear();
            let limit = u64::try_from(STREAM_LINE_BYTES_MAX).unwrap_or(u64::MAX);
            match (&mut lines).take(limit).read_until(b'\n', &mut line) {
                Ok(n) if n > 0 && line.ends_with(b"\n") => heard = true,
                // The end, an error, or a line without end: the connection is given up.
                _ => break,
            }
            let text = String::from_utf8_lossy(&line);
            let said = parser.line(text.trim_end_matches(['\r', '\n']));
            if said.is_some_and(|said| !self.pass_on(said)) {
                break;
            }
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<Said> {
        let mut parser = Parser::default();
        text.split('\n')
            .filter_map(|line| parser.line(line))
            .collect()
    }

    #[test]
    fn events_are_taken_apart() {
        let row = serde_json::to_string(&Change::Department(wardline_api::DepartmentRow {
            department: "ED".into(),
            ..Default::default()
        }))
        .unwrap();
        let out = said(&format!(
            ": hello\n\nevent: department\nid: 4\ndata: {row}\n\ndata:{}\n\n",
            row.replacen('{', "{\"version\":812,", 1)
        ));
        assert_eq!(out.len(), 2);
        assert!(
            out.iter()
                .all(|s| matches!(s, Said::Change(c) if matches!(&**c, Change::Department(d) if d.department == "ED")))
        );
    }

    #[test]
    fn what_is_not_understood_is_asked_for_again() {
        assert_eq!(said("event: resync\ndata: {}\n\n"), [Said::AskAgain]);
        assert_eq!(said("data: {\"type\":\"comet\"}\n\n"), [Said::AskAgain]);
        assert_eq!(said("data: {\n\n\n\n"), [Said::AskAgain]);
        let removed = r#"{"version":7,"type":"removed","kind":"bed","site":"a","name":"ED^1^1"}"#;
        let removed = format!("event: removed\nid: 0-4\ndata: {removed}\n\n");
        assert_eq!(said(&removed), [Said::AskAgain]);
        assert_eq!(said(":\n\nretry: 5\n\n"), []);
    }

    #[test]
    fn p7_an_event_without_end_is_not_kept() {
        let mut parser = Parser::default();
        for _ in 0..10 {
            assert_eq!(
                parser.line(&format!("data: {}", "x".repeat(STREAM_LINE_BYTES_MAX / 4))),
                None
            );
            assert!(parser.data.len() <= STREAM_LINE_BYTES_MAX + 16);
        }
        assert_eq!(parser.line(""), Some(Said::AskAgain));
    }
}
