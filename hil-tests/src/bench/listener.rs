//! The MQTT listener with a handler that takes everything at once and keeps nothing: what is left of the agent without its
//! store. It runs as a process of its own, as the agent does.

use std::sync::Arc;

use anyhow::Context as _;
use wardline_mqtt::{
    BoxFuture, Client, ConnectRefusal, Handler, Limits, Listener, ListenerConfig, Publish, Session,
    Settlement,
};

struct TakesAll;

impl Handler for TakesAll {
    fn connect(&self, _client: &Client) -> BoxFuture<'static, Result<Session, ConnectRefusal>> {
        Box::pin(std::future::ready(Ok(Session::default())))
    }

    fn publish(
        &self,
        _client: &Client,
        batch: Vec<Publish>,
    ) -> BoxFuture<'static, Vec<Settlement>> {
        Box::pin(std::future::ready(vec![Settlement::Accepted; batch.len()]))
    }

    fn release(&self, _client: &Client, _packet_ids: Vec<u16>) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(true))
    }

    fn subscribe(&self, _client: &Client, _filter: &str) -> bool {
        false
    }
}

/// Listens until its standard input ends.
pub async fn listen() -> anyhow::Result<()> {
    let config = ListenerConfig {
        listen: "127.0.0.1:0".parse()?,
        limits: Limits::default(),
    };
    let listener = Listener::bind(config, Arc::new(TakesAll)).await?;
    println!("{}", listener.local_addr().context("it listens on TCP")?);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await??;
    listener.shutdown().await;
    Ok(())
}
