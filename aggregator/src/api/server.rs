//! The listener: bounded connections, bounded request heads, an end for clients that send nothing, and a stop that lets
//! answers finish for a while.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wardline_service::Stop;

use super::{Api, router};
use crate::error::AggregatorError;
use crate::limits::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT_MS, SHUTDOWN_TIMEOUT_MS};

/// Serves until told to stop.
pub(crate) async fn serve(listener: TcpListener, api: Arc<Api>) -> Result<(), AggregatorError> {
    let app = router(Arc::clone(&api));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let stop = api.stop.clone();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, or a client that left already: neither is a reason to end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                ended?;
                continue;
            }
            () = stop.stopped() => break,
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            api.shared
                .api
                .refused_connections
                .fetch_add(1, Ordering::Relaxed);
            drop(stream);
            continue;
        };
        let (app, api) = (app.clone(), Arc::clone(&api));
        connections.spawn(async move {
            api.shared.api.connections.fetch_add(1, Ordering::Relaxed);
            connection(stream, app, &api.stop).await;
            api.shared.api.connections.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(SHUTDOWN_TIMEOUT_MS), all_ended)
        .await
        .is_err()
    {
        connections.shutdown().await;
    }
    Ok(())
}

async fn connection(stream: TcpStream, app: axum::Router, stop: &Stop) {
    // Small answers must not wait for company; if it cannot be set they only come later.
    stream.set_nodelay(true).ok();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_TIMEOUT_MS))
        .max_buf_size(HEAD_BYTES_MAX);
    let mut serving = std::pin::pin!(
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
    );
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = stop.stopped() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}
