//! Ingest through a broker that loses everything it holds (docs/specs/ingest.md I26 to I30): Mosquitto without
//! persistence, killed at random moments while frames flow. Needs `mosquitto`; without it the test says so and
//! ends, unless WARDLINE_REQUIRE_TOOLS=1.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crate::ingest_support::client::AgentClient;
use crate::ingest_support::*;
use bytes::Bytes;
use wardline_bridge::ingest::topics::Topics;
use wardline_bridge::ingest::{IngestConfig, Source};
use wardline_bridge::status::{StatusCollector, StatusTask};
use wardline_log::SharedLog;
use wardline_log::embedded::EmbeddedLog;
use wardline_model::RangeSet;
use wardline_service::{MqttUrl, Running, SystemClock};

fn mosquitto() -> Option<PathBuf> {
    let known = [
        "/usr/sbin/mosquitto",
        "/usr/bin/mosquitto",
        "/usr/local/sbin/mosquitto",
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("mosquitto"))
        .chain(known.map(PathBuf::from))
        .find(|file| file.exists());
    if found.is_none() {
        assert!(
            std::env::var("WARDLINE_REQUIRE_TOOLS").as_deref() != Ok("1"),
            "mosquitto is needed"
        );
        println!("skipped: needs mosquitto");
    }
    found
}

struct Mosquitto {
    program: PathBuf,
    config: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    async fn start(program: PathBuf, dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = dir.join("mosquitto.conf");
        std::fs::write(
            &config,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"),
        )
        .unwrap();
        let mut broker = Self {
            program,
            config,
            port,
            child: None,
        };
        broker.up().await;
        broker
    }

