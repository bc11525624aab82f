//! Raw frames -> FHIR -> log: a log filled with frames, and the bridge until it has mapped all of them.
//!
//! Filling is not timed. The bridge runs in this process, so that the CPU that it takes can be told from the broker's; the
//! figure per core is what a small machine gives when it does nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use serde_json::json;
use wardline_log::{Cleanup, Headers, Record, SharedLog, Target, TopicSpec};
use wardline_log_contract::kafka_server::KafkaServer;
use wardline_model::frame::FrameHeader;
use wardline_model::time::rfc3339;
use wardline_model::{
    AgentName, Body, Class, Event, Frame, Incarnation, Lane, Stamp, record, topic,
};
use wardline_service::{Settings, SystemClock};

use super::Options;
use super::mllp::{admission, start_ms};
use super::proc::cpu_s;
use super::report::say;

const FRAME_EVENTS: u64 = 500;
const WAIT_S: u64 = 300;
const POLL_MS: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Adt,
    Device,
}

impl Kind {
    fn what(self) -> &'static str {
        match self {
            Self::Adt => "ADT",
            Self::Device => "device events",
        }
    }

    fn event(self, n: u64) -> Event {
        let at = start_ms() + i64::try_from(n).unwrap_or(0) * 10;
        let body = match self {
            Self::Adt => Body::Hl7 {
                raw: admission(n).into(),
                understood: true,
            },
            Self::Device => {
                let value = if n.is_multiple_of(2) {
                    "in-use"
                } else {
                    "ready"
                };
                let payload = json!({"ts": rfc3339(at), "value": value, "seq": n, "type": "pump"})
                    .to_string();
                let topic = format!("devices/WARD-{}/pump-{}/state", n % 7, n % 997);
                Body::Mqtt {
                    topic,
                    payload: payload.into(),
                    retain: false,
                    will: false,
                }
            }
        };
        let stamp = Stamp {
            wall_ms: at,
            ..Stamp::default()
        };
        Event {
            class: Class::State,
            stamp,
            source: "bench".to_owned(),
            body,
        }
    }
}

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    for kind in [Kind::Adt, Kind::Device] {
        for turn in 1..=options.turns {
            let dir = tempfile::tempdir()?;
            let target = Target::Embedded {
                dir: dir.path().join("log"),
            };
            measure(&target, dir.path(), kind, options.events, "embedded", turn).await?;
        }
    }
    let kafka = tokio::task::spawn_blocking(KafkaServer::start).await?;
    let Some(kafka) = kafka.map_err(|error| anyhow::anyhow!("{error}"))? else {
        return Ok(());
    };
    for (kind, prefix) in [(Kind::Adt, "adt."), (Kind::Device, "device.")] {
        let dir = tempfile::tempdir()?;
        let target = Target::Kafka {
            brokers: kafka.brokers().to_owned(),
            prefix: prefix.to_owned(),
        };
        measure(&target, dir.path(), kind, options.events, "kafka", 1).await?;
    }
    Ok(())
}

async fn measure(
    target: &Target,
    dir: &Path,
    kind: Kind,
    events: u64,
    engine: &str,
    turn: u32,
) -> anyhow::Result<()> {
    let log = wardline_log::open(target, SystemClock::shared()).await?;
    fill(&log, kind, events).await?;
    let spent = map_all(&log, dir, events).await?;
    log.close().await?;
    let more = json!({"turn": turn, "log": engine, "n": events, "wall_s": spent.wall_s, "cpu_s": spent.cpu_s});
    say(
        "bridge",
        &format!("{}, wall", kind.what()),
        events as f64 / spent.wall_s,
        "events/s",
        &more,
    );
    say(
        "bridge",
        &format!("{}, per core", kind.what()),
        events as f64 / spent.cpu_s,
        "events/s/core",
        &more,
    );
    Ok(())
}

pub(super) struct Spent {
    wall_s: f64,
    cpu_s: f64,
}

/// Runs the bridge on a log until every event has its record.
pub(super) async fn map_all(log: &SharedLog, dir: &Path, events: u64) -> anyhow::Result<Spent> {
    let listen = [
        ("site.name", "bench"),
        ("bridge.mqtt.listen", "127.0.0.1:0"),
    ];
    let settings =
        Settings::for_tests(dir, &listen).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let config = wardline_bridge::Config::from_settings(&settings)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let (begun, cpu) = (Instant::now(), cpu_s(std::process::id())?);
    let running = wardline_bridge::start(config, log.clone(), SystemClock::shared()).await?;
    while written(log).await? < events {
        if begun.elapsed().as_secs() > WAIT_S {
            bail!(
                "the bridge has mapped {} of {events} after {WAIT_S} s",
                written(log).await?
            );
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
    let spent = Spent {
        wall_s: begun.elapsed().as_secs_f64(),
        cpu_s: cpu_s(std::process::id())? - cpu,
    };
    running.stop().await?;
    Ok(spent)
}

async fn written(log: &SharedLog) -> anyhow::Result<u64> {
    let mut sum = 0;
    for topic in topic::FHIR_TOPICS {
        sum += log
            .offsets(topic)
            .await
            .unwrap_or_default()
            .iter()
            .map(|at| at.end)
            .sum::<u64>();
    }
    Ok(sum)
}

/// Frames as an agent sends them.
pub(super) async fn fill(log: &SharedLog, kind: Kind, events: u64) -> anyhow::Result<()> {
    let cleanup = Cleanup::Delete {
        retention_bytes: None,
        retention_ms: None,
    };
    let spec = TopicSpec {
        name: topic::EDGE_FRAMES.to_owned(),
        partitions: 1,
        cleanup,
    };
    log.create_topics(&[spec]).await?;
    let agent = AgentName::new("bench").ok().context("a name")?;
    let mut first = 1;
    while first <= events {
        let mut batch = Vec::new();
        while first <= events && batch.len() < 20 {
            let last = events.min(first + FRAME_EVENTS - 1);
            let header = FrameHeader {
                lane: Lane::Live,
                agent: agent.clone(),
                incarnation: Incarnation(1),
                first,
                oldest_held: first,
                count: u32::try_from(last + 1 - first)?,
            };
            let frame = Frame {
                header,
                events: (first..=last).map(|n| kind.event(n)).collect(),
            };
            batch.push(of_frame(&frame, first, last)?);
            first = last + 1;
        }
        log.append(topic::EDGE_FRAMES, batch).await?;
    }
    Ok(())
}

fn of_frame(frame: &Frame, first: u64, last: u64) -> anyhow::Result<Record> {
    Ok(Record {
        key: Some(Bytes::from_static(b"bench")),
        value: Some(frame.encode()?.into()),
        headers: Headers::from_iter([
            (record::KIND, record::KIND_FRAME),
            (record::AGENT, "bench"),
            (record::INCARNATION, &Incarnation(1).to_string()),
            (record::FIRST, &first.to_string()),
            (record::LAST, &last.to_string()),
            (record::LANE, Lane::Live.as_str()),
        ]),
        time_ms: start_ms(),
    })
}
