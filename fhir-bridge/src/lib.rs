//! MQTT -> log (ingest), log -> FHIR R4 -> log (transform).
//!
//! The raw frame is logged first: a mapping error can neither lose nor delay it, and a new mapping can be replayed
//! over it. The two halves meet only in the log's topics and in the status that they share.

pub mod config;
pub mod error;
pub mod feeds;
pub mod files;
mod hex;
pub mod ingest;
pub mod limits;
mod logged;
pub mod map;
pub mod status;
pub mod transform;

pub use config::Config;
pub use error::BridgeError;

use std::sync::Arc;

use anyhow::Context;
use tracing::{info, warn};
use wardline_log::SharedLog;
use wardline_service::{Running, SharedClock, Supervisor};

use crate::map::{SiteContext, SiteKey};
use crate::status::{StatusCollector, StatusTask};
use crate::transform::{Counters, FeedsTask, Transform};

/// Where agents connect, in `Running::addresses`; absent behind a broker.
pub const ADDRESS: &str = "bridge_mqtt";

/// Starts ingest, transform and status. Returns once the topics are there, the watermarks are rebuilt and the
/// listener is up.
///
/// # Errors
/// What keeps one of them from starting; nothing is left running then.
pub async fn start(config: Config, log: SharedLog, clock: SharedClock) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble(config, log, clock, &mut parts).await;
    parts.up(started).await
}

/// The bridge as a program of its own: opens its log, and closes it when all else has ended.
///
/// # Errors
/// What keeps it from starting; nothing is left running then.
pub async fn start_apart(config: Config, clock: SharedClock) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble_apart(config, clock, &mut parts).await;
    parts.up(started).await
}

async fn assemble_apart(
    config: Config,
    clock: SharedClock,
    parts: &mut Supervisor,
) -> anyhow::Result<()> {
    let log = wardline_log::open(&config.log, clock.clone()).await?;
    let closed = log.clone();
    parts.closing("the log", async move { Ok(closed.close().await?) });
    parts.part("the bridge", start(config, log, clock).await?);
    Ok(())
}

/// Ingest ends first, then the transform, and the status last, so that it says how everything ended.
async fn assemble(
    config: Config,
    log: SharedLog,
    clock: SharedClock,
    parts: &mut Supervisor,
) -> anyhow::Result<()> {
    let key = site_key(&config).await?;
    let collector = Arc::new(StatusCollector::new(clock.clone()));
    let state = ingest::prepare(&config.ingest, &log).await?;
    let counters = Arc::new(Counters::default());
    let status = StatusTask {
        site: config.ingest.site.clone(),
        insecure: config.insecure,
        log: Arc::clone(&log),
        collector: Arc::clone(&collector),
        transform: Arc::clone(&counters),
    };
    parts.task("the status", |stop| async move {
        status.run(stop).await;
        Ok(())
    });
    let feeds = FeedsTask {
        log: Arc::clone(&log),
        counters: Arc::clone(&counters),
        clock: clock.clone(),
    };
    parts.task("the feeds", |stop| async move {
        feeds.run(stop).await;
        Ok(())
    });
    let site = config.ingest.site.clone();
    let context = SiteContext::new(site, config.zone, &key, config.mappings);
    let transform = Transform {
        ctx: Arc::new(context),
        one_commit: log.atomic_append(),
        log: Arc::clone(&log),
        counters,
        map: map::map,
    };
    parts.task("the transform", |stop| async move {
        transform::run(transform, stop).await;
        Ok(())
    });
    ingest::serve(&config.ingest, log, state, collector, parts).await?;
    let listen = parts.addresses().get(ADDRESS);
    if config.insecure && listen.is_some_and(|at| !at.ip().is_loopback()) {
        warn!("agents connect without TLS from other machines: bridge.insecure is set");
    }
    info!(site = %config.ingest.site, ?listen, "the bridge is up");
    Ok(())
}

async fn site_key(config: &Config) -> anyhow::Result<SiteKey> {
    let folder = config.folder.clone();
    let key = tokio::task::spawn_blocking(move || files::site_key::load_or_create(&folder));
    Ok(key.await.context("reading the site's key")??)
}