    async fn up(&mut self) {
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let address = ("127.0.0.1", self.port);
        until("mosquitto to listen", async || {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn bridge(log: &SharedLog, port: u16, collector: &Arc<StatusCollector>) -> Running {
    let config = IngestConfig {
        site: site(),
        source: Source::Broker(MqttUrl::parse(&format!("mqtt://127.0.0.1:{port}")).unwrap()),
        topics: Topics::default(),
    };
    start(&config, log, collector).await
}

const EVENTS: u64 = 2_000;
const FRAME: u64 = 10;
const WINDOW: u64 = 100;

/// Sends everything as an agent does: a window that only receipts move, sent again from the oldest after a
/// reconnect and when no receipt comes.
async fn send_all(port: u16, name: String) {
    let name = name.as_str();
    let mut covered = RangeSet::new();
    'connection: while covered.up_to() < EVENTS {
        let agent = AgentClient::open(port, name, client_options(name));
        if !subscribed(&agent).await {
            agent.cut().await;
            continue;
        }
        let mut next = covered.up_to() + 1;
        let mut moved = Instant::now();
        loop {
            let up_to = agent.covered(LIFE).up_to().max(covered.up_to());
            if up_to > covered.up_to() {
                covered.insert(1, up_to);
                moved = Instant::now();
            }
            if covered.up_to() >= EVENTS {
                return agent.cut().await;
            }
            if agent.has_ended() || moved.elapsed() > Duration::from_secs(2) {
                agent.cut().await;
                continue 'connection;
            }
            if next <= EVENTS && next <= covered.up_to() + WINDOW {
                let last = (next + FRAME - 1).min(EVENTS);
                agent
                    .publish("up/live", frame(name, (next, last), covered.up_to() + 1))
                    .await;
                next = last + 1;
            } else {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

fn client_options(name: &str) -> crate::ingest_support::client::Options {
    crate::ingest_support::client::Options {
        id: format!("st-mary.{name}"),
        will: None,
    }
}

async fn subscribed(agent: &AgentClient) -> bool {
    until_now("a subscription or an end", || {
        let seen = agent.seen.lock().unwrap();
        if seen.ended.is_some() {
            Some(false)
        } else {
            seen.subscribed.then_some(true)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_p3_i28_a_broker_that_loses_everything_loses_nothing() {
    let Some(program) = mosquitto() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log: SharedLog = EmbeddedLog::open(&dir.path().join("log"), SystemClock::shared()).unwrap();
    let mut broker = Mosquitto::start(program, dir.path()).await;
    let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
    let ingesting = bridge(&log, broker.port, &collector).await;
    let agents: Vec<_> = ["gw-1", "gw-2", "gw-3"]
        .map(|name| tokio::spawn(send_all(broker.port, name.to_owned())))
        .into_iter()
        .collect();
    let mut kills = 0;
    let mut applied = 0;
    while !agents.iter().all(tokio::task::JoinHandle::is_finished) {
        // Each kill waits for progress, so that every life of the broker carries frames; the moment is anyone's.
        let target = (applied + 400).min(EVENTS * 3);
        until("frames to flow", async || {
            let done = agents.iter().all(tokio::task::JoinHandle::is_finished);
            (done || collector.ingest().counts.applied >= target).then_some(())
        })
        .await;
        applied = collector.ingest().counts.applied;
        if applied < EVENTS * 3 {
            broker.kill();
            broker.up().await;
            kills += 1;
        }
    }
    for agent in agents {
        agent.await.unwrap();
    }
    assert!(kills >= 5, "only {kills} kills");
    let found = held(log.as_ref()).await;
    for name in ["gw-1", "gw-2", "gw-3"] {
        let mut numbers = found.of(name, LIFE);
        assert_eq!(numbers.len() as u64, EVENTS, "each number once");
        numbers.sort_unstable();
        assert_eq!(
            numbers,
            (1..=EVENTS).collect::<Vec<_>>(),
            "and every number"
        );
    }
    assert_eq!(found.gaps, [], "nothing is called lost that was not");
    let counts = collector.ingest().counts;
    assert_eq!((counts.applied, counts.unaccounted()), (EVENTS * 3, 0));
    ingesting.stop().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn i27_i29_the_broker_keeps_frames_while_the_bridge_is_away_and_a_bad_one_blocks_nobody() {
    let Some(program) = mosquitto() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log: SharedLog = EmbeddedLog::open(&dir.path().join("log"), SystemClock::shared()).unwrap();
    let broker = Mosquitto::start(program, dir.path()).await;
    let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
    let first = bridge(&log, broker.port, &collector).await;
    let agent = AgentClient::connect(broker.port, "gw-1").await;
    // Until the bridge has subscribed the broker has nobody to give frames to.
    let sent = frame("gw-1", (1, 5), 1);
    until("the first receipt", async || {
        agent.publish("up/live", sent.clone()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        (agent.covered(LIFE).up_to() == 5).then_some(())
    })
    .await;
    first.stop().await.unwrap();

    let mut newer = frame("gw-1", (6, 7), 1).to_vec();
    newer[4] = 9;
    agent.publish("up/live", newer.into()).await;
    agent.publish("up/live", Bytes::from_static(b"noise")).await;
    agent.publish("up/live", frame("gw-1", (6, 20), 1)).await;
    let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
    let second = bridge(&log, broker.port, &collector).await;
    agent.receipted_up_to(LIFE, 20).await;
    assert_eq!(
        held(log.as_ref()).await.of("gw-1", LIFE),
        (1..=20).collect::<Vec<_>>()
    );
    assert_eq!(collector.ingest().counts.sidelined, 1);
    assert!(
        collector.problems().iter().any(|p| p.contains("version 9")),
        "{:?}",
        collector.problems()
    );
    second.stop().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn i28_the_broker_is_told_only_after_the_log_has_it() {
    let Some(program) = mosquitto() else { return };
    let dir = tempfile::tempdir().unwrap();
    let faulty = faulty(EmbeddedLog::open(&dir.path().join("log"), SystemClock::shared()).unwrap());
    let log: SharedLog = faulty.clone();
    let broker = Mosquitto::start(program, dir.path()).await;
    let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
    let first = bridge(&log, broker.port, &collector).await;
    let agent = AgentClient::connect(broker.port, "gw-1").await;
    faulty.hold();
    until("the bridge to have subscribed", async || {
        agent.publish("up/live", frame("gw-1", (1, 5), 1)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        (faulty.waiting.load(SeqCst) > 0).then_some(())
    })
    .await;
    first.stop().await.unwrap();
    faulty.release();
    assert!(held(log.as_ref()).await.events.is_empty());
    assert_eq!(agent.covered(LIFE).up_to(), 0);
    // The agent sends nothing more: what comes now, the broker had kept.
    let second = bridge(&log, broker.port, &collector).await;
    agent.receipted_up_to(LIFE, 5).await;
    assert_eq!(held(log.as_ref()).await.of("gw-1", LIFE), [1, 2, 3, 4, 5]);
    second.stop().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn i23_a_will_that_the_broker_publishes_says_when_the_agent_went() {
    let Some(program) = mosquitto() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log: SharedLog = EmbeddedLog::open(&dir.path().join("log"), SystemClock::shared()).unwrap();
    let broker = Mosquitto::start(program, dir.path()).await;
    let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
    let ingesting = bridge(&log, broker.port, &collector).await;
    let (stop, stopped) = wardline_service::stop_pair();
    let status = StatusTask {
        site: site(),
        insecure: false,
        log: log.clone(),
        collector,
        transform: Arc::default(),
    };
    let status = tokio::spawn(status.run(stopped));
    let with = crate::ingest_support::client::Options {
        id: "st-mary.gw-1".to_owned(),
        will: Some(agent_status("gw-1", false, 1)),
    };
    let agent = AgentClient::open(broker.port, "gw-1", with);
    agent.ready().await;
    until("the agent to be online", async || {
        agent
            .publish("status", agent_status("gw-1", true, 2).into())
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        newest_status(log.as_ref(), "gw-1")
            .await
            .filter(|status| status.online)
    })
    .await;
    agent.cut().await;
    let gone = until("the will", async || {
        newest_status(log.as_ref(), "gw-1")
            .await
            .filter(|status| !status.online)
    })
    .await;
    assert!(gone.at_ms > 2);
    stop.stop();
    status.await.unwrap();
    ingesting.stop().await.unwrap();
    log.close().await.unwrap();
}
