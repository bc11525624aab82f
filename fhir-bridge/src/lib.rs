//! MQTT -> log (ingest), log -> FHIR R4 -> log (transform).
//!
//! The raw frame is logged first: a mapping error can neither lose nor delay it, and a new mapping can be replayed
//! over it. The two halves meet only in the log's topics and in the status that they share.

pub mod config;
pub mod error;
pub mod files;
pub mod ingest;
pub mod limits;
pub mod map;
pub mod status;
pub mod transform;

pub use config::Config;
pub use error::BridgeError;

use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use wardline_log::SharedLog;
use wardline_service::{Running, Stop, StopHandle, stop_pair};

use crate::ingest::Ingesting;
use crate::map::{SiteContext, SiteKey};
use crate::status::{Board, StatusTask, TransformShown, TransformView};
use crate::transform::{Counters, Transform};

/// Where agents connect, in `Running::addresses`; absent behind a broker.
pub const ADDRESS: &str = "bridge_mqtt";

/// Starts ingest, transform and status. Returns once the topics are there, the watermarks are rebuilt and the
/// listener is up.
///
/// # Errors
/// What keeps one of them from starting; nothing is left running then.
pub async fn start(config: Config, log: SharedLog) -> anyhow::Result<Running> {
    let key = site_key(&config).await?;
    let board = Arc::new(Board::default());
    let ingesting = ingest::start(&config.ingest, Arc::clone(&log), Arc::clone(&board)).await?;
    if config.insecure && ingesting.address.is_some_and(|at| !at.ip().is_loopback()) {
        warn!("agents connect without TLS from other machines: bridge.insecure is set");
    }
    let addresses = ingesting.address.map(|at| (ADDRESS.to_owned(), at));
    info!(site = %config.ingest.site, listen = ?ingesting.address, "the bridge is up");
    let (stop, stopped) = stop_pair();
    let (inner, inner_stopped) = stop_pair();
    let counters = Arc::new(Counters::default());
    let status = StatusTask {
        site: config.ingest.site.clone(),
        insecure: config.insecure,
        log: Arc::clone(&log),
        board,
        transform: view(Arc::clone(&counters)),
    };
    let context = SiteContext::new(config.ingest.site, config.zone, &key, config.mappings);
    let transform = Transform {
        ctx: Arc::new(context),
        one_commit: log.atomic_append(),
        log,
        counters,
    };
    let transform = transform::run(transform, inner_stopped.clone());
    let parts = Parts {
        ingesting,
        transform: Some(tokio::spawn(transform)),
        status: tokio::spawn(status.run(inner_stopped)),
        inner,
    };
    let task = tokio::spawn(parts.run(stopped));
    Ok(Running::new(addresses.into_iter().collect(), stop, task))
}

async fn site_key(config: &Config) -> anyhow::Result<SiteKey> {
    let folder = config.folder.clone();
    let key = tokio::task::spawn_blocking(move || files::site_key::load_or_create(&folder));
    Ok(key.await.context("reading the site's key")??)
}

fn view(counters: Arc<Counters>) -> TransformView {
    Arc::new(move || {
        let now = counters.snapshot();
        TransformShown {
            counts: now.counts,
            records: now.records,
            problem: now.problem,
            retried: now.retried,
            filtered: now.filtered,
            lag_records: now.lag_records,
            lost_records: now.lost_records,
        }
    })
}

struct Parts {
    ingesting: Ingesting,
    /// `None` once it has ended.
    transform: Option<JoinHandle<anyhow::Result<()>>>,
    status: JoinHandle<()>,
    inner: StopHandle,
}

impl Parts {
    /// Ends with `stop`, or with the first part that fails; all others are ended in order then.
    async fn run(mut self, stop: Stop) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = stop.stopped() => Ok(()),
            error = self.ingesting.failed() => Err(error.into()),
            error = ended(&mut self.transform) => Err(error),
        };
        let ingest = self.ingesting.stop().await;
        self.inner.stop();
        let transform = match self.transform {
            Some(task) => task.await.context("the transform ended unexpectedly")?,
            None => Ok(()),
        };
        self.status
            .await
            .context("the status task ended unexpectedly")?;
        failed.and(ingest.map_err(Into::into)).and(transform)
    }
}

/// Resolves only if the transform ends by itself.
async fn ended(task: &mut Option<JoinHandle<anyhow::Result<()>>>) -> anyhow::Error {
    let Some(running) = task else {
        return anyhow::anyhow!("the transform has ended");
    };
    let ended = running.await;
    *task = None;
    match ended {
        Ok(Ok(())) => anyhow::anyhow!("the transform ended without being asked to"),
        Ok(Err(error)) => error.context("the transform cannot go on"),
        Err(error) => anyhow::Error::new(error).context("the transform ended unexpectedly"),
    }
}
