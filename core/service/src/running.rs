//! A running part: its listeners, a way to stop it, and the moment it ends by itself. `Supervisor` makes them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::watchdog::Pulse;

/// Held by whoever may stop a part. Dropping it stops the part too, so a forgotten part ends.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<bool>);

/// Held by the part: resolves once it shall stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

pub fn stop_pair() -> (StopHandle, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopHandle(sender), Stop(receiver))
}

impl StopHandle {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    pub async fn stopped(&self) {
        let mut receiver = self.0.clone();
        // An error means that the handle is gone, which is a stop as well.
        receiver.wait_for(|stop| *stop).await.ok();
    }
}

pub struct Running {
    pub addresses: BTreeMap<String, SocketAddr>,
    pub(crate) pulses: Vec<Pulse>,
    stop: StopHandle,
    /// `None` once it was seen to end.
    task: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Running {
    pub(crate) fn new(
        addresses: BTreeMap<String, SocketAddr>,
        pulses: Vec<Pulse>,
        stop: StopHandle,
        task: JoinHandle<anyhow::Result<()>>,
    ) -> Self {
        Self {
            addresses,
            pulses,
            stop,
            task: Some(task),
        }
    }

    /// The signs of life of all that runs.
    pub(crate) fn pulses(&self) -> Vec<Pulse> {
        self.pulses.clone()
    }

    /// Orderly end: everything flushed, every task joined. What had failed before has been said by `failed`.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.stop();
        match self.task.take() {
            Some(task) => task.await?,
            None => Ok(()),
        }
    }

    /// Resolves only if the part ends by itself; by then all of it is ended in order.
    pub async fn failed(&mut self) -> anyhow::Error {
        let Some(task) = &mut self.task else {
            return anyhow::anyhow!("has ended");
        };
        let ended = task.await;
        self.task = None;
        match ended {
            Ok(Ok(())) => anyhow::anyhow!("ended without being asked to"),
            Ok(Err(error)) => error,
            Err(error) => anyhow::Error::new(error).context("a task ended unexpectedly"),
        }
    }
}
