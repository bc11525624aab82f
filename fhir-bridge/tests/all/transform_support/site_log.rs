//! A site's log in a folder of its own, as the transform sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinHandle;
use wardline_bridge::map::{MapEvent, OutRecord, SiteContext};
use wardline_bridge::transform::{Counters, Transform, TransformStatus, run};
use wardline_log::embedded::EmbeddedLog;
use wardline_log::{Cleanup, Entry, Headers, Record, SharedLog, TopicSpec};
use wardline_model::frame::{Frame, FrameHeader};
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, FHIR_TOPICS, RETRY, SIDELINE};
use wardline_model::{AgentName, Event, Incarnation, Lane, record as names};
use wardline_service::{StopHandle, SystemClock, stop_pair};

pub const DEADLINE: Duration = Duration::from_secs(60);

pub async fn open(dir: &Path, partitions: u32) -> SharedLog {
    let log: SharedLog = EmbeddedLog::open(dir, SystemClock::shared()).unwrap();
    let keep = Cleanup::Delete {
        retention_bytes: None,
        retention_ms: None,
    };
    let mut specs: Vec<_> = [EDGE_FRAMES, SIDELINE, RETRY]
        .into_iter()
        .chain(FHIR_TOPICS)
        .map(|name| (name, partitions, keep))
        .collect();
    specs.push((BRIDGE_STATE, 1, Cleanup::Compact));
    let specs: Vec<_> = specs
        .into_iter()
        .map(|(name, partitions, cleanup)| TopicSpec {
            name: name.to_owned(),
            partitions,
            cleanup,
        })
        .collect();
    log.create_topics(&specs).await.unwrap();
    log
}

/// The record that ingest writes for a frame of these events.
pub fn frame(agent: &str, first: u64, events: Vec<Event>) -> Record {
    let header = FrameHeader {
        lane: Lane::Live,
        agent: AgentName::new(agent).unwrap(),
        incarnation: Incarnation(0xab),
        first,
        oldest_held: 1,
        count: u32::try_from(events.len()).unwrap(),
    };
    let last = header.last();
    let value = Frame { header, events }.encode().unwrap();
    Record {
        key: Some(Bytes::from(agent.to_owned())),
        value: Some(value.into()),
        headers: Headers::from_iter([
            (names::KIND, names::KIND_FRAME),
            (names::AGENT, agent),
            (names::INCARNATION, &Incarnation(0xab).to_string()),
            (names::FIRST, &first.to_string()),
            (names::LAST, &last.to_string()),
        ]),
        time_ms: 1_772_355_606_000,
    }
}

/// What the transform appends of it.
pub fn logged(out: OutRecord, time_ms: i64) -> Record {
    Record {
        key: Some(out.key),
        value: Some(out.value),
        headers: out.headers.into(),
        time_ms,
    }
}

pub struct Transforming {
    pub counters: Arc<Counters>,
    pub stop: StopHandle,
    pub task: JoinHandle<()>,
}

pub fn start(ctx: &Arc<SiteContext>, log: &SharedLog) -> Transforming {
    start_on(ctx, log, true)
}

pub fn start_on(ctx: &Arc<SiteContext>, log: &SharedLog, one_commit: bool) -> Transforming {
    start_with(ctx, log, one_commit, wardline_bridge::map::map)
}

pub fn start_with(
    ctx: &Arc<SiteContext>,
    log: &SharedLog,
    one_commit: bool,
    map: MapEvent,
) -> Transforming {
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = stop_pair();
    let transform = Transform {
        ctx: ctx.clone(),
        log: log.clone(),
        counters: counters.clone(),
        one_commit,
        map,
    };
    let task = tokio::spawn(run(transform, stopped));
    Transforming {
        counters,
        stop,
        task,
    }
}

impl Transforming {
    pub async fn until(&self, done: impl Fn(&TransformStatus) -> bool) -> TransformStatus {
        let began = Instant::now();
        loop {
            let status = self.counters.snapshot();
            if done(&status) {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "too slow: {status:?}");
            assert!(!self.task.is_finished(), "ended by itself: {status:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn finish(self) {
        self.stop.stop();
        tokio::time::timeout(DEADLINE, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

pub async fn all(log: &SharedLog, topic: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    for range in log.offsets(topic).await.unwrap() {
        let mut reader = log
            .reader(topic, range.partition, range.start)
            .await
            .unwrap();
        while reader.position() < range.end {
            found.extend(reader.next(1000, Duration::from_secs(5)).await.unwrap());
        }
    }
    found
}

/// How often each event id stands in a topic.
pub async fn ids(log: &SharedLog, topic: &str) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for entry in all(log, topic).await {
        let id = entry.record.header_str(names::EVENT_ID).unwrap().to_owned();
        *found.entry(id).or_default() += 1;
    }
    found
}
