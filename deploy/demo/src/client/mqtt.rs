//! MQTT 3.1.1 with QoS 1: what was handed over, and what the other side acknowledged.
//!
//! The library below gives out packet ids on its own and forgets what was not acked when a session
//! ends, so nothing here trusts its memory: each publish gets a token, tokens and packet ids are
//! matched as packets leave, and after an error the client is dropped and a new one connected.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use tokio::time::timeout;

use crate::{
    error::{Error, Result},
    limits::{ACK_TIMEOUT_MS, CONNECT_TIMEOUT_MS, KEEP_ALIVE_S, PACKET_BYTES_MAX, WINDOW_MESSAGES},
};

/// Names one publish of one client.
pub type Token = u64;

#[derive(Debug, Clone)]
pub struct MqttClientOptions {
    pub connect_timeout: Duration,
    pub ack_timeout: Duration,
    /// Publishes that may wait for their PUBACK at one time.
    pub window: u16,
    pub clean_session: bool,
    pub credentials: Option<(String, String)>,
}

impl Default for MqttClientOptions {
    fn default() -> Self {
        MqttClientOptions {
            connect_timeout: Duration::from_millis(CONNECT_TIMEOUT_MS),
            ack_timeout: Duration::from_millis(ACK_TIMEOUT_MS),
            window: u16::try_from(WINDOW_MESSAGES).unwrap_or(u16::MAX),
            clean_session: true,
            credentials: None,
        }
    }
}

/// A publisher that remembers which of its publishes were acknowledged.
pub struct MqttClient {
    address: SocketAddr,
    options: MqttClientOptions,
    client: AsyncClient,
    events: EventLoop,
    /// Handed over, no packet id seen yet; in the order in which they leave.
    leaving: VecDeque<Token>,
    flying: BTreeMap<u16, Token>,
    acked: BTreeSet<Token>,
    next: Token,
}

impl MqttClient {
    pub async fn connect(address: SocketAddr, client_id: &str) -> Result<MqttClient> {
        Self::connect_with(address, client_id, MqttClientOptions::default()).await
    }

    pub async fn connect_with(
        address: SocketAddr,
        client_id: &str,
        options: MqttClientOptions,
    ) -> Result<MqttClient> {
        let mut mqtt = MqttOptions::new(client_id, address.ip().to_string(), address.port());
        mqtt.set_keep_alive(Duration::from_secs(KEEP_ALIVE_S));
        mqtt.set_clean_session(options.clean_session);
        mqtt.set_inflight(options.window.max(1));
        mqtt.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        if let Some((user, password)) = &options.credentials {
            mqtt.set_credentials(user, password);
        }
        let (client, events) = AsyncClient::new(mqtt, usize::from(options.window.max(1)));
        let (leaving, flying, acked) = (VecDeque::new(), BTreeMap::new(), BTreeSet::new());
        let mut this = MqttClient {
            address,
            options,
            client,
            events,
            leaving,
            flying,
            acked,
            next: 0,
        };
        this.await_connack().await?;
        Ok(this)
    }

    /// Hands one publish over; it leaves when [`MqttClient::next_ack`] is awaited. Refused when the window is full.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) -> Result<Token> {
        let bytes = topic.len() + payload.len();
        // Headroom for the fixed header and the packet id.
        let limit = PACKET_BYTES_MAX - 16;
        if bytes > limit {
            return Err(Error::TooLarge { bytes, limit });
        }
        let waiting = self.unacked();
        if waiting >= usize::from(self.options.window.max(1)) {
            return Err(Error::WindowFull { waiting });
        }
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .map_err(|_| Error::WindowFull { waiting })?;
        self.next += 1;
        self.leaving.push_back(self.next);
        Ok(self.next)
    }

    /// Publishes and waits for the acknowledgement of this publish.
    pub async fn publish_acked(&mut self, topic: &str, payload: &[u8]) -> Result<Token> {
        let token = self.publish(topic, payload)?;
        while self.next_ack().await? != token {}
        Ok(token)
    }

    /// The next acknowledged publish. With nothing unacked it keeps the connection alive and does not end.
    pub async fn next_ack(&mut self) -> Result<Token> {
        loop {
            let idle = self.unacked() == 0;
            let event = if idle {
                self.events.poll().await
            } else {
                let waited = self.options.ack_timeout;
                timeout(waited, self.events.poll())
                    .await
                    .map_err(|_| self.timed_out(waited))?
            };
            if let Some(token) = self.take_event(event)? {
                return Ok(token);
            }
        }
    }

    /// Waits until nothing is unacked.
    pub async fn drain(&mut self) -> Result<()> {
        while self.unacked() > 0 {
            self.next_ack().await?;
        }
        Ok(())
    }

    pub fn unacked(&self) -> usize {
        self.leaving.len() + self.flying.len()
    }

    pub fn acked(&self) -> &BTreeSet<Token> {
        &self.acked
    }

    /// The acked tokens, and forgets them.
    pub fn take_acked(&mut self) -> BTreeSet<Token> {
        std::mem::take(&mut self.acked)
    }

    /// Says goodbye, so that the other side does not publish a will.
    pub async fn disconnect(mut self) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        let goodbye = async {
            while let Ok(event) = self.events.poll().await {
                if event == Event::Outgoing(Outgoing::Disconnect) {
                    break;
                }
            }
        };
        // Whoever does not read the goodbye in time sees the connection close.
        timeout(self.options.connect_timeout, goodbye).await.ok();
    }

    async fn await_connack(&mut self) -> Result<()> {
        let waited = self.options.connect_timeout;
        let event = timeout(waited, self.events.poll())
            .await
            .map_err(|_| self.timed_out(waited))?;
        self.take_event(event).map(|_| ())
    }

    fn take_event(
        &mut self,
        event: std::result::Result<Event, ConnectionError>,
    ) -> Result<Option<Token>> {
        match event {
            Ok(Event::Outgoing(Outgoing::Publish(id))) => {
                if let Some(token) = self.leaving.pop_front() {
                    self.flying.insert(id, token);
                }
                Ok(None)
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                let token = self.flying.remove(&ack.pkid);
                self.acked.extend(token);
                Ok(token)
            }
            Ok(_) => Ok(None),
            Err(source) => Err(Error::Mqtt {
                address: self.address,
                source: Box::new(source),
            }),
        }
    }

    fn timed_out(&self, waited: Duration) -> Error {
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Error::Timeout {
            address: self.address,
            waited_ms,
        }
    }
}
