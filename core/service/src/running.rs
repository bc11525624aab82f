//! A running part: its listeners, a way to stop it, and the moment it ends by itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::sync::watch;
use tokio::task::JoinHandle;

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

type Last = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

pub struct Running {
    pub addresses: BTreeMap<String, SocketAddr>,
    stop: StopHandle,
    task: JoinHandle<anyhow::Result<()>>,
    last: Option<Last>,
}

impl Running {
    pub fn new(
        addresses: BTreeMap<String, SocketAddr>,
        stop: StopHandle,
        task: JoinHandle<anyhow::Result<()>>,
    ) -> Self {
        Self {
            addresses,
            stop,
            task,
            last: None,
        }
    }

    /// What is still to be done after an orderly end, e.g. closing what the part was lent.
    #[must_use]
    pub fn then(self, last: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Self {
        Self {
            last: Some(Box::pin(last)),
            ..self
        }
    }

    /// Orderly end: everything flushed, every task joined.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.stop();
        self.task.await??;
        match self.last {
            Some(last) => last.await,
            None => Ok(()),
        }
    }

    /// Resolves only if the part ends by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => anyhow::anyhow!("ended without being asked to"),
            Ok(Err(error)) => error,
            Err(error) => anyhow::Error::new(error).context("a task ended unexpectedly"),
        }
    }
}
