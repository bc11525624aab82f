//! Puts the agent together and takes it apart again: store first and last, listeners only while it is open.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use tokio::net::UnixListener;
use tokio::task::JoinSet;
use wardline_disk::{DiskError, FileDisk};
use wardline_mqtt::{Limits, Listener, ListenerConfig, TcpAcceptor};
use wardline_service::{Running, Stop, stop_pair};

use crate::clock::{Clock, SystemClock};
use crate::intake::mllp::{self, Mllp};
use crate::intake::mqtt::Intake;
use crate::status::{self, StatusSource};
use crate::store::{Store, StoreConfig};
use crate::uplink::Uplink;
use crate::uplink::url::UplinkUrl;
use crate::{Config, Error};

/// Everything that runs.
struct Agent {
    store: Store,
    status: Arc<StatusSource>,
    uplink: Option<Uplink>,
    mllp: (TcpAcceptor, Arc<Mllp>),
    socket: (Option<UnixListener>, PathBuf),
}

/// Opens the store, binds every listener, and runs until stopped. Addresses: `agent_mqtt`, `agent_mllp`.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let url = config
        .uplink
        .as_deref()
        .map(UplinkUrl::parse)
        .transpose()
        .map_err(Error::into_anyhow)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = open_store(&config, Arc::clone(&clock))
        .await
        .map_err(Error::into_anyhow)?;
    match assemble(&config, url, &store, clock).await {
        Ok((agent, addresses)) => {
            let (handle, stop) = stop_pair();
            let task = tokio::spawn(agent.run(stop));
            Ok(Running::new(addresses, handle, task))
        }
        Err(error) => {
            close(store).await;
            Err(error.into_anyhow())
        }
    }
}

async fn open_store(config: &Config, clock: Arc<dyn Clock>) -> Result<Store, Error> {
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

async fn assemble(
    config: &Config,
    url: Option<UplinkUrl>,
    store: &Store,
    clock: Arc<dyn Clock>,
) -> Result<(Agent, BTreeMap<String, SocketAddr>), Error> {
    if config.insecure {
        tracing::warn!(mqtt = %config.mqtt_listen, mllp = %config.mllp_listen,
            "insecure: anybody who reaches these addresses can send events, unencrypted");
    }
    let status = Arc::new(StatusSource::new(
        config.agent.clone(),
        store.clone(),
        Arc::clone(&clock),
        config.quota_bytes,
        config.insecure,
    ));
    let mllp_listener = mllp::bind(config.mllp_listen).await?;
    let mllp_addr = mllp_listener.local_addr().map_err(|source| Error::Listen {
        addr: config.mllp_listen,
        source,
    })?;
    let path = status::socket_path(&config.data);
    // The agent works without it: a data folder whose path is too long for a socket is no reason to lose events.
    let socket = status::bind(&path)
        .map_err(|error| tracing::warn!(%error, "no status socket"))
        .ok();
    let limits = Limits {
        packet_bytes_max: config.packet_bytes_max,
        ..Limits::default()
    };
    let handler = Arc::new(Intake::new(store.clone(), Arc::clone(&clock)));
    let mqtt = Listener::bind(
        ListenerConfig {
            listen: config.mqtt_listen,
            limits,
        },
        handler,
    )
    .await?;
    let mqtt_addr = mqtt.local_addr().unwrap_or(config.mqtt_listen);
    let addresses = BTreeMap::from([
        ("agent_mqtt".to_owned(), mqtt_addr),
        ("agent_mllp".to_owned(), mllp_addr),
    ]);
    *status.mqtt.lock().unwrap_or_else(PoisonError::into_inner) = Some(mqtt);
    let connections = Arc::clone(&status.mllp_connections);
    let mllp = Arc::new(Mllp::new(store.clone(), clock, connections));
    let uplink = url.map(|url| {
        let (site, agent) = (config.site.clone(), config.agent.clone());
        Uplink::new(
            store.clone(),
            Arc::clone(&status),
            site,
            agent,
            url,
            config.window(),
        )
    });
    if uplink.is_none() {
        tracing::warn!("agent.uplink.url is not set: events are kept on disk and sent nowhere");
    }
    let agent = Agent {
        store: store.clone(),
        status,
        uplink,
        mllp: (mllp_listener, mllp),
        socket: (socket, path),
    };
    Ok((agent, addresses))
}

async fn close(store: Store) {
    // It joins a thread that may wait for the disk.
    tokio::task::spawn_blocking(move || store.close())
        .await
        .ok();
}

/// Why the agent failed, if it did: the stop may have come between the looks at it and at the tasks, and a part that
/// heard of it first has ended because it was asked to.
fn early_end(ended: Result<(), tokio::task::JoinError>, stop: &Stop) -> Option<anyhow::Error> {
    match ended {
        Ok(()) if stop.is_stopped() => None,
        Ok(()) => Some(anyhow::anyhow!(
            "a part of the agent ended without being asked to"
        )),
        Err(error) => {
            Some(anyhow::Error::new(error).context("a task of the agent ended unexpectedly"))
        }
    }
}

impl Agent {
    async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let Self {
            store,
            status,
            uplink,
            mllp: (listener, mllp),
            socket: (socket, path),
        } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(mllp::serve(Box::new(listener), mllp, stop.clone()));
        if let Some(socket) = socket {
            tasks.spawn(status::serve(
                socket,
                path,
                Arc::clone(&status),
                stop.clone(),
            ));
        }
        if let Some(uplink) = uplink {
            tasks.spawn(uplink.run(stop.clone()));
        }
        let mut failed = None;
        tokio::select! {
            // Being stopped comes first: then parts end because they were asked to.
            biased;
            () = stop.stopped() => {}
            Some(ended) = tasks.join_next() => failed = early_end(ended, &stop),
        }
        // Devices first, so that everything that was taken is still answered; the store last.
        let mqtt = status
            .mqtt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mqtt) = mqtt {
            mqtt.shutdown().await;
        }
        match failed {
            Some(error) => {
                tasks.shutdown().await;
                close(store).await;
                Err(error)
            }
            None => {
                while let Some(ended) = tasks.join_next().await {
                    ended?;
                }
                close(store).await;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wardline_service::stop_pair;

    use super::early_end;

    #[test]
    fn a_part_that_heard_of_the_stop_first_has_not_failed() {
        let (handle, stop) = stop_pair();
        assert!(early_end(Ok(()), &stop).is_some());
        handle.stop();
        assert!(early_end(Ok(()), &stop).is_none());
    }
}
