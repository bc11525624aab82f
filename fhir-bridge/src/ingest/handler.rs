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
use crate::ingest::queue::{Job, Line};
use crate::status::{Board, Heard};

pub struct IngestHandler {
    site: SiteName,
    queue: mpsc::Sender<Job>,
    board: Arc<Board>,
    lines: Mutex<HashMap<Arc<str>, Arc<Line>>>,
    next_line: AtomicU64,
}

/// What stands at one place of a batch.
enum Slot {
    Settled(Settlement),
    Frame,
}

impl IngestHandler {
    pub fn new(site: SiteName, queue: mpsc::Sender<Job>, board: Arc<Board>) -> Arc<Self> {
        Arc::new(Self {
            site,
            queue,
            board,
            lines: Mutex::default(),
            next_line: AtomicU64::new(1),
        })
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sorts a batch: frames go to the task, a status to the board, the rest is refused.
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
                let heard = if publish.will {
                    Heard::Will
                } else {
                    Heard::Now
                };
                self.board.agent_said(agent, &publish.payload, heard);
                Slot::Settled(Settlement::Accepted)
            }
            None => {
                self.board.problem(format!("{agent}: publishes where it may not; only its own up and status topics are open to it"));
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
            self.board.problem(format!(
                "a client connects that is no agent of site {}; its client id has to be {}.AGENT",
                self.site, self.site
            ));
            return Box::pin(ready(Err(ConnectRefusal::ClientIdInvalid)));
        }
        let line = Line::new(self.next_line.fetch_add(1, Ordering::Relaxed));
        self.lines().insert(Arc::clone(&client.id), line);
        Box::pin(ready(Ok(Session::default())))
    }

    fn publish(&self, client: &Client, batch: Vec<Publish>) -> BoxFuture<'static, Vec<Settlement>> {
        let all = |refusal, count| vec![Settlement::Refused(refusal); count];
        let count = batch.len();
        let line = self.lines().get(&client.id).map(Arc::clone);
        let (Some(agent), Some(line)) = (access::agent_of(&self.site, &client.id), line) else {
            return Box::pin(ready(all(Refusal::NotAuthorized, count)));
        };
        let (slots, frames) = self.sort(&agent, batch);
        if frames.is_empty() {
            return Box::pin(ready(merge(slots, Vec::new())));
        }
        let (reply, settled) = oneshot::channel();
        let group = Group {
            line: line.id,
            frames,
        };
        let job = Job {
            group,
            line: Some(Arc::clone(&line)),
            reply,
            room: None,
        };
        if let Err(error) = self.queue.try_send(job) {
            // What follows on this connection must not overtake what was refused here.
            line.close();
            let refusal = match error {
                mpsc::error::TrySendError::Full(_) => Refusal::Busy,
                mpsc::error::TrySendError::Closed(_) => Refusal::Unavailable,
            };
            return Box::pin(ready(all(refusal, count)));
        }
        Box::pin(async move {
            match settled.await {
                Ok(verdicts) => merge(slots, verdicts),
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
        self.lines().remove(&client.id);
    }
}

fn merge(slots: Vec<Slot>, verdicts: Vec<Result<(), Refused>>) -> Vec<Settlement> {
    let mut verdicts = verdicts.into_iter();
    let verdict = |slot| match slot {
        Slot::Settled(verdict) => verdict,
        Slot::Frame => match verdicts.next() {
            Some(Ok(())) => Settlement::Accepted,
            Some(Err(refused)) => Settlement::Refused(refusal(refused)),
            None => Settlement::Refused(Refusal::Unavailable),
        },
    };
    slots.into_iter().map(verdict).collect()
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::NewerVersion(_) => Refusal::PayloadInvalid,
        Refused::ForeignAgent => Refusal::NotAuthorized,
        Refused::Full(_) => Refusal::QuotaExceeded,
        Refused::LineClosed => Refusal::Busy,
    }
}
