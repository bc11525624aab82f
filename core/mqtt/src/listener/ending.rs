//! How a connection ends.
//!
//! In this order: outstanding acknowledgements (only when the listener stops), the last packet, the socket; everything
//! that was handed over is settled, the will is published, the handler is told, and only then is the client's seat free.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::{Connection, Tally};
use super::flow::{Handed, Outcome};
use crate::limits::{FAREWELL_TIMEOUT_MS, LINGER_BYTES_MAX, LINGER_MS};
use crate::stats::add;
use crate::wire::put_disconnect;
use crate::{CloseReason, Protocol, Publish, Refusal, Verdict};

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
        if abandoned {
            // The handler had its time; what it did not settle was never acknowledged.
            self.farewell(reason).await;
        } else {
            self.farewell_and_drain(reason).await;
            self.publish_will(reason).await;
        }
        self.shared
            .handler
            .disconnected(&self.client, reason.is_graceful());
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

    /// The last packet and the end of the socket, while the handler settles the rest.
    async fn farewell_and_drain(&mut self, reason: CloseReason) {
        let Self {
            stream,
            out,
            flow,
            shared,
            ..
        } = self;
        let drain = async {
            let mut tally = Tally::default();
            while !flow.is_empty() {
                for (handed, outcome) in flow.settled().await {
                    count(&mut tally, handed, outcome);
                }
            }
            tally.add_to(&shared.counters);
        };
        tokio::join!(say_goodbye(stream, out, reason), drain);
    }

    async fn farewell(&mut self, reason: CloseReason) {
        say_goodbye(&mut self.stream, &self.out, reason).await;
    }

    async fn publish_will(&mut self, reason: CloseReason) {
        let Some(will) = self.will.take() else { return };
        if !reason.publishes_will() {
            return;
        }
        let message = Publish {
            topic: Arc::from(will.topic),
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            dup: false,
            packet_id: None,
            will: true,
        };
        add(&self.shared.counters.wills, 1);
        let verdicts = self
            .shared
            .handler
            .publish(&self.client, vec![message])
            .await;
        let mut tally = Tally::default();
        tally.count(
            None,
            verdicts
                .first()
                .copied()
                .unwrap_or(Verdict::Refused(Refusal::Unavailable)),
        );
        tally.add_to(&self.shared.counters);
    }
}

fn count(tally: &mut Tally, handed: Handed, outcome: Outcome) {
    let (Handed::Publishes(slots), Outcome::Verdicts(verdicts)) = (handed, outcome) else {
        return;
    };
    let mut verdicts = verdicts.into_iter();
    for slot in slots {
        let missing = Verdict::Refused(Refusal::Unavailable);
        tally.count(
            slot.local,
            slot.local
                .unwrap_or_else(|| verdicts.next().unwrap_or(missing)),
        );
    }
}

async fn say_goodbye(stream: &mut TcpStream, out: &[u8], reason: CloseReason) {
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
        linger(stream).await;
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
