//! All parts in one process, over real MQTT on loopback and one embedded log.
//!
//! They start from the inside out, so that nothing listens before what stands behind it is there: log, bridge, agent,
//! aggregator. They stop the other way round: devices first, the log last.

use std::collections::BTreeMap;

use wardline_aggregator::Source;
use wardline_log::{SharedLog, Target};
use wardline_service::{Problem, Running, Settings, stop_pair};

pub(crate) struct Parts {
    log: Target,
    site: String,
    agent: wardline_agent::Config,
    bridge: wardline_bridge::Config,
    aggregator: wardline_aggregator::Config,
    uplink_set: bool,
}

impl Parts {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let agent = wardline_agent::Config::from_settings(settings);
        let bridge = wardline_bridge::Config::from_settings(settings);
        let aggregator = wardline_aggregator::Config::from_settings(settings);
        let own = Self::own(settings).map_err(|problem| vec![problem]);
        match (agent, bridge, aggregator, own) {
            (Ok(agent), Ok(bridge), Ok(aggregator), Ok((log, site, uplink_set))) => Ok(Self {
                log,
                site,
                agent,
                bridge,
                aggregator,
                uplink_set,
            }),
            (agent, bridge, aggregator, own) => {
                let mut problems: Vec<Problem> =
                    [agent.err(), bridge.err(), aggregator.err(), own.err()]
                        .into_iter()
                        .flatten()
                        .flatten()
                        .collect();
                problems.sort_by(|a, b| (&a.key, &a.why).cmp(&(&b.key, &b.why)));
                problems.dedup();
                Err(problems)
            }
        }
    }

    fn own(settings: &Settings) -> Result<(Target, String, bool), Problem> {
        let text = settings.text("bridge.log")?;
        let log = Target::parse(&text, &settings.data_dir().join("log")).map_err(|error| {
            settings.problem(
                "bridge.log",
                error.to_string(),
                "embedded or kafka://host:port",
            )
        })?;
        let log = log.with_prefix(&settings.text("bridge.log_prefix")?);
        Ok((
            log,
            settings.text("site.name")?,
            settings.opt_text("agent.uplink.url")?.is_some(),
        ))
    }
}

pub(crate) async fn start(parts: Parts) -> anyhow::Result<Running> {
    let log = wardline_log::open(&parts.log).await?;
    let bridge = wardline_bridge::start(parts.bridge, log.clone()).await?;
    let mut agent_config = parts.agent;
    if let (false, Some(address)) = (parts.uplink_set, bridge.addresses.get("bridge_mqtt")) {
        agent_config.uplink = Some(format!("mqtt://{address}"));
    }
    let agent = wardline_agent::start(agent_config).await?;
    let mut addresses: BTreeMap<_, _> = bridge.addresses.clone();
    addresses.extend(agent.addresses.clone());
    let mut aggregator_config = parts.aggregator;
    aggregator_config.addresses = addresses
        .iter()
        .map(|(name, address)| (name.clone(), address.to_string()))
        .collect();
    let source = Source {
        site: parts.site,
        log: log.clone(),
        local: true,
    };
    let aggregator =
        wardline_aggregator::start(aggregator_config, log.clone(), vec![source]).await?;
    addresses.extend(aggregator.addresses.clone());
    Ok(running(addresses, agent, bridge, aggregator, log))
}

fn running(
    addresses: BTreeMap<String, std::net::SocketAddr>,
    mut agent: Running,
    mut bridge: Running,
    mut aggregator: Running,
    log: SharedLog,
) -> Running {
    let (handle, stop) = stop_pair();
    let task = tokio::spawn(async move {
        let failed = tokio::select! {
            () = stop.stopped() => None,
            error = agent.failed() => Some(error.context("the agent failed")),
            error = bridge.failed() => Some(error.context("the bridge failed")),
            error = aggregator.failed() => Some(error.context("the aggregator failed")),
        };
        if let Some(error) = failed {
            return Err(error);
        }
        agent.stop().await?;
        bridge.stop().await?;
        aggregator.stop().await?;
        log.close().await?;
        Ok(())
    });
    Running::new(addresses, handle, task)
}
