//! An agent on a real socket: connects, subscribes to its receipts, publishes what it is told, and remembers what
//! came back. A new client for every connection, as an agent does it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, QoS};
use tokio::task::JoinHandle;
use wardline_model::limits::FRAME_PACKET_BYTES_MAX;
use wardline_model::{Incarnation, RangeSet, Receipt};

use super::until_now;

#[derive(Debug, Default)]
pub struct Seen {
    pub subscribed: bool,
    pub pubacks: usize,
    pub receipts: Vec<Receipt>,
    pub ended: Option<String>,
}

pub struct AgentClient {
    pub client: AsyncClient,
    pub seen: Arc<Mutex<Seen>>,
    name: String,
    task: JoinHandle<()>,
}

pub struct Options {
    pub id: String,
    pub will: Option<Vec<u8>>,
}

impl AgentClient {
    pub async fn connect(port: u16, name: &str) -> Self {
        let client = Self::open(
            port,
            name,
            Options {
                id: format!("st-mary.{name}"),
                will: None,
            },
        );
        client.ready().await;
        client
    }

    pub fn open(port: u16, name: &str, with: Options) -> Self {
        let mut options = MqttOptions::new(with.id, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        options.set_clean_session(true);
        options.set_max_packet_size(FRAME_PACKET_BYTES_MAX, FRAME_PACKET_BYTES_MAX);
        options.set_inflight(100);
        if let Some(will) = with.will {
            let topic = format!("wardline/v1/st-mary/{name}/status");
            options.set_last_will(LastWill::new(topic, will, QoS::AtLeastOnce, true));
        }
        let (client, mut events) = AsyncClient::new(options, 4096);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (notes, subscriber) = (Arc::clone(&seen), client.clone());
        let filter = format!("wardline/v1/st-mary/{name}/receipt");
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber
                            .try_subscribe(filter.clone(), QoS::AtLeastOnce)
                            .unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        notes.lock().unwrap().subscribed = true;
                    }
                    Ok(Event::Incoming(Packet::PubAck(_))) => notes.lock().unwrap().pubacks += 1,
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let receipt = Receipt::decode(&publish.payload).unwrap();
                        notes.lock().unwrap().receipts.push(receipt);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        notes.lock().unwrap().ended = Some(error.to_string());
                        return;
                    }
                }
            }
        });
        Self {
            client,
            seen,
            name: name.to_owned(),
            task,
        }
    }

    pub async fn ready(&self) {
        until_now("the subscription", || {
            self.seen.lock().unwrap().subscribed.then_some(())
        })
        .await;
    }

    pub async fn publish(&self, what: &str, payload: Bytes) {
        let topic = format!("wardline/v1/st-mary/{}/{what}", self.name);
        let sent = self
            .client
            .publish_bytes(topic, QoS::AtLeastOnce, false, payload)
            .await;
        // The connection may have ended since the caller looked.
        assert!(sent.is_ok() || self.has_ended(), "{sent:?}");
    }

    pub fn covered(&self, life: Incarnation) -> RangeSet {
        let seen = self.seen.lock().unwrap();
        let newest = seen.receipts.iter().rev().find(|r| r.incarnation == life);
        newest.map(Receipt::covered).unwrap_or_default()
    }

    pub async fn receipted_up_to(&self, life: Incarnation, n: u64) {
        until_now("the receipt", || {
            (self.covered(life).up_to() >= n).then_some(())
        })
        .await;
    }

    pub fn pubacks(&self) -> usize {
        self.seen.lock().unwrap().pubacks
    }

    pub fn has_ended(&self) -> bool {
        self.seen.lock().unwrap().ended.is_some()
    }

    pub async fn until_ended(&self) {
        until_now("the end of the connection", || {
            self.has_ended().then_some(())
        })
        .await;
    }

    /// As a cut cable does it.
    pub async fn cut(self) {
        self.task.abort();
        self.task.await.ok();
    }
}
