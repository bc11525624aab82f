//! Ingest over real sockets on the real log: what agents are told, and when (docs/specs/ingest.md I13 to I20).

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::ingest_support::client::{AgentClient, Options};
use crate::ingest_support::*;
use bytes::Bytes;
use tempfile::TempDir;
use wardline_bridge::ADDRESS;
use wardline_bridge::ingest::topics::Topics;
use wardline_bridge::ingest::{IngestConfig, Source};
use wardline_bridge::status::StatusCollector;
use wardline_log::SharedLog;
use wardline_log::embedded::EmbeddedLog;
use wardline_log_contract::FaultyLog;
use wardline_model::Incarnation;
use wardline_model::frame::Lane;
use wardline_service::{Running, SystemClock};

struct Site {
    _dir: TempDir,
    faulty: Arc<FaultyLog>,
    log: SharedLog,
    collector: Arc<StatusCollector>,
    ingesting: Running,
    port: u16,
}

impl Site {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let faulty = faulty(EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap());
        let log: SharedLog = faulty.clone();
        let config = IngestConfig {
            site: site(),
            source: Source::Listen("127.0.0.1:0".parse().unwrap()),
            topics: Topics::default(),
        };
        let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
        let ingesting = start(&config, &log, &collector).await;
        let port = ingesting.addresses[ADDRESS].port();
        Self {
            _dir: dir,
            faulty,
            log,
            collector,
            ingesting,
            port,
        }
    }

    async fn stop(self) {
        self.ingesting.stop().await.unwrap();
        self.log.close().await.unwrap();
    }

    async fn until_appends_wait(&self) {
        until("an append to wait", async || {
            (self.faulty.waiting.load(SeqCst) > 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn p2_i19_i20_pubacks_and_receipts_follow_the_log() {
    let site = Site::start().await;
    let agent = AgentClient::connect(site.port, "gw-1").await;
    site.faulty.hold();
    for n in 0..10 {
        agent
            .publish("up/live", frame("gw-1", (n * 10 + 1, n * 10 + 10), 1))
            .await;
    }
    site.until_appends_wait().await;
    assert_eq!(agent.pubacks(), 0);
    assert!(agent.seen.lock().unwrap().receipts.is_empty());
    site.faulty.release();
    agent.receipted_up_to(LIFE, 100).await;
    until("every puback", async || {
        (agent.pubacks() == 10).then_some(())
    })
    .await;
    assert_eq!(
        held(site.log.as_ref()).await.of("gw-1", LIFE),
        (1..=100).collect::<Vec<_>>()
    );
    let receipts = agent.seen.lock().unwrap().receipts.len();
    assert!(
        receipts <= site.faulty.appends.load(SeqCst),
        "at most one receipt for each append"
    );
    site.stop().await;
}

#[tokio::test]
async fn p3_i1_two_lanes_meet_and_the_receipt_names_both() {
    let site = Site::start().await;
    let agent = AgentClient::connect(site.port, "gw-1").await;
    agent.publish("up/live", frame("gw-1", (101, 110), 1)).await;
    until("the live range", async || {
        agent.covered(LIFE).covers(101, 110).then_some(())
    })
    .await;
    assert_eq!(agent.covered(LIFE).up_to(), 0);
    let backlog = frame_of("gw-1", LIFE, Lane::Backlog, (1, 100), 1)
        .encode()
        .unwrap();
    agent.publish("up/backlog", backlog.into()).await;
    agent.receipted_up_to(LIFE, 110).await;
    site.stop().await;
}

#[tokio::test]
async fn p3_i6_a_take_over_in_the_middle_repeats_and_loses_nothing() {
    let site = Site::start().await;
    let old = AgentClient::connect(site.port, "gw-1").await;
    site.faulty.hold();
    for n in 0..30 {
        old.publish("up/live", frame("gw-1", (n * 5 + 1, n * 5 + 5), 1))
            .await;
    }
    site.until_appends_wait().await;
    // The agent comes again while the old connection still waits, and sends its window from disk, cut differently.
    let new = AgentClient::open(
        site.port,
        "gw-1",
        Options {
            id: "st-mary.gw-1".to_owned(),
            will: None,
        },
    );
    old.until_ended().await;
    for n in 0..10 {
        new.publish("up/live", frame("gw-1", (n * 20 + 1, n * 20 + 20), 1))
            .await;
    }
    site.faulty.release();
    new.receipted_up_to(LIFE, 200).await;
    assert_eq!(
        held(site.log.as_ref()).await.of("gw-1", LIFE),
        (1..=200).collect::<Vec<_>>()
    );
    let view = site.collector.ingest();
    assert_eq!((view.counts.applied, view.counts.unaccounted()), (200, 0));
    site.stop().await;
}

#[tokio::test]
async fn p2_i20_a_covered_frame_gets_its_receipt_again() {
    let site = Site::start().await;
    let first = AgentClient::connect(site.port, "gw-1").await;
    first.publish("up/live", frame("gw-1", (1, 5), 1)).await;
    first.receipted_up_to(LIFE, 5).await;
    first.cut().await;
    let second = AgentClient::connect(site.port, "gw-1").await;
    second.publish("up/live", frame("gw-1", (1, 5), 1)).await;
    second.receipted_up_to(LIFE, 5).await;
    assert_eq!(site.collector.ingest().counts.duplicate, 5);
    assert_eq!(
        held(site.log.as_ref()).await.of("gw-1", LIFE),
        [1, 2, 3, 4, 5]
    );
    site.stop().await;
}

#[tokio::test]
async fn p3_i1_a_new_life_starts_at_one_again() {
    let site = Site::start().await;
    let agent = AgentClient::connect(site.port, "gw-1").await;
    let reborn = Incarnation(0xb2);
    agent.publish("up/live", frame("gw-1", (1, 5), 1)).await;
    let sent = frame_of("gw-1", reborn, Lane::Live, (1, 3), 1)
        .encode()
        .unwrap();
    agent.publish("up/live", sent.into()).await;
    agent.receipted_up_to(reborn, 3).await;
    let found = held(site.log.as_ref()).await;
    assert_eq!(
        (found.of("gw-1", LIFE).len(), found.of("gw-1", reborn).len()),
        (5, 3)
    );
    site.stop().await;
}

#[tokio::test]
async fn i13_a_newer_frame_closes_the_connection_and_is_shown() {
    let site = Site::start().await;
    let agent = AgentClient::connect(site.port, "gw-1").await;
    let mut newer = frame("gw-1", (1, 5), 1).to_vec();
    newer[4] = 2;
    agent.publish("up/live", newer.into()).await;
    agent.publish("up/live", frame("gw-1", (6, 9), 1)).await;
    agent.until_ended().await;
    assert_eq!(agent.pubacks(), 0);
    assert!(
        held(site.log.as_ref()).await.events.is_empty(),
        "what follows must not overtake it"
    );
    let problems = site.collector.problems();
    assert!(
        problems
            .iter()
            .any(|p| p.contains("gw-1") && p.contains("version 2") && p.contains("update")),
        "{problems:?}"
    );
    // The way is free again after a reconnect.
    let again = AgentClient::connect(site.port, "gw-1").await;
    again.publish("up/live", frame("gw-1", (1, 9), 1)).await;
    again.receipted_up_to(LIFE, 9).await;
    site.stop().await;
}

#[tokio::test]
async fn p8_i12_damaged_bytes_are_set_aside_and_what_follows_arrives() {
    let site = Site::start().await;
    let agent = AgentClient::connect(site.port, "gw-1").await;
    agent
        .publish("up/live", Bytes::from_static(b"\x00\x01 noise"))
        .await;
    agent.publish("up/live", frame("gw-1", (1, 9), 1)).await;
    agent.receipted_up_to(LIFE, 9).await;
    let sidelined = all(site.log.as_ref(), wardline_model::topic::SIDELINE).await;
    assert_eq!(
        sidelined[0].record.value.as_deref(),
        Some(&b"\x00\x01 noise"[..])
    );
    assert!(!agent.has_ended());
    site.stop().await;
}

#[tokio::test]
async fn i14_i16_i17_nobody_speaks_for_another() {
    let site = Site::start().await;
    let stranger = AgentClient::open(
        site.port,
        "gw-1",
        Options {
            id: "gw-1".to_owned(),
            will: None,
        },
    );
    stranger.until_ended().await;
    let elsewhere = AgentClient::open(
        site.port,
        "gw-1",
        Options {
            id: "other.gw-1".to_owned(),
            will: None,
        },
    );
    elsewhere.until_ended().await;

    // A right topic around a frame of another agent, and another agent's topic.
    let liar = AgentClient::connect(site.port, "gw-1").await;
    liar.publish("up/live", frame("gw-2", (1, 5), 1)).await;
    liar.until_ended().await;
    let thief = AgentClient::connect(site.port, "gw-1").await;
    let topic = "wardline/v1/st-mary/gw-2/up/live";
    thief
        .client
        .publish_bytes(
            topic,
            rumqttc::QoS::AtLeastOnce,
            false,
            frame("gw-2", (1, 5), 1),
        )
        .await
        .unwrap();
    thief.until_ended().await;
    assert_eq!(liar.pubacks() + thief.pubacks(), 0);
    assert!(held(site.log.as_ref()).await.events.is_empty());
    assert!(!site.collector.problems().is_empty());
    site.stop().await;
}

#[tokio::test]
async fn p3_i18_many_agents_at_once_each_in_order() {
    let site = Site::start().await;
    let mut agents = Vec::new();
    for n in 0..8 {
        agents.push(AgentClient::connect(site.port, &format!("gw-{n}")).await);
    }
    for step in 0..50u64 {
        for (n, agent) in agents.iter().enumerate() {
            let first = step * 4 + 1;
            agent
                .publish("up/live", frame(&format!("gw-{n}"), (first, first + 3), 1))
                .await;
        }
    }
    for agent in &agents {
        agent.receipted_up_to(LIFE, 200).await;
    }
    let found = held(site.log.as_ref()).await;
    for n in 0..8 {
        assert_eq!(
            found.of(&format!("gw-{n}"), LIFE),
            (1..=200).collect::<Vec<_>>()
        );
    }
    site.stop().await;
}
