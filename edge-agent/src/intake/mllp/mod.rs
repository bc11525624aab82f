//! HL7 v2 senders over MLLP: each message becomes one event, and `AA` leaves only after its commit.
//!
//! A connection is any byte stream. It reads on while earlier messages are being written to disk; answers leave in the
//! order of the messages.
//! docs/specs/mllp.md has the numbered rules (ML1 to ML16).

pub mod codec;
mod connection;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wardline_model::limits::HL7_MESSAGE_BYTES_MAX;
use wardline_mqtt::{Acceptor, Peer, Stream, TcpAcceptor};
use wardline_service::Stop;

use crate::Error;
use crate::clock::Stamper;
use crate::limits::{MLLP_CONNECTIONS_MAX, MLLP_PENDING_BYTES_MAX, MLLP_SHUTDOWN_TIMEOUT_MS};
use crate::store::Store;

/// What all connections share.
pub struct Mllp {
    pub store: Store,
    pub clock: Stamper,
    /// Connections now.
    pub connections: Arc<AtomicU64>,
    /// Bytes of messages whose answer is outstanding.
    pending: Arc<Semaphore>,
    message_bytes_max: usize,
    /// Our control ids count on from here.
    answers: AtomicU64,
}

impl Mllp {
    pub fn new(store: Store, clock: Stamper, connections: Arc<AtomicU64>) -> Self {
        Self {
            store,
            clock,
            connections,
            pending: Arc::new(Semaphore::new(MLLP_PENDING_BYTES_MAX)),
            message_bytes_max: HL7_MESSAGE_BYTES_MAX,
            answers: AtomicU64::new(0),
        }
    }
}

pub async fn bind(addr: SocketAddr) -> Result<TcpAcceptor, Error> {
    TcpAcceptor::bind(addr)
        .await
        .map_err(|source| Error::Listen { addr, source })
}

/// Accepts until stopped; then every connection answers what it took, and ends.
pub async fn serve(mut acceptor: Box<dyn Acceptor>, mllp: Arc<Mllp>, stop: Stop) {
    let places = Arc::new(Semaphore::new(MLLP_CONNECTIONS_MAX));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.stopped() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::warn!(%peer, "refused: {MLLP_CONNECTIONS_MAX} HL7 senders are connected");
                    continue;
                };
                let (mllp, stop) = (Arc::clone(&mllp), stop.clone());
                tasks.spawn(async move {
                    one(stream, peer, &mllp, &stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: others have to end first.
                tracing::warn!(%error, "an HL7 sender could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(acceptor);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if timeout(Duration::from_millis(MLLP_SHUTDOWN_TIMEOUT_MS), ended)
        .await
        .is_err()
    {
        tracing::warn!(
            "HL7 connections did not end in time and are cut: what they were not told they send again"
        );
    }
}

async fn one(stream: Stream, peer: Peer, mllp: &Arc<Mllp>, stop: &Stop) {
    mllp.connections.fetch_add(1, Ordering::Relaxed);
    match connection::run(stream, &peer, mllp, stop).await {
        Ok(junk) if junk > 0 => {
            tracing::warn!(%peer, junk, "bytes outside of MLLP frames were skipped");
        }
        Ok(_) => {}
        Err(error) => tracing::info!(%peer, %error, "HL7 connection ended"),
    }
    mllp.connections.fetch_sub(1, Ordering::Relaxed);
}
