//! The bridge as a part: configuration, start, status, end (docs/specs/ingest.md I22 to I26, I31).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::ingest_support::client::{AgentClient, Options};
use crate::ingest_support::*;
use wardline_bridge::ingest::Source;
use wardline_bridge::{ADDRESS, Config};
use wardline_log::embedded::EmbeddedLog;
use wardline_log::{CleanupKind, Log, SharedLog};
use wardline_log_contract::{Fault, FaultyLog};
use wardline_model::status::BridgeStatus;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, FHIR_TOPICS, RETRY, SIDELINE, STATUS};
use wardline_service::{Problem, Running, Settings, SystemClock};

fn config(data: &Path, values: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    let mut all = vec![
        ("site.name", "st-mary"),
        ("bridge.mqtt.listen", "127.0.0.1:0"),
    ];
    all.extend_from_slice(values);
    Config::from_settings(&Settings::for_tests(data, &all).unwrap())
}

async fn start(data: &Path) -> (Running, SharedLog, u16) {
    let log: SharedLog = EmbeddedLog::open(&data.join("log"), SystemClock::shared()).unwrap();
    let running = wardline_bridge::start(
        config(data, &[]).unwrap(),
        log.clone(),
        SystemClock::shared(),
    )
    .await
    .unwrap();
    let port = running.addresses[ADDRESS].port();
    (running, log, port)
}

async fn bridge_status(log: &dyn Log) -> Option<BridgeStatus> {
    newest_value(log, "bridge")
        .await
        .map(|value| serde_json::from_slice(&value).unwrap())
}

#[test]
fn i31_a_listener_beyond_loopback_has_to_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let problems = config(dir.path(), &[("bridge.mqtt.listen", "0.0.0.0:1884")]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].to_string().contains("bridge.insecure = true"),
        "{}",
        problems[0]
    );
    let open = [
        ("bridge.mqtt.listen", "0.0.0.0:1884"),
        ("bridge.insecure", "true"),
    ];
    assert!(config(dir.path(), &open).unwrap().insecure);
}

#[test]
fn i26_a_broker_takes_the_place_of_the_listener() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), &[("bridge.upstream.url", "mqtt://broker:1883")]).unwrap();
    assert!(matches!(config.ingest.source, Source::Broker(broker) if broker.host == "broker"));
}

