//! Between the MQTT listener and the ingest task: checks who speaks, hands frames over, and answers only when the
//! task did. A PUBACK to an agent therefore means that its frame is durable in the site's log.
//!
//! Frames are put into the queue at the call, not in the future, so that their order is that of the wire.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::ready;
use tokio::sync::{mpsc, oneshot};
use wardline_model::topic::Upstream;
use wardline_model::{AgentName, SiteName};
use wardline_mqtt::{
    BoxFuture, Client, ConnectRefusal, Handler, Publish, Refusal, Session, Settlement,
};

use crate::ingest::access;
use crate::ingest::decide::{Group, Incoming, Refused};
use crate::ingest::queue::{AgentConnection, Job};
use crate::status::{StatusCollector, StatusOrigin};

pub struct IngestHandler {
    site: SiteName,
    queue: mpsc::Sender<Job>,
    collector: Arc<StatusCollector>,
    connections: Mutex<HashMap<Arc<str>, Arc<AgentConnection>>>,
    next_connection: AtomicU64,
}

/// What stands at one place of a batch.
enum Slot {
    Settled(Settlement),
    Frame,
}

impl IngestHandler {
    pub fn new(
        site: SiteName,
        queue: mpsc::Sender<Job>,
        collector: Arc<StatusCollector>,
    ) -> Arc<Self> {
        Arc::new(Self {
            site,
            queue,
            collector,
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
        })
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<AgentConnection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sorts a batch: frames go to the task, a status to the collector, the rest is refused.
    fn sort(&self, agent: &AgentName, batch: Vec<Publish>) -> (Vec<Slot>, Vec<Incoming>) {
        let mut frames = Vec::with_capacity(batch.len());
        let slot = |publish: Publish| match access::may_publish(&self.site, agent, &publish.topic) {
            Some(Upstream::Frame { .. }) => {
                frames.push(Incoming {
                    agent: agent.clone(),
                    bytes: publish.payload,
                });
                Slot::Frame
            }
            Some(Upstream::Status { .. }) => {
                let origin = if publish.will {
                    StatusOrigin::Will
                } else {
                    StatusOrigin::Said
                };
                self.collector.agent_said(agent, &publish.payload, origin);
                Slot::Settled(Settlement::Accepted)
            }
            None => {
                self.collector.problem(format!("{agent}: publishes where it may not; only its own up and status topics are open to it"));
                Slot::Settled(Settlement::Refused(Refusal::NotAuthorized))
            }
        };
        let slots = batch.into_iter().map(slot).collect();
        (slots, frames)
    }
}

impl Handler for IngestHandler {
    fn connect(&self, client: &Client) -> BoxFuture<'static, Result<Session, ConnectRefusal>> {
        if access::agent_of(&self.site, &client.id).is_none() {
            self.collector.problem(format!(
                "a client connects that is no agent of site {}; its client id has to be {}.AGENT",
                self.site, self.site
            ));
            return Box::pin(ready(Err(ConnectRefusal::ClientIdInvalid)));
        }
        let connection = AgentConnection::new(self.next_connection.fetch_add(1, Ordering::Relaxed));
        self.connections()
            .insert(Arc::clone(&client.id), connection);
        Box::pin(ready(Ok(Session::default())))
    }

    fn publish(&self, client: &Client, batch: Vec<Publish>) -> BoxFuture<'static, Vec<Settlement>> {
        let all = |refusal, count| vec![Settlement::Refused(refusal); count];
        let count = batch.len();
        let connection = self.connections().get(&client.id).map(Arc::clone);
        let (Some(agent), Some(connection)) =
            (access::agent_of(&self.site, &client.id), connection)
        else {
            return Box::pin(ready(all(Refusal::NotAuthorized, count)));
        };
        let (slots, frames) = self.sort(&agent, batch);
        if frames.is_empty() {
            return Box::pin(ready(merge(slots, Vec::new())));
        }
        let (reply, settled) = oneshot::channel();
        let group = Group {
            connection: connection.id,
            frames,
        };
        let job = Job {
            group,
            connection: Some(Arc::clone(&connection)),
            reply,
            room: None,
        };
        if let Err(error) = self.queue.try_send(job) {
            // What follows on this connection must not overtake what was refused here.
            connection.close();
            let refusal = match error {
                mpsc::error::TrySendError::Full(_) => Refusal::Busy,
                mpsc::error::TrySendError::Closed(_) => Refusal::Unavailable,
            };
            return Box::pin(ready(all(refusal, count)));
        }
        Box::pin(async move {
            match settled.await {
                Ok(answers) => merge(slots, answers),
                Err(_) => vec![Settlement::Refused(Refusal::Unavailable); count],
            }
        })
    }

    /// Frames are known by their numbers, so a QoS 2 message needs no memory of its packet id.
    fn release(&self, _: &Client, _: Vec<u16>) -> BoxFuture<'static, bool> {
        Box::pin(ready(true))
    }

    fn subscribe(&self, client: &Client, filter: &str) -> bool {
        access::agent_of(&self.site, &client.id)
            .is_some_and(|agent| access::may_subscribe(&self.site, &agent, filter))
    }

    fn disconnected(&self, client: &Client, _graceful: bool) {
        self.connections().remove(&client.id);
    }
}

fn merge(slots: Vec<Slot>, answers: Vec<Result<(), Refused>>) -> Vec<Settlement> {
    let mut answers = answers.into_iter();
    let answer = |slot| match slot {
        Slot::Settled(answer) => answer,
        Slot::Frame => match answers.next() {
            Some(Ok(())) => Settlement::Accepted,
            Some(Err(refused)) => Settlement::Refused(refusal(refused)),
            None => Settlement::Refused(Refusal::Unavailable),
        },
    };
    slots.into_iter().map(answer).collect()
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::NewerVersion(_) => Refusal::PayloadInvalid,
        Refused::ForeignAgent => Refusal::NotAuthorized,
        Refused::Full(_) => Refusal::QuotaExceeded,
        Refused::ConnectionClosed => Refusal::Busy,
    }
}
