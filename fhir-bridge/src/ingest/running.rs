//! Ingest as a whole: topics, watermarks, the task, and whoever brings frames. Started in the order in which one
//! needs the other, ended in the order that loses nothing: first whoever brings frames, then the writer.
//!
//! The front (listener or broker) stops first, so that nothing new comes in while the task settles what it holds; what is
//! not in the log by then was not acknowledged, and agents send it again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{info, warn};
use wardline_log::SharedLog;
use wardline_model::SiteName;
use wardline_model::limits::FRAME_PACKET_BYTES_MAX;
use wardline_mqtt::{Limits, Listener, ListenerConfig};
use wardline_service::{Backoff, MqttUrl, Supervisor};

use crate::ADDRESS;
use crate::error::BridgeError;
use crate::ingest::broker::{Receipts, Upstream};
use crate::ingest::handler::IngestHandler;
use crate::ingest::queue::{self, ReceiptSink};
use crate::ingest::state::IngestState;
use crate::ingest::task::Ingest;
use crate::ingest::topics::Topics;
use crate::limits::{
    AGENT_PENDING_BYTES_MAX, AGENT_RECEIVE_MAX, APPEND_RETRY_MAX_MS, APPEND_RETRY_MIN_MS,
    CONNECTIONS_MAX, START_WAIT_MS, TOTAL_PENDING_BYTES_MAX,
};
use crate::status::StatusCollector;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Agents connect to the bridge itself.
    Listen(SocketAddr),
    /// Agents and the bridge meet at a broker that the site already has.
    Broker(MqttUrl),
}

#[derive(Debug, Clone)]
pub struct IngestConfig {
    pub site: SiteName,
    pub source: Source,
    pub topics: Topics,
}

/// First the writer, then whoever brings frames: they end the other way round, and everything that was taken is settled
/// or was never acknowledged.
pub async fn serve(
    config: &IngestConfig,
    log: SharedLog,
    state: IngestState,
    collector: Arc<StatusCollector>,
    parts: &mut Supervisor,
) -> Result<(), BridgeError> {
    let (queue, jobs) = queue::channel();
    let site = config.site.clone();
    match &config.source {
        Source::Listen(listen) => {
            let handler = IngestHandler::new(site.clone(), queue, Arc::clone(&collector));
            let listener_config = ListenerConfig {
                listen: *listen,
                limits: limits(),
            };
            let listener = Listener::bind(listener_config, handler).await?;
            let publisher = listener.publisher();
            let receipts: ReceiptSink = Arc::new(move |topic, payload| {
                publisher.send(topic, payload);
            });
            let ingest = Ingest::new(site, log, state, collector, receipts);
            parts.watch(ingest.pulse());
            parts.task(
                "ingest",
                |stop| async move { Ok(ingest.run(jobs, stop).await?) },
            );
            parts.address(ADDRESS, listener.local_addr());
            parts.closing("the agents' listener", async move {
                listener.shutdown().await;
                Ok(())
            });
        }
        Source::Broker(broker) => {
            let receipts = Arc::new(Receipts::default());
            let upstream = Upstream {
                site: site.clone(),
                broker: broker.clone(),
                queue,
                collector: Arc::clone(&collector),
                receipts: Arc::clone(&receipts),
            };
            let receipts: ReceiptSink =
                Arc::new(move |topic, payload| receipts.put(topic, payload));
            let ingest = Ingest::new(site, log, state, collector, receipts);
            parts.watch(ingest.pulse());
            parts.task(
                "ingest",
                |stop| async move { Ok(ingest.run(jobs, stop).await?) },
            );
            parts.task("the broker's connection", |stop| async move {
                upstream.run(stop).await;
                Ok(())
            });
        }
    }
    Ok(())
}

/// Waits for a log that is not there yet: in a site that starts as a whole, nobody knows who is first.
pub async fn prepare(config: &IngestConfig, log: &SharedLog) -> Result<IngestState, BridgeError> {
    let began = Instant::now();
    let mut backoff = Backoff::of_ms(APPEND_RETRY_MIN_MS, APPEND_RETRY_MAX_MS);
    loop {
        let error = match try_prepare(config, log).await {
            Ok(state) => return Ok(state),
            Err(error) => error,
        };
        if !error.retriable() || began.elapsed() > Duration::from_millis(START_WAIT_MS) {
            return Err(error);
        }
        warn!(%error, "the log is not there yet; tried again");
        sleep(backoff.draw()).await;
    }
}

async fn try_prepare(config: &IngestConfig, log: &SharedLog) -> Result<IngestState, BridgeError> {
    let specs = config.topics.specs();
    let created = log.create_topics(&specs).await;
    created.map_err(BridgeError::log("creating the site's topics"))?;
    let state = IngestState::load(log.as_ref()).await?;
    info!(
        agents = state.marks.newest().count(),
        events = state.counts.applied,
        gaps = state.gaps,
        "the watermarks are rebuilt"
    );
    Ok(state)
}

fn limits() -> Limits {
    Limits {
        packet_bytes_max: FRAME_PACKET_BYTES_MAX,
        receive_max: AGENT_RECEIVE_MAX,
        connections_max: CONNECTIONS_MAX,
        connection_pending_bytes_max: AGENT_PENDING_BYTES_MAX,
        total_pending_bytes_max: TOTAL_PENDING_BYTES_MAX,
        ..Limits::default()
    }
}