#[tokio::test]
async fn i22_the_topics_are_there_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let (running, log, _) = start(dir.path()).await;
    let kinds: std::collections::BTreeMap<String, CleanupKind> = log
        .topics()
        .await
        .unwrap()
        .into_iter()
        .map(|t| (t.name, t.cleanup))
        .collect();
    for name in [EDGE_FRAMES, SIDELINE, RETRY]
        .into_iter()
        .chain(FHIR_TOPICS)
    {
        assert_eq!(kinds[name], CleanupKind::Delete, "{name}");
    }
    for name in [STATUS, BRIDGE_STATE] {
        assert_eq!(kinds[name], CleanupKind::Compact, "{name}");
    }
    running.stop().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn i23_an_agents_status_and_its_will_reach_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (running, log, port) = start(dir.path()).await;
    let will = Some(agent_status("gw-1", false, 1));
    let agent = AgentClient::open(
        port,
        "gw-1",
        Options {
            id: "st-mary.gw-1".to_owned(),
            will,
        },
    );
    agent.ready().await;
    agent
        .publish(
            "status",
            agent_status("gw-1", true, 1_772_000_000_000).into(),
        )
        .await;
    let status = until("the status", async || {
        newest_status(log.as_ref(), "gw-1").await
    })
    .await;
    assert!(status.online);
    agent.publish("status", b"{broken".to_vec().into()).await;
    agent.cut().await;
    let status = until("the will", async || {
        newest_status(log.as_ref(), "gw-1")
            .await
            .filter(|s| !s.online)
    })
    .await;
    assert!(
        status.at_ms > 1_772_000_000_000,
        "a will speaks when it is published, not when it was written"
    );
    running.stop().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn p4_i24_counters_stay_true_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (running, log, port) = start(dir.path()).await;
    let agent = AgentClient::connect(port, "gw-1").await;
    agent.publish("up/live", frame("gw-1", (4, 9), 4)).await;
    agent.receipted_up_to(LIFE, 9).await;
    agent.publish("up/live", frame("gw-1", (1, 9), 1)).await;
    agent.publish("up/live", b"noise".to_vec().into()).await;
    let counted = |s: &BridgeStatus| s.ingest.received == 16;
    let before = until("the counters", async || {
        bridge_status(log.as_ref()).await.filter(counted)
    })
    .await;
    assert_eq!(
        (
            before.ingest.applied,
            before.ingest.duplicate,
            before.ingest.sidelined
        ),
        (6, 9, 1)
    );
    assert_eq!((before.ingest.unaccounted(), before.gaps), (0, 1));
    assert_eq!(
        (before.agents[0].up_to, before.agents[0].gap_events),
        (9, 3)
    );
    agent.cut().await;
    running.stop().await.unwrap();
    log.close().await.unwrap();

    let (running, log, _) = start(dir.path()).await;
    let newer = |s: &BridgeStatus| s.at_ms > before.at_ms;
    let after = until("the status", async || {
        bridge_status(log.as_ref()).await.filter(newer)
    })
    .await;
    assert_eq!(
        (after.ingest, after.agents, after.gaps),
        (before.ingest, before.agents, before.gaps)
    );
    running.stop().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn i25_a_log_that_cannot_be_used_any_more_ends_the_bridge_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (mut running, log, port) = start(dir.path()).await;
    let agent = AgentClient::connect(port, "gw-1").await;
    log.close().await.unwrap();
    // Whoever notices first ends the bridge: the frame may find the listener gone already.
    let sent = frame("gw-1", (1, 5), 1);
    let topic = "wardline/v1/st-mary/gw-1/up/live";
    let published = agent
        .client
        .publish_bytes(topic, rumqttc::QoS::AtLeastOnce, false, sent);
    published.await.ok();
    let error = tokio::time::timeout(Duration::from_secs(30), running.failed())
        .await
        .unwrap();
    assert!(format!("{error:#}").contains("log"), "{error:#}");
    assert_eq!(agent.pubacks(), 0);
}

#[tokio::test]
async fn fr34_ingest_goes_on_while_the_transform_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = Arc::new(AtomicBool::new(true));
    let refused = Arc::clone(&refuse);
    let faulty =
        FaultyLog::new(EmbeddedLog::open(&dir.path().join("log"), SystemClock::shared()).unwrap());
    // Outputs come with their position; ingest's own snapshot comes alone.
    let log: SharedLog = Arc::new(faulty.deciding(Box::new(move |_, batches| {
        let outputs = batches.len() > 1 && batches.iter().any(|(topic, _)| topic == BRIDGE_STATE);
        match outputs && refused.load(SeqCst) {
            true => Fault::Closed,
            false => Fault::None,
        }
    })));
    let running = wardline_bridge::start(
        config(dir.path(), &[]).unwrap(),
        log.clone(),
        SystemClock::shared(),
    )
    .await
    .unwrap();
    let port = running.addresses[ADDRESS].port();
    let agent = AgentClient::connect(port, "gw-1").await;
    for n in 0..3 {
        let frame = frame("gw-1", (n * 3 + 1, n * 3 + 3), 1);
        agent.publish("up/live", frame).await;
        agent.receipted_up_to(LIFE, n * 3 + 3).await;
    }
    let shown = until("the transform's problem", async || {
        let value: serde_json::Value =
            serde_json::from_slice(&newest_value(log.as_ref(), "bridge").await?).unwrap();
        let said = value["problems"].to_string();
        said.contains("transform").then_some(said)
    })
    .await;
    assert!(shown.contains("edge.frames/0"), "{shown}");
    refuse.store(false, SeqCst);
    until("the transform to catch up", async || {
        let status = bridge_status(log.as_ref()).await?;
        (status.transform.received == 9).then_some(())
    })
    .await;
    running.stop().await.unwrap();
    log.close().await.unwrap();
}
