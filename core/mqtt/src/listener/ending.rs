//! How a connection ends.
//!
//! In this order: outstanding acknowledgements (only when the listener stops), the last packet, the socket; everything
//! that was handed over is settled, the will is published, the handler is told, and only then is the client's seat free.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::connection::Connection;
use super::flow::Flow;
use super::settled::{MISSING, Tally};
use crate::limits::{FAREWELL_TIMEOUT_MS, LINGER_BYTES_MAX, LINGER_MS};
use crate::stats::{Counters, add};
use crate::wire::{Will, put_disconnect};
use crate::{Client, CloseReason, Protocol, Publish};

impl Connection {
    pub(super) async fn end(mut self, reason: CloseReason) {
        for topic in &self.subscriptions {
            self.shared.hub.unsubscribe(topic, &self.outbox);
        }
        let mut abandoned = false;
        if reason == CloseReason::ShuttingDown {
            let limit = self.shared.limits.shutdown_timeout;
            abandoned = timeout(limit, self.answer_outstanding()).await.is_err();
        }
        self.shared.counters.closed(reason);
        tracing::debug!(client = %self.client.id, addr = %self.client.addr, reason = reason.as_str(), "mqtt: closed");
        if self.client.protocol == Protocol::V5
            && let Some(code) = reason.disconnect_code()
        {
            put_disconnect(&mut self.out, code);
        }
        // The seat stays taken until the end of this function.
        let Self {
            stream,
            out,
            mut flow,
            shared,
            client,
            will,
            seated: _seated,
            ..
        } = self;
        let goodbye = say_goodbye(stream, &out, reason);
        if abandoned {
            // The handler had its time; what it did not settle was never acknowledged.
            goodbye.await;
        } else {
            tokio::join!(goodbye, drain(&mut flow, &shared.counters));
            if let Some(will) = will.filter(|_| reason.publishes_will()) {
                publish_will(&shared, &client, will).await;
            }
        }
        shared.handler.disconnected(&client, reason.is_graceful());
    }

    /// Sends what is settled until nothing is outstanding.
    async fn answer_outstanding(&mut self) {
        while !self.flow.is_empty() || !self.out.is_empty() {
            if self.flush().is_err() {
                return;
            }
            tokio::select! {
                settled = self.flow.settled(), if !self.flow.is_empty() => {
                    if self.settle(settled).is_err() {
                        return;
                    }
                }
                _ = self.stream.writable(), if !self.out.is_empty() => {}
                else => {}
            }
        }
    }
}

/// Lets the handler settle the rest; nobody is there any more to be told.
async fn drain(flow: &mut Flow, counters: &Counters) {
    let mut tally = Tally::default();
    while !flow.is_empty() {
        for (handed, outcome) in flow.settled().await {
            tally.count_all(&handed, &outcome);
        }
    }
    tally.add_to(counters);
}

async fn publish_will(shared: &Shared, client: &Client, will: Will) {
    let message = Publish {
        topic: Arc::from(will.topic),
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
        dup: false,
        packet_id: None,
        will: true,
    };
    add(&shared.counters.wills, 1);
    let verdicts = shared.handler.publish(client, vec![message]).await;
    let mut tally = Tally::default();
    tally.count(None, verdicts.first().copied().unwrap_or(MISSING));
    tally.add_to(&shared.counters);
}

/// The last packet. The socket is closed when this returns, however long the handler takes for the rest.
async fn say_goodbye(mut stream: TcpStream, out: &[u8], reason: CloseReason) {
    match reason {
        // There is nobody to talk to.
        CloseReason::ConnectionLost | CloseReason::WriteTimeout => return,
        // Whoever waits for the seat does not wait for the old socket.
        CloseReason::TakenOver => {
            if let Err(error) = stream.try_write(out) {
                tracing::trace!(%error, "mqtt: the old connection takes no goodbye");
            }
            return;
        }
        _ => {}
    }
    let farewell = timeout(
        Duration::from_millis(FAREWELL_TIMEOUT_MS),
        stream.write_all(out),
    );
    if matches!(farewell.await, Ok(Ok(()))) && !reason.is_graceful() {
        linger(&mut stream).await;
    }
}

/// Ends our side and throws away what still comes, for a moment: closing over unread input would reset the
/// connection, and the peer might lose our last packet.
pub(super) async fn linger(stream: &mut TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drained = timeout(Duration::from_millis(LINGER_MS), async {
        let mut scrap = [0u8; 4096];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(n) = stream.read(&mut scrap).await {
            left = left.saturating_sub(n);
            if n == 0 || left == 0 {
                return;
            }
        }
    });
    if drained.await.is_err() {
        tracing::trace!("mqtt: the peer did not close");
    }
}
