//! How a connection ends.
//!
//! In this order: outstanding acknowledgements (only when the listener stops), the last packet, the stream; everything
//! that was handed over is settled, the will is published, the handler is told, and only then is the client's session free.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Shared;
use super::connection::Connection;
use super::flow::Flow;
use super::serving::Serving;
use super::settled::{MISSING, Tally};
use crate::io::Io;
use crate::limits::FAREWELL_TIMEOUT_MS;
use crate::stats::{Counters, add};
use crate::wire::{Will, put_disconnect};
use crate::{Client, CloseReason, Protocol, Publish};

impl Connection {
    pub(super) async fn end(mut self, reason: CloseReason) {
        self.serving.subscriber.leave();
        let mut abandoned = false;
        if reason == CloseReason::ShuttingDown {
            let limit = self.shared.limits.shutdown_timeout;
            abandoned = timeout(limit, self.answer_outstanding()).await.is_err();
        }
        self.shared.counters.closed(reason);
        let Self {
            mut io,
            serving,
            shared,
            will,
            // Taken until the end of this function.
            session: _session,
            timing: _,
        } = self;
        let Serving {
            client, mut flow, ..
        } = serving;
        tracing::debug!(client = %client.id, peer = %client.peer, reason = reason.as_str(), "mqtt: closed");
        if client.protocol == Protocol::V5
            && let Some(code) = reason.disconnect_code()
        {
            put_disconnect(&mut io.out, code);
        }
        let goodbye = say_goodbye(io, reason);
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
        let (serving, io) = (&mut self.serving, &mut self.io);
        while !serving.flow.is_empty() || !io.is_sent() {
            let done = tokio::select! {
                settled = serving.flow.settled(), if !serving.flow.is_empty() => Some(settled),
                sent = io.send_all(), if !io.is_sent() => match sent {
                    Ok(()) => None,
                    Err(_) => return,
                },
            };
            if let Some(settled) = done
                && serving.settle(settled, &mut io.out).is_err()
            {
                return;
            }
        }
    }
}

/// Lets the handler settle the rest; nobody is there any more to be told.
async fn drain(flow: &mut Flow, counters: &Counters) {
    let mut tally = Tally::default();
    while !flow.is_empty() {
        for settled in flow.settled().await {
            tally.count_all(&settled);
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
    let settlements = shared.handler.publish(client, vec![message]).await;
    let mut tally = Tally::default();
    tally.count(None, settlements.first().copied().unwrap_or(MISSING));
    tally.add_to(&shared.counters);
}

/// The last packet. The stream is closed when this returns, however long the handler takes for the rest.
async fn say_goodbye(mut io: Io, reason: CloseReason) {
    match reason {
        // There is nobody to talk to.
        CloseReason::ConnectionLost | CloseReason::WriteTimeout => {}
        // Whoever waits for the session does not wait for the old stream.
        CloseReason::TakenOver => {
            if let Err(error) = io.write_now().await {
                tracing::trace!(%error, "mqtt: the old connection takes no goodbye");
            }
        }
        _ => farewell(io, !reason.is_graceful()).await,
    }
}

/// Lets the last packet leave, within its time.
pub(super) async fn farewell(mut io: Io, wait_for_peer: bool) {
    let sent = timeout(Duration::from_millis(FAREWELL_TIMEOUT_MS), io.send_all());
    if matches!(sent.await, Ok(Ok(()))) && wait_for_peer {
        io.linger().await;
    }
}
