//! The MQTT client library as a lossy pipe: what goes in may be lost without a word, and nothing it remembers counts.
//!
//! Every connection gets a new client with a clean session. The library's loop runs in a task of its own, so that it
//! is never interrupted in the middle of a packet, and speaks through a bounded channel.

use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wardline_model::limits::{CONTROL_BYTES_MAX, FRAME_PACKET_BYTES_MAX};

use crate::limits::{
    UPLINK_CONNECT_TIMEOUT_MS, UPLINK_FAREWELL_MS, UPLINK_KEEP_ALIVE_S, UPLINK_QUEUE_PACKETS,
};

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub host: String,
    pub port: u16,
    pub credentials: Option<(String, String)>,
    pub client_id: String,
    pub will_topic: String,
    pub will: Vec<u8>,
    /// From the first byte to the granted subscription.
    pub timeout: Duration,
}

/// What ended a connection, or kept it from beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("the other side refused the subscription to {0}")]
    Subscription(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("connection lost: {0}")]
    Lost(String),
    #[error("the client's queue is full although the window is not")]
    Queue,
}

pub(super) struct Link {
    client: AsyncClient,
    events: mpsc::Receiver<Result<Packet, String>>,
    pump: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Link {
    /// Connected, and subscribed to `topics`: receipts cannot be missed from here on.
    pub(super) async fn open(peer: &Peer, topics: &[String]) -> Result<Self, LinkError> {
        let (client, event_loop) = AsyncClient::new(options(peer), UPLINK_QUEUE_PACKETS);
        let (sender, events) = mpsc::channel(UPLINK_QUEUE_PACKETS);
        let mut link = Self {
            client,
            events,
            pump: tokio::spawn(pump(event_loop, sender)),
        };
        let ready = link.greet(topics);
        timeout(peer.timeout, ready)
            .await
            .map_err(|_| LinkError::Timeout(peer.timeout))??;
        Ok(link)
    }

    async fn greet(&mut self, topics: &[String]) -> Result<(), LinkError> {
        let lost = |why: LinkError| LinkError::Connect(why.to_string());
        while !matches!(self.event().await.map_err(lost)?, Packet::ConnAck(_)) {}
        let filters = topics
            .iter()
            .map(|t| SubscribeFilter::new(t.clone(), QoS::AtLeastOnce));
        self.client
            .try_subscribe_many(filters)
            .map_err(|_| LinkError::Queue)?;
        loop {
            if let Packet::SubAck(ack) = self.event().await.map_err(lost)? {
                let refused =
                    |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Failure);
                // The first topic carries the receipts: without it nothing could ever be freed.
                return match ack.return_codes.first() {
                    Some(code) if !refused(code) => Ok(()),
                    _ => Err(LinkError::Subscription(
                        topics.first().cloned().unwrap_or_default(),
                    )),
                };
            }
        }
    }

    /// The next packet from the other side. Cancel-safe.
    pub(super) async fn event(&mut self) -> Result<Packet, LinkError> {
        match self.events.recv().await {
            Some(Ok(packet)) => Ok(packet),
            Some(Err(why)) => Err(LinkError::Lost(why)),
            None => Err(LinkError::Lost("the client ended".to_owned())),
        }
    }

    pub(super) fn publish(
        &self,
        topic: &str,
        payload: Vec<u8>,
        retain: bool,
    ) -> Result<(), LinkError> {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, retain, payload)
            .map_err(|_| LinkError::Queue)
    }

    /// Says goodbye, so that the will is not published. Waits only a little.
    pub(super) async fn close(mut self) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        let drained = async { while self.events.recv().await.is_some() {} };
        // Whether the goodbye arrived makes no difference to what is durable.
        timeout(Duration::from_millis(UPLINK_FAREWELL_MS), drained)
            .await
            .ok();
    }
}

fn options(peer: &Peer) -> MqttOptions {
    let mut options = MqttOptions::new(&peer.client_id, &peer.host, peer.port);
    options
        .set_clean_session(true)
        .set_keep_alive(Duration::from_secs(UPLINK_KEEP_ALIVE_S))
        .set_inflight(u16::try_from(UPLINK_QUEUE_PACKETS).unwrap_or(u16::MAX))
        .set_max_packet_size(CONTROL_BYTES_MAX + 4096, FRAME_PACKET_BYTES_MAX)
        .set_last_will(LastWill::new(
            &peer.will_topic,
            peer.will.clone(),
            QoS::AtLeastOnce,
            true,
        ));
    if let Some((user, password)) = &peer.credentials {
        options.set_credentials(user, password);
    }
    options
}

async fn pump(mut event_loop: EventLoop, sender: mpsc::Sender<Result<Packet, String>>) {
    let mut network = event_loop.network_options();
    network.set_connection_timeout(UPLINK_CONNECT_TIMEOUT_MS / 1000);
    network.set_tcp_nodelay(true);
    event_loop.set_network_options(network);
    loop {
        match event_loop.poll().await {
            Ok(Event::Incoming(packet)) => {
                if sender.send(Ok(packet)).await.is_err() {
                    return;
                }
            }
            Ok(Event::Outgoing(_)) => {}
            Err(error) => {
                // The session may be gone already; then nobody wants to know.
                sender.send(Err(error.to_string())).await.ok();
                return;
            }
        }
    }
}
