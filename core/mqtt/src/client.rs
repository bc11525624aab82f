//! The other side of the listener: a client of MQTT 3.1.1 that publishes with QoS 1 and hears what it subscribed to.
//!
//! It remembers nothing: what is not acknowledged when the stream ends is lost, and whoever publishes knows what that
//! was. So it is made anew for every connection, with a clean session, over whatever stream it is given. Bytes move only
//! while something is awaited. A peer that neither takes nor sends a byte and leaves a ping unanswered is given up.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::io::Io;
use crate::limits::{CLIENT_UNSENT_BYTES_MAX, PROTOCOL_PACKET_BYTES_MAX};
use crate::stream::Stream;
use crate::wire::{
    Ack, Frame, Inbound, Kind, OutgoingPublish, PublishFrame, granted, parse_publish, put_ack,
    put_connect, put_publish, put_subscribe, return_code,
};
use crate::{CloseReason, Qos};

/// As whom to connect.
#[derive(Debug, Clone)]
pub struct Login {
    /// The client identifier.
    pub client_id: String,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// How often a ping asks whether the other side is there; whole seconds.
    pub keep_alive: Duration,
    /// What is published when the connection ends without a goodbye.
    pub will: Option<Will>,
    /// Largest packet that is taken from the other side.
    pub packet_bytes_max: usize,
}

/// The last words of a client, with QoS 1.
#[derive(Debug, Clone)]
pub struct Will {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Kept for those who subscribe later.
    pub retain: bool,
}

/// What comes from the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// A message was acknowledged.
    Acked(u16),
    /// A message came; it is acknowledged already.
    Message {
        /// Where it was published.
        topic: String,
        /// Its bytes.
        payload: Bytes,
    },
}

