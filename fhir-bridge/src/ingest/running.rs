//! Ingest as a whole: topics, watermarks, the task, and whoever brings frames. Started in the order in which one
//! needs the other, ended in the order that loses nothing: first whoever brings frames, then the writer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{info, warn};
use wardline_log::SharedLog;
use wardline_model::SiteName;
use wardline_model::limits::FRAME_PACKET_BYTES_MAX;
use wardline_mqtt::{Limits, Listener, ListenerConfig};
use wardline_service::{StopHandle, stop_pair};

use crate::error::BridgeError;
use crate::ingest::broker::{Broker, Receipts, Upstream};
use crate::ingest::handler::IngestHandler;
use crate::ingest::queue::{self, Job, ReceiptSink};
use crate::ingest::state::IngestState;
use crate::ingest::task::Ingest;
use crate::ingest::topics::Topics;
use crate::limits::{
    AGENT_PENDING_BYTES_MAX, AGENT_RECEIVE_MAX, APPEND_RETRY_MAX_MS, APPEND_RETRY_MIN_MS,
    CONNECTIONS_MAX, START_WAIT_MS, TOTAL_PENDING_BYTES_MAX,
};
use crate::status::Board;

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Agents connect to the bridge itself.
    Listen(SocketAddr),
    /// Agents and the bridge meet at a broker that the site already has.
    Broker(Broker),
}

#[derive(Debug, Clone)]
pub struct IngestConfig {
    pub site: SiteName,
    pub source: Source,
    pub topics: Topics,
}

/// Ingest at work. Dropping it stops it too, but only `stop` waits for the end.
#[derive(Debug)]
pub struct Ingesting {
    /// Where agents connect; `None` behind a broker.
    pub address: Option<SocketAddr>,
    front: Front,
    stop: StopHandle,
    /// `None` once it has ended.
    task: Option<JoinHandle<Result<(), BridgeError>>>,
}

enum Front {
    Listener(Listener),
    Upstream(StopHandle, JoinHandle<()>),
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Front::Listener(_) => "Listener",
            Front::Upstream(..) => "Upstream",
        })
    }
}

/// Returns once the topics are there, the watermarks are rebuilt and the listener is up.
pub async fn start(
    config: &IngestConfig,
    log: SharedLog,
    board: Arc<Board>,
) -> Result<Ingesting, BridgeError> {
    let state = prepare(config, &log).await?;
    let (queue, jobs) = queue::channel();
    let (front, receipts) = open_front(config, queue, &board).await?;
    let address = match &front {
        Front::Listener(listener) => listener.local_addr(),
        Front::Upstream(..) => None,
    };
    let (stop, stopped) = stop_pair();
    let ingest = Ingest::new(config.site.clone(), log, state, board, receipts);
    let task = tokio::spawn(ingest.run(jobs, stopped));
    Ok(Ingesting {
        address,
        front,
        stop,
        task: Some(task),
    })
}

impl Ingesting {
    /// Everything that was taken is settled or was never acknowledged; the watermarks are written down.
    pub async fn stop(self) -> Result<(), BridgeError> {
        match self.front {
            Front::Listener(listener) => listener.shutdown().await,
            Front::Upstream(stop, task) => {
                stop.stop();
                task.await.map_err(|_| BridgeError::Task("upstream"))?;
            }
        }
        self.stop.stop();
        match self.task {
            Some(task) => task.await.unwrap_or(Err(BridgeError::Task("ingest"))),
            None => Ok(()),
        }
    }

    /// Resolves only if ingest ends by itself.
    pub async fn failed(&mut self) -> BridgeError {
        let Some(task) = &mut self.task else {
            return BridgeError::Task("ingest");
        };
        let ended = task.await;
        self.task = None;
        match ended {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => BridgeError::Task("ingest"),
        }
    }
}

/// Waits for a log that is not there yet: in a site that starts as a whole, nobody knows who is first.
async fn prepare(config: &IngestConfig, log: &SharedLog) -> Result<IngestState, BridgeError> {
    let began = Instant::now();
    let mut pause = APPEND_RETRY_MIN_MS;
    loop {
        let error = match try_prepare(config, log).await {
            Ok(state) => return Ok(state),
            Err(error) => error,
        };
        if !error.retriable() || began.elapsed() > Duration::from_millis(START_WAIT_MS) {
            return Err(error);
        }
        warn!(%error, "the log is not there yet; tried again");
        sleep(Duration::from_millis(pause)).await;
        pause = (pause * 2).min(APPEND_RETRY_MAX_MS);
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

async fn open_front(
    config: &IngestConfig,
    queue: mpsc::Sender<Job>,
    board: &Arc<Board>,
) -> Result<(Front, ReceiptSink), BridgeError> {
    match &config.source {
        Source::Listen(listen) => {
            let handler = IngestHandler::new(config.site.clone(), queue, Arc::clone(board));
            let listener_config = ListenerConfig {
                listen: *listen,
                limits: limits(),
            };
            let listener = Listener::bind(listener_config, handler).await?;
            let publisher = listener.publisher();
            let sink: ReceiptSink = Arc::new(move |topic, payload| {
                publisher.send(topic, payload);
            });
            Ok((Front::Listener(listener), sink))
        }
        Source::Broker(broker) => {
            let receipts = Arc::new(Receipts::default());
            let upstream = Upstream {
                site: config.site.clone(),
                broker: broker.clone(),
                queue,
                board: Arc::clone(board),
                receipts: Arc::clone(&receipts),
            };
            let (stop, stopped) = stop_pair();
            let task = tokio::spawn(upstream.run(stopped));
            let sink: ReceiptSink = Arc::new(move |topic, payload| receipts.put(topic, payload));
            Ok((Front::Upstream(stop, task), sink))
        }
    }
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
