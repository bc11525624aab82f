//! The way through an MQTT broker that the site already has, instead of the bridge's own listener.
//!
//! Kept true (docs/specs/ingest.md I26 to I30): a publish is acknowledged to the broker only after the log has it,
//! in order; a broker's acknowledgement frees nothing at the agent, only a receipt does, so the broker may lose
//! everything it holds at any time. The client library is a pipe: a new client at every connection, nothing in it
//! is trusted. What waits is bounded in messages and bytes; at the bound nothing more is read.

mod options;
mod receipts;

use std::sync::Arc;

use rumqttc::{
    AsyncClient, Event, EventLoop, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};
use wardline_model::topic::{self, Upstream as Topic};
use wardline_model::{AgentName, SiteName};
use wardline_service::{Backoff, MqttUrl, Stop};

use crate::ingest::decide::{Group, Incoming};
use crate::ingest::queue::{Answers, Job};
use crate::limits::{
    TOTAL_PENDING_BYTES_MAX, UPSTREAM_PENDING_MESSAGES_MAX, UPSTREAM_QUEUE_MESSAGES_MAX,
    UPSTREAM_RETRY_MAX_MS, UPSTREAM_RETRY_MIN_MS, UPSTREAM_UNACKED_MAX,
};
use crate::status::{StatusCollector, StatusOrigin};

pub use receipts::Receipts;

/// Permits stand for pieces of a message, so that both bytes and messages fit one semaphore.
const ROOM_PIECE_BYTES: usize = TOTAL_PENDING_BYTES_MAX / UPSTREAM_PENDING_MESSAGES_MAX;

pub struct Upstream {
    pub site: SiteName,
    pub broker: MqttUrl,
    pub queue: mpsc::Sender<Job>,
    pub collector: Arc<StatusCollector>,
    pub receipts: Arc<Receipts>,
}

/// A publish that is acknowledged once the task has settled it; at once when there is nothing to wait for.
struct Unacked {
    publish: Publish,
    settled: Option<oneshot::Receiver<Answers>>,
}

/// Why a connection to the broker ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Connection(#[from] Box<rumqttc::ConnectionError>),
    #[error(transparent)]
    Client(#[from] rumqttc::ClientError),
    #[error("the broker does not let the bridge subscribe; allow it wardline/v1/{{site}}/#")]
    Denied,
    #[error("the broker has more messages on their way than the protocol allows")]
    TooMany,
    #[error("ingest has ended")]
    Closed,
}

impl Upstream {
    /// Connects and connects again until `stop`.
    pub async fn run(self, stop: Stop) {
        let room = Arc::new(Semaphore::new(UPSTREAM_PENDING_MESSAGES_MAX));
        let mut backoff = Backoff::of_ms(UPSTREAM_RETRY_MIN_MS, UPSTREAM_RETRY_MAX_MS);
        loop {
            let mut connected = false;
            let ended = tokio::select! {
                ended = self.session(&room, &mut connected) => ended,
                () = stop.stopped() => return,
            };
            if connected {
                backoff.progress();
            }
            warn!(broker = %self.broker, reason = %ended, "no connection to the broker; tried again");
            self.collector
                .problem(format!("no connection to the broker {}", self.broker));
            if backoff.wait(&stop).await.is_err() {
                return;
            }
        }
    }

    async fn session(&self, room: &Arc<Semaphore>, connected: &mut bool) -> Ended {
        let options = options::options(&self.broker, &self.site);
        let (client, events) = AsyncClient::new(options, UPSTREAM_QUEUE_MESSAGES_MAX);
        let (unacked, waiting) = mpsc::channel(UPSTREAM_UNACKED_MAX);
        // Both end with the session: dropping the set aborts them.
        let mut writers = JoinSet::new();
        writers.spawn(acknowledge(client.clone(), waiting));
        writers.spawn(Arc::clone(&self.receipts).send_to(client.clone()));
        match self.read(events, &client, room, &unacked, connected).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn read(
        &self,
        mut events: EventLoop,
        client: &AsyncClient,
        room: &Arc<Semaphore>,
        unacked: &mpsc::Sender<Unacked>,
        connected: &mut bool,
    ) -> Result<std::convert::Infallible, Ended> {
        loop {
            match events.poll().await.map_err(Box::new)? {
                Event::Incoming(Packet::ConnAck(_)) => client.try_subscribe_many(self.filters())?,
                Event::Incoming(Packet::SubAck(ack)) => {
                    if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                        return Err(Ended::Denied);
                    }
                    *connected = true;
                    info!(broker = %self.broker, "reading agents' frames from the broker");
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    let settled = self.take(&publish, room).await?;
                    let message = Unacked { publish, settled };
                    unacked.try_send(message).map_err(|_| Ended::TooMany)?;
                }
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
    }

    fn filters(&self) -> Vec<SubscribeFilter> {
        let filter = |what: &str| {
            let path = format!("{}/{what}", topic_root(&self.site));
            SubscribeFilter::new(path, QoS::AtLeastOnce)
        };
        vec![filter("+/up/+"), filter("+/status")]
    }

    /// Hands a message over; waits while there is no room.
    async fn take(
        &self,
        publish: &Publish,
        room: &Arc<Semaphore>,
    ) -> Result<Option<oneshot::Receiver<Answers>>, Ended> {
        match topic::parse_upstream(&self.site, &publish.topic) {
            Some(Topic::Frame { agent, .. }) => self.enqueue(agent, publish, room).await.map(Some),
            Some(Topic::Status { agent }) => {
                let origin = if publish.retain {
                    StatusOrigin::Retained
                } else {
                    StatusOrigin::Said
                };
                self.collector.agent_said(&agent, &publish.payload, origin);
                Ok(None)
            }
            None => {
                self.collector
                    .problem("the broker delivers topics that are no agent's".to_owned());
                Ok(None)
            }
        }
    }

    async fn enqueue(
        &self,
        agent: AgentName,
        publish: &Publish,
        room: &Arc<Semaphore>,
    ) -> Result<oneshot::Receiver<Answers>, Ended> {
        let pieces = publish.payload.len() / ROOM_PIECE_BYTES + 1;
        let pieces = u32::try_from(pieces.min(UPSTREAM_PENDING_MESSAGES_MAX)).unwrap_or(u32::MAX);
        let permit = Arc::clone(room)
            .acquire_many_owned(pieces)
            .await
            .map_err(|_| Ended::Closed)?;
        let (reply, settled) = oneshot::channel();
        let frame = Incoming {
            agent,
            bytes: publish.payload.clone(),
        };
        let job = Job {
            group: Group {
                connection: 0,
                frames: vec![frame],
            },
            connection: None,
            reply,
            room: Some(permit),
        };
        self.queue.send(job).await.map_err(|_| Ended::Closed)?;
        Ok(settled)
    }
}

/// Acknowledges to the broker in the order of delivery. A refused frame is acknowledged as well: the broker's
/// copy would block those behind it, and the agent keeps its own until a receipt comes.
async fn acknowledge(client: AsyncClient, mut waiting: mpsc::Receiver<Unacked>) {
    while let Some(message) = waiting.recv().await {
        if let Some(settled) = message.settled
            && settled.await.is_err()
        {
            return;
        }
        if client.ack(&message.publish).await.is_err() {
            return;
        }
    }
}

fn topic_root(site: &SiteName) -> String {
    format!("wardline/v1/{site}")
}
