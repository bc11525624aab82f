//! Accepts streams and gives each its task.
//!
//! Above the bound of connections a stream is closed at once, so that those who are connected keep their memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Shared, handshake};
use crate::CloseReason;
use crate::limits::{ACCEPT_PAUSE_MS, FAREWELL_TIMEOUT_MS, LINGER_MS};
use crate::stats::add;
use crate::stream::{Acceptor, Peer, Stream};

/// Runs until the listener stops, then waits for all connections.
pub(super) async fn run(mut acceptor: Box<dyn Acceptor>, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            Some(ended) = tasks.join_next() => ended_well(ended),
            accepted = acceptor.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer, &shared, &mut tasks),
                Err(error) => {
                    // Out of descriptors, usually: connections that end will free some.
                    tracing::warn!(%error, "mqtt listener: cannot accept");
                    sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            },
        }
    }
    drop(acceptor);
    let grace =
        shared.limits.shutdown_timeout + Duration::from_millis(2 * FAREWELL_TIMEOUT_MS + LINGER_MS);
    let all_ended = timeout(grace, async {
        while let Some(ended) = tasks.join_next().await {
            ended_well(ended);
        }
    });
    if all_ended.await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "mqtt listener: connections whose handler did not settle are dropped"
        );
        tasks.shutdown().await;
    }
}

fn ended_well(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "mqtt listener: a connection failed");
    }
}

fn admit(stream: Stream, peer: Peer, shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    add(&shared.counters.accepted, 1);
    if shared.counters.connections.load(Relaxed) >= shared.limits.connections_max {
        shared.counters.closed(CloseReason::ConnectionLimit);
        tracing::warn!(%peer, max = shared.limits.connections_max, "mqtt listener: all connections are in use");
        return;
    }
    let counted = Counted::new(shared);
    let shared = Arc::clone(shared);
    tasks.spawn(async move {
        handshake::serve(stream, peer, shared).await;
        drop(counted);
    });
}

/// Counts a connection for as long as its task lives, however that ends.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.counters.connections.fetch_add(1, Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.connections.fetch_sub(1, Relaxed);
    }
}
