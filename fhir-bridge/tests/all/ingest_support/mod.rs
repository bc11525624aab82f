//! What the ingest tests share: frames whose events name their own number, and a log that says what it holds.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod client;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wardline_bridge::ingest::record::{self, LoggedRange};
use wardline_bridge::ingest::{self, IngestConfig};
use wardline_bridge::status::StatusCollector;
use wardline_log::{Entry, Log, SharedLog};
use wardline_log_contract::FaultyLog;
use wardline_model::event::{Body, Class, Event, Stamp};
use wardline_model::frame::{Frame, FrameHeader, Lane};
use wardline_model::status::AgentStatus;
use wardline_model::topic::{EDGE_FRAMES, STATUS};
use wardline_model::{AgentName, Incarnation, SiteName};
use wardline_service::{Running, Supervisor};

/// Ingest as the bridge starts it.
pub async fn start(
    config: &IngestConfig,
    log: &SharedLog,
    collector: &Arc<StatusCollector>,
) -> Running {
    let mut parts = Supervisor::new();
    let state = ingest::prepare(config, log).await.unwrap();
    let (log, collector) = (Arc::clone(log), Arc::clone(collector));
    let started = ingest::serve(config, log, state, collector, &mut parts).await;
    parts.up(started.map_err(Into::into)).await.unwrap()
}

pub const LIFE: Incarnation = Incarnation(0xa1);

pub fn site() -> SiteName {
    SiteName::new("st-mary").unwrap()
}

pub fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

pub fn event(seq: u64) -> Event {
    Event {
        class: Class::State,
        stamp: Stamp {
            wall_ms: 1_772_000_000_000 + i64::try_from(seq).unwrap(),
            ..Stamp::default()
        },
        source: "pump-7".to_owned(),
        body: Body::Mqtt {
            topic: "devices/icu/pump-7/state".to_owned(),
            payload: Bytes::from(seq.to_string()),
            retain: false,
            will: false,
        },
    }
}

pub fn frame_of(
    name: &str,
    life: Incarnation,
    lane: Lane,
    range: (u64, u64),
    oldest_held: u64,
) -> Frame {
    let events: Vec<Event> = (range.0..=range.1).map(event).collect();
    Frame {
        header: FrameHeader {
            lane,
            agent: agent(name),
            incarnation: life,
            first: range.0,
            oldest_held,
            count: u32::try_from(events.len()).unwrap(),
        },
        events,
    }
}

pub fn frame(name: &str, range: (u64, u64), oldest_held: u64) -> Bytes {
    frame_of(name, LIFE, Lane::Live, range, oldest_held)
        .encode()
        .unwrap()
        .into()
}

/// The numbers that a frame's events name themselves, after checking them against its header.
pub fn numbers_of(value: &[u8]) -> Vec<u64> {
    let frame = Frame::decode(value).unwrap();
    let number = |event: &Event| match &event.body {
        Body::Mqtt { payload, .. } => std::str::from_utf8(payload).unwrap().parse().unwrap(),
        other => panic!("unexpected {other:?}"),
    };
    let numbers: Vec<u64> = frame.events.iter().map(number).collect();
    let expected: Vec<u64> = (frame.header.first..=frame.header.last()).collect();
    assert_eq!(numbers, expected, "events and header disagree");
    numbers
}

/// A log whose appends of frames can be held back and failed.
pub fn faulty(inner: SharedLog) -> Arc<FaultyLog> {
    Arc::new(FaultyLog::new(inner).only(EDGE_FRAMES))
}

/// Everything that a topic holds.
pub async fn all(log: &dyn Log, topic: &str) -> Vec<Entry> {
    let mut out = Vec::new();
    for at in log.offsets(topic).await.unwrap() {
        let mut reader = log.reader(topic, at.partition, at.start).await.unwrap();
        while reader.position() < at.end {
            out.extend(reader.next(1000, Duration::from_secs(5)).await.unwrap());
        }
    }
    out
}

/// What `edge.frames` holds of each life: numbers of frames in the order of the log, and gaps.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub events: BTreeMap<(String, Incarnation), Vec<u64>>,
    pub gaps: Vec<(u64, u64)>,
}

pub async fn held(log: &dyn Log) -> Held {
    let mut held = Held::default();
    for entry in all(log, EDGE_FRAMES).await {
        let LoggedRange {
            agent,
            incarnation,
            first,
            last,
            gap,
        } = record::read(&entry.record).unwrap();
        if gap {
            held.gaps.push((first, last));
            continue;
        }
        let numbers = numbers_of(entry.record.value.as_deref().unwrap());
        assert_eq!(
            numbers,
            (first..=last).collect::<Vec<_>>(),
            "record headers and frame disagree"
        );
        held.events
            .entry((agent.to_string(), incarnation))
            .or_default()
            .extend(numbers);
    }
    held
}

impl Held {
    pub fn of(&self, name: &str, life: Incarnation) -> Vec<u64> {
        self.events
            .get(&(name.to_owned(), life))
            .cloned()
            .unwrap_or_default()
    }
}

/// Waits until `check` gives something; fails loudly at the deadline.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "waited too long for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The same for a check that does not wait itself.
pub async fn until_now<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "waited too long for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An agent's status message.
pub fn agent_status(name: &str, online: bool, at_ms: i64) -> Vec<u8> {
    let status = AgentStatus {
        v: 1,
        agent: name.to_owned(),
        incarnation: LIFE,
        version: "0.1.0".to_owned(),
        online,
        at_ms,
        next_seq: 6,
        oldest_held: 1,
        backlog_events: 5,
        backlog_bytes: 100,
        quota_bytes: 1000,
        refused: 0,
        last_event_ms: None,
        clock_uncertainty_ms: None,
        mqtt_connections: 0,
        mllp_connections: 0,
        insecure: false,
    };
    serde_json::to_vec(&status).unwrap()
}

/// The newest value of a key in `status`.
pub async fn newest_value(log: &dyn Log, key: &str) -> Option<Vec<u8>> {
    let entries = all(log, STATUS).await;
    let of_key = |e: &&Entry| e.record.key.as_deref() == Some(key.as_bytes());
    let newest = entries.iter().rev().find(of_key)?;
    newest.record.value.as_ref().map(|value| value.to_vec())
}

pub async fn newest_status(log: &dyn Log, name: &str) -> Option<AgentStatus> {
    let value = newest_value(log, name).await?;
    Some(serde_json::from_slice(&value).unwrap())
}
