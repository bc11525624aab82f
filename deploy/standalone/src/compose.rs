//! All parts in one process, over real MQTT on loopback and one embedded log.
//!
//! They start from the inside out, so that nothing listens before what stands behind it is there: log, bridge, agent,
//! aggregator. They stop the other way round, also when one of them fails: the agent before the bridge that takes its
//! events, the log last.

use std::net::SocketAddr;

use wardline_aggregator::{SiteBeds, Source};
use wardline_log::SharedLog;
use wardline_service::keys::{self, Key};
use wardline_service::{MqttUrl, Problem, Running, Settings, SharedClock, Supervisor};

const LISTENERS: &[&Key<SocketAddr>] = &[
    &keys::AGENT_MQTT_LISTEN,
    &keys::AGENT_MLLP_LISTEN,
    &keys::BRIDGE_MQTT_LISTEN,
    &keys::AGGREGATOR_API_LISTEN,
];

pub(crate) struct Parts {
    agent: wardline_agent::Config,
    bridge: wardline_bridge::Config,
    aggregator: wardline_aggregator::Config,
    beds: SiteBeds,
}

impl Parts {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let agent = wardline_agent::Config::from_settings(settings);
        let bridge = wardline_bridge::Config::from_settings(settings);
        let aggregator = wardline_aggregator::Config::from_settings(settings);
        let beds = SiteBeds::from_settings(settings);
        let ports = settings.shared_ports(LISTENERS);
        match (agent, bridge, aggregator, beds) {
            (Ok(agent), Ok(bridge), Ok(aggregator), Ok(beds)) if ports.is_empty() => Ok(Self {
                agent,
                bridge,
                aggregator,
                beds,
            }),
            (agent, bridge, aggregator, beds) => {
                let found = [agent.err(), bridge.err(), aggregator.err(), beds.err()];
                let found = found.into_iter().flatten().flatten();
                Err(found.chain(ports).collect())
            }
        }
    }
}

/// Opens the log and starts the parts on it.
pub(crate) async fn start(configured: Parts, clock: SharedClock) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble(configured, clock, &mut parts).await;
    parts.up(started).await
}

async fn assemble(
    configured: Parts,
    clock: SharedClock,
    parts: &mut Supervisor,
) -> anyhow::Result<()> {
    let log = wardline_log::open(&configured.bridge.log, clock.clone()).await?;
    parts.closing("the log", closed(log.clone()));
    let site = configured.bridge.ingest.site.to_string();
    let bridge = wardline_bridge::start(configured.bridge, log.clone(), clock.clone()).await?;
    parts.part("the bridge", bridge);
    let mut agent = configured.agent;
    if let (None, Some(address)) = (&agent.uplink, parts.addresses().get("bridge_mqtt")) {
        agent.uplink = Some(MqttUrl::at(*address));
    }
    let agent = wardline_agent::start(agent, clock.clone()).await?;
    parts.part("the agent", agent);
    let mut aggregator = configured.aggregator;
    aggregator.addresses = parts
        .addresses()
        .iter()
        .map(|(name, address)| (name.clone(), address.to_string()))
        .collect();
    let source = Source {
        site,
        beds: configured.beds,
        log: log.clone(),
        local: true,
    };
    let aggregator = wardline_aggregator::start(aggregator, log, vec![source], clock).await?;
    parts.part("the aggregator", aggregator);
    Ok(())
}

async fn closed(log: SharedLog) -> anyhow::Result<()> {
    Ok(log.close().await?)
}

#[cfg(test)]
mod tests {
    use wardline_log::{Record, Target, TopicSpec};
    use wardline_service::SystemClock;

    use super::*;

    /// Before, a failed part left the others and the log as they were: what an append had been given was not flushed.
    #[tokio::test]
    async fn p3_a_part_that_fails_ends_the_others_and_closes_the_log_with_what_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::Embedded {
            dir: dir.path().to_owned(),
        };
        let log = wardline_log::open(&target, SystemClock::shared())
            .await
            .unwrap();
        let topic = TopicSpec {
            name: "t".to_owned(),
            partitions: 1,
            cleanup: wardline_log::Cleanup::Compact,
        };
        log.create_topics(&[topic]).await.unwrap();
        let mut parts = Supervisor::new();
        parts.closing("the log", closed(log.clone()));
        let writer = log.clone();
        parts.task("the writer", |stop| async move {
            stop.stopped().await;
            let record = Record {
                key: Some("key".into()),
                value: Some("value".into()),
                ..Record::default()
            };
            writer.append("t", vec![record]).await?;
            Ok(())
        });
        parts.task("the agent", |_| async { anyhow::bail!("the disk is gone") });
        let mut running = parts.up(Ok(())).await.unwrap();
        let error = format!("{:#}", running.failed().await);
        assert_eq!(error, "the agent failed: the disk is gone");
        assert!(log.append("t", Vec::new()).await.is_err(), "it is closed");
        let again = wardline_log::open(&target, SystemClock::shared())
            .await
            .unwrap();
        assert_eq!(again.offsets("t").await.unwrap()[0].end, 1);
    }
}