/// What ended a connection, or kept it from beginning. All of it passes by connecting anew.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The stream ended.
    #[error("the stream ended: {0}")]
    Stream(#[from] io::Error),
    /// The CONNACK says no.
    #[error("the other side refused the login with code {0}")]
    Refused(u8),
    /// What came is not what a server of MQTT 3.1.1 says.
    #[error("the other side broke the protocol: {0}")]
    Protocol(&'static str),
    /// A ping was not answered in time.
    #[error("the other side is silent")]
    Silent,
    /// More is unsent than may be.
    #[error("more than {CLIENT_UNSENT_BYTES_MAX} bytes are unsent")]
    Unsent,
    /// Name, topic or message is longer than MQTT can say.
    #[error("a name, a topic or a message is too long for MQTT")]
    TooLong,
}

impl From<CloseReason> for ClientError {
    fn from(reason: CloseReason) -> Self {
        Self::Protocol(reason.as_str())
    }
}

/// A connection that was welcomed.
pub struct MqttClient {
    io: Io,
    ping: Interval,
    unanswered: bool,
    /// Bytes moved since the last look.
    moved: bool,
    last_id: u16,
}

impl MqttClient {
    /// Says who connects, and waits for the welcome. Whoever waits sets the limit.
    ///
    /// # Errors
    /// The other side refuses, or is not there.
    pub async fn login(stream: Stream, login: &Login) -> Result<Self, ClientError> {
        let inbound = Inbound::new(BytesMut::new(), login.packet_bytes_max, false);
        let keep_alive = login.keep_alive.max(Duration::from_secs(1));
        let mut ping = interval_at(Instant::now() + keep_alive, keep_alive);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut client = Self {
            io: Io::new(stream, inbound),
            ping,
            unanswered: false,
            moved: false,
            last_id: 0,
        };
        put_connect(&mut client.io.out, login).map_err(|_| ClientError::TooLong)?;
        let frame = client.frame().await?;
        match frame.kind {
            Kind::Connack => match return_code(&frame).map_err(CloseReason::from)? {
                0 => Ok(client),
                code => Err(ClientError::Refused(code)),
            },
            _ => Err(ClientError::Protocol(
                "something came in place of a CONNACK",
            )),
        }
    }

    /// Subscribes, and says whether it was granted. What comes before the answer is dropped.
    ///
    /// # Errors
    /// The connection is at its end.
    pub async fn subscribe(&mut self, topic: &str) -> Result<bool, ClientError> {
        let id = self.next_id();
        put_subscribe(&mut self.io.out, id, topic).map_err(|_| ClientError::TooLong)?;
        loop {
            let frame = self.frame().await?;
            if frame.kind == Kind::Suback {
                return Ok(granted(&frame).map_err(CloseReason::from)?);
            }
            self.take(&frame)?;
        }
    }

    /// Queues a message with QoS 1; it leaves while events are awaited.
    ///
    /// # Errors
    /// Too much is unsent, or the message is too long.
    pub fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        retain: bool,
    ) -> Result<u16, ClientError> {
        if self.io.out.len().saturating_add(payload.len()) > CLIENT_UNSENT_BYTES_MAX {
            return Err(ClientError::Unsent);
        }
        let id = self.next_id();
        let publish = OutgoingPublish {
            topic,
            payload,
            retain,
            packet_id: Some(id),
            v5: false,
        };
        if put_publish(&mut self.io.out, publish, PROTOCOL_PACKET_BYTES_MAX) {
            Ok(id)
        } else {
            Err(ClientError::TooLong)
        }
    }

    /// The next event. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// The connection is at its end.
    pub async fn event(&mut self) -> Result<ClientEvent, ClientError> {
        loop {
            let frame = self.frame().await?;
            if let Some(event) = self.take(&frame)? {
                return Ok(event);
            }
        }
    }

    /// Says goodbye, so that the will is not published. Waits no longer than `limit`.
    pub async fn close(mut self, limit: Duration) {
        self.io.out.extend_from_slice(&[0xe0, 0]);
        let goodbye = async {
            if self.io.send_all().await.is_ok() {
                self.io.linger().await;
            }
        };
        // Whether it arrived makes no difference to what is durable.
        timeout(limit, goodbye).await.ok();
    }

    /// Bytes that are read and not decoded, and bytes that are encoded and not sent.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn kept_bytes(&self) -> (usize, usize) {
        (self.io.inbound.len(), self.io.out.len())
    }

    fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    /// The next packet. May be dropped at any time without losing one.
    async fn frame(&mut self) -> Result<Frame, ClientError> {
        loop {
            // A peer that sends and takes nothing makes answers without end.
            if self.io.out.len() > CLIENT_UNSENT_BYTES_MAX {
                return Err(ClientError::Unsent);
            }
            if let Some(frame) = self.io.inbound.next_frame()? {
                return Ok(frame);
            }
            tokio::select! {
                biased;
                received = self.io.moved(true) => {
                    let received = received?;
                    // A ping that left is no sign of life; a message that is still leaving is one.
                    self.moved |= received > 0 || !self.io.is_sent();
                }
                _ = self.ping.tick() => self.look()?,
            }
        }
    }

    /// Asks whether the other side is there, if it was not asked already.
    fn look(&mut self) -> Result<(), ClientError> {
        let moved = std::mem::take(&mut self.moved);
        if self.unanswered {
            // With much on its way over a slow link, the question waits behind it.
            return if moved {
                Ok(())
            } else {
                Err(ClientError::Silent)
            };
        }
        self.io.out.extend_from_slice(&[0xc0, 0]);
        self.unanswered = true;
        Ok(())
    }

    fn take(&mut self, frame: &Frame) -> Result<Option<ClientEvent>, ClientError> {
        match frame.kind {
            Kind::Puback => match frame.body() {
                [high, low] => Ok(Some(ClientEvent::Acked(u16::from_be_bytes([*high, *low])))),
                _ => Err(ClientError::Protocol("a PUBACK of another length")),
            },
            Kind::Publish => self.message(frame).map(Some),
            Kind::Pingresp => {
                self.unanswered = false;
                Ok(None)
            }
            _ => Err(ClientError::Protocol(
                "a packet that a server does not send now",
            )),
        }
    }

    fn message(&mut self, frame: &Frame) -> Result<ClientEvent, ClientError> {
        let publish = parse_publish(frame, false)?;
        match (publish.qos, publish.packet_id) {
            (Qos::AtLeastOnce, Some(id)) => put_ack(&mut self.io.out, Ack::Puback, id, 0),
            (Qos::ExactlyOnce, _) => {
                return Err(ClientError::Protocol("more than QoS 1 was granted"));
            }
            (Qos::AtMostOnce | Qos::AtLeastOnce, _) => {}
        }
        let topic = std::str::from_utf8(publish.topic);
        let topic = topic.map_err(|_| ClientError::Protocol("a topic that is not UTF-8"))?;
        Ok(ClientEvent::Message {
            topic: topic.to_owned(),
            payload: PublishFrame::payload_of(publish.payload_start(), frame.bytes.clone()),
        })
    }
}
