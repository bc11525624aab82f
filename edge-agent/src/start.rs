//! Puts the agent together: the store first, what takes events in last, so that they end the other way round. Devices go
//! first, everything that was taken is still answered, and the store is closed when nobody uses it any more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wardline_disk::{DiskError, FileDisk};
use wardline_mqtt::{Limits, Listener, ListenerConfig};
use wardline_service::{Running, SharedClock, Supervisor};

use crate::clock::Stamper;
use crate::intake::mllp::{self, Mllp};
use crate::intake::mqtt::Intake;
use crate::status::{self, Connections, StatusSource};
use crate::store::{Store, StoreConfig};
use crate::uplink::Uplink;
use crate::{Config, Error};

/// Opens the store, binds every listener, and runs until stopped. Addresses: `agent_mqtt`, `agent_mllp`.
pub async fn start(config: Config, clock: SharedClock) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble(config, clock, &mut parts).await;
    parts.up(started.map_err(Error::into_anyhow)).await
}

async fn assemble(config: Config, clock: SharedClock, parts: &mut Supervisor) -> Result<(), Error> {
    if config.insecure {
        tracing::warn!(mqtt = %config.mqtt_listen, mllp = %config.mllp_listen,
            "insecure: anybody who reaches these addresses can send events, unencrypted");
    }
    let clock = Stamper::of_this_boot(clock);
    let store = open_store(&config, clock.clone()).await?;
    parts.closing("the store", close(store.clone()));
    parts.watch(store.pulse());
    let hl7 = mllp::bind(config.mllp_listen).await?;
    let hl7_address = hl7.local_addr().map_err(|source| Error::Listen {
        addr: config.mllp_listen,
        source,
    })?;
    let mqtt = listen(&config, &store, &clock).await?;
    parts.address("agent_mllp", hl7_address);
    parts.address("agent_mqtt", mqtt.local_addr());
    let connections = Connections::of(mqtt.meter());
    let mllp = Mllp::new(store.clone(), clock.clone(), Arc::clone(&connections.mllp));
    let status = Arc::new(StatusSource {
        agent: config.agent.clone(),
        store: store.clone(),
        clock,
        quota_bytes: config.quota_bytes,
        insecure: config.insecure,
        connections,
        online: AtomicBool::new(false),
    });
    answer_status(&config, &status, parts);
    send(&config, store, status, parts);
    parts.task("the HL7 listener", |stop| async move {
        mllp::serve(Box::new(hl7), Arc::new(mllp), stop).await;
        Ok(())
    });
    parts.closing("the MQTT listener", async move {
        mqtt.shutdown().await;
        Ok(())
    });
    Ok(())
}

async fn open_store(config: &Config, clock: Stamper) -> Result<Store, Error> {
    let disk = FileDisk::new(config.store_path());
    let path = config.store_path();
    let settings = StoreConfig {
        quota_bytes: config.quota_bytes,
        linger: config.linger,
    };
    // Opening after a crash reads the whole file: not on a thread that serves connections.
    tokio::task::spawn_blocking(move || Store::open(disk, settings, clock))
        .await
        .unwrap_or(Err(DiskError::Closed { path }.into()))
}

async fn close(store: Store) -> anyhow::Result<()> {
    // It joins a thread that may wait for the disk.
    tokio::task::spawn_blocking(move || store.close()).await?;
    Ok(())
}

async fn listen(config: &Config, store: &Store, clock: &Stamper) -> Result<Listener, Error> {
    let limits = Limits {
        packet_bytes_max: config.packet_bytes_max,
        ..Limits::default()
    };
    let listener = ListenerConfig {
        listen: config.mqtt_listen,
        limits,
    };
    let handler = Arc::new(Intake::new(store.clone(), clock.clone()));
    Ok(Listener::bind(listener, handler).await?)
}

/// The agent works without it: a data folder whose path is too long for a socket is no reason to lose events.
fn answer_status(config: &Config, status: &Arc<StatusSource>, parts: &mut Supervisor) {
    let path = status::socket_path(&config.data);
    let socket = match status::bind(&path) {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!(%error, "no status socket"),
    };
    let status = Arc::clone(status);
    parts.task("the status socket", |stop| async move {
        status::serve(socket, path, status, stop).await;
        Ok(())
    });
}

fn send(config: &Config, store: Store, status: Arc<StatusSource>, parts: &mut Supervisor) {
    let Some(url) = config.uplink.clone() else {
        return tracing::warn!(
            "agent.uplink.url is not set: events are kept on disk and sent nowhere"
        );
    };
    let (site, agent) = (config.site.clone(), config.agent.clone());
    let uplink = Uplink::new(store, status, site, agent, url, config.window());
    parts.task("the uplink", |stop| async move {
        uplink.run(stop).await;
        Ok(())
    });
}
