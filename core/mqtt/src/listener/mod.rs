//! Streams, tasks and their end.
//!
//! One task accepts, one task serves each connection. Everything that several connections share is here: limits,
//! counters, the live sessions of client identifiers, and the budget of pending bytes. Every task ends by itself once the
//! listener stops, and [`Listener::shutdown`] waits for all of them.

mod accept;
mod budget;
mod connection;
mod ending;
mod flow;
mod handshake;
mod serving;
mod sessions;
mod settled;
mod subscriber;
mod timing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::stats::Counters;
use crate::stream::{Acceptor, TcpAcceptor};
use crate::{Error, Handler, Limits, Publisher, Stats};
use budget::Budget;
use sessions::Sessions;

/// Where to listen and within which bounds.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bounds.
    pub limits: Limits,
}

/// A running listener. Dropping it stops it without waiting; [`Listener::shutdown`] waits.
#[derive(Debug)]
pub struct Listener {
    address: Option<SocketAddr>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What all connections of a listener share.
struct Shared {
    limits: Limits,
    handler: Arc<dyn Handler>,
    counters: Arc<Counters>,
    hub: Arc<Hub>,
    sessions: Arc<Sessions>,
    budget: Arc<Budget>,
    stopping: CancellationToken,
    /// Distinguishes assigned client identifiers; `assigned_prefix` distinguishes them from those of another life.
    assigned: AtomicU64,
    assigned_prefix: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Listener {
    /// Binds a TCP address and starts to accept.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or a limit is not usable.
    pub async fn bind(config: ListenerConfig, handler: Arc<dyn Handler>) -> Result<Self, Error> {
        let bind = |source| Error::Bind {
            addr: config.listen,
            source,
        };
        let acceptor = TcpAcceptor::bind(config.listen).await.map_err(bind)?;
        let address = acceptor.local_addr().map_err(bind)?;
        let mut listener = Self::serve(Box::new(acceptor), config.limits, handler)?;
        listener.address = Some(address);
        tracing::info!(%address, "mqtt listener is up");
        Ok(listener)
    }

    /// Serves whatever streams come.
    ///
    /// # Errors
    ///
    /// If a limit is not usable.
    pub fn serve(
        acceptor: Box<dyn Acceptor>,
        limits: Limits,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, Error> {
        limits.check()?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::new(Shared {
            handler,
            hub: Arc::new(Hub::new(Arc::clone(&counters))),
            counters,
            sessions: Arc::default(),
            budget: Arc::new(Budget::new(limits.total_pending_bytes_max)),
            stopping: CancellationToken::new(),
            assigned: AtomicU64::new(0),
            assigned_prefix: random(),
            limits,
        });
        let accepting = tokio::spawn(accept::run(acceptor, Arc::clone(&shared)));
        Ok(Self {
            address: None,
            shared,
            accepting: Some(accepting),
        })
    }

    /// The TCP address that is listened on, if it was bound to one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Sends to subscribers.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.shared.hub))
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.meter().stats()
    }

    /// The counters for somebody else, who sees them also when the listener has ended.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }

    /// Stops accepting and reading, waits within `shutdown_timeout` for outstanding acknowledgements, says goodbye
    /// (MQTT 5: 0x8B) and closes. When it returns, no task of the listener runs any more.
    pub async fn shutdown(mut self) {
        self.shared.stopping.cancel();
        if let Some(accepting) = self.accepting.take()
            && let Err(error) = accepting.await
        {
            tracing::error!(%error, "mqtt listener: the accepting task failed");
        }
    }
}

/// What a listener counts.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

impl Meter {
    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.snapshot(self.0.budget.used())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
    }
}

/// A number that differs from process to process.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
