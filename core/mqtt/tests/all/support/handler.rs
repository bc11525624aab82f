//! A handler that keeps everything, answers when it is told to, and remembers in which order things happened.
//!
//! It is the only double of these tests. It knows a session by its identifier, as a handler that keeps QoS 2 identifiers on
//! disk does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;
use wardline_mqtt::{
    BoxFuture, Client, ConnectRefusal, Handler, Publish, Qos, Refusal, Session, Settlement,
};

type Judge = Box<dyn Fn(&Publish) -> Settlement + Send>;

#[derive(Default)]
pub struct State {
    /// While set, futures of `publish` and `release` wait for [`TestHandler::settle`].
    pub holding: bool,
    pub judge: Option<Judge>,
    pub refuse_connect: Option<ConnectRefusal>,
    pub refuse_filter: Option<String>,
    pub refuse_release: bool,
    /// Everything handed over, in order, with the client's identifier.
    pub messages: Vec<(String, Publish)>,
    pub batches: Vec<usize>,
    pub connects: Vec<Client>,
    pub subscribed: Vec<String>,
    pub released: Vec<u16>,
    pub ended: Vec<(String, bool)>,
    /// QoS 2 identifiers of each client that are taken and not released.
    pub unreleased: BTreeMap<String, BTreeSet<u16>>,
    waiting: Vec<Option<oneshot::Sender<()>>>,
    outstanding_bytes: usize,
    /// The most payload bytes that were ever handed over and not settled.
    pub outstanding_bytes_max: usize,
}

#[derive(Default)]
pub struct TestHandler(Arc<Mutex<State>>);

impl TestHandler {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on nothing is settled by itself.
    pub fn hold(&self) {
        self.state().holding = true;
    }

    /// How many futures wait.
    pub fn waiting(&self) -> usize {
        self.state().waiting.iter().flatten().count()
    }

    /// Settles the n-th future that was held since the start.
    pub fn settle(&self, n: usize) {
        let sender = self.state().waiting[n].take().unwrap();
        sender.send(()).ok();
    }

    /// Settles everything, now and from now on.
    pub fn release_all(&self) {
        let mut state = self.state();
        state.holding = false;
        for sender in state.waiting.iter_mut().filter_map(Option::take) {
            sender.send(()).ok();
        }
    }

    pub fn judge(&self, judge: impl Fn(&Publish) -> Settlement + Send + 'static) {
        self.state().judge = Some(Box::new(judge));
    }

    pub fn refuse_all(&self, refusal: Refusal) {
        self.judge(move |_| Settlement::Refused(refusal));
    }

    /// Payloads in the order in which they were handed over.
    pub fn payloads(&self) -> Vec<String> {
        let text = |(_, publish): &(String, Publish)| {
            String::from_utf8_lossy(&publish.payload).into_owned()
        };
        self.state().messages.iter().map(text).collect()
    }

    /// Topics in the order in which they were handed over.
    pub fn topics(&self) -> Vec<String> {
        self.state()
            .messages
            .iter()
            .map(|(_, publish)| publish.topic.to_string())
            .collect()
    }

    pub fn wills(&self) -> usize {
        self.state()
            .messages
            .iter()
            .filter(|(_, publish)| publish.will)
            .count()
    }
}

fn held(state: &mut State) -> Option<oneshot::Receiver<()>> {
    if !state.holding {
        return None;
    }
    let (sender, receiver) = oneshot::channel();
    state.waiting.push(Some(sender));
    Some(receiver)
}

impl Handler for TestHandler {
    fn connect(&self, client: &Client) -> BoxFuture<'static, Result<Session, ConnectRefusal>> {
        let mut state = self.state();
        state.connects.push(client.clone());
        if let Some(refusal) = state.refuse_connect {
            return Box::pin(async move { Err(refusal) });
        }
        if client.clean_start {
            state.unreleased.remove(&*client.id);
        }
        let known = state
            .connects
            .iter()
            .filter(|other| other.id == client.id)
            .count()
            > 1;
        let unreleased = state
            .unreleased
            .get(&*client.id)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        Box::pin(async move {
            Ok(Session {
                present: known,
                unreleased,
            })
        })
    }

    fn publish(&self, client: &Client, batch: Vec<Publish>) -> BoxFuture<'static, Vec<Settlement>> {
        let mut state = self.state();
        let bytes: usize = batch.iter().map(|publish| publish.payload.len()).sum();
        state.outstanding_bytes += bytes;
        state.outstanding_bytes_max = state.outstanding_bytes_max.max(state.outstanding_bytes);
        let judge = |publish: &Publish| {
            state
                .judge
                .as_ref()
                .map_or(Settlement::Accepted, |judge| judge(publish))
        };
        let settlements: Vec<Settlement> = batch.iter().map(judge).collect();
        state.batches.push(batch.len());
        let id = client.id.to_string();
        let exactly = |(publish, settlement): (&Publish, &Settlement)| {
            (publish.qos == Qos::ExactlyOnce && *settlement == Settlement::Accepted)
                .then_some(publish.packet_id)
                .flatten()
        };
        let taken: Vec<u16> = batch.iter().zip(&settlements).filter_map(exactly).collect();
        state
            .messages
            .extend(batch.into_iter().map(|publish| (id.clone(), publish)));
        let gate = held(&mut state);
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.await.ok();
            }
            let mut state = shared.lock().unwrap();
            state.outstanding_bytes -= bytes;
            state.unreleased.entry(id).or_default().extend(taken);
            settlements
        })
    }

    fn release(&self, client: &Client, packet_ids: Vec<u16>) -> BoxFuture<'static, bool> {
        let mut state = self.state();
        let gate = held(&mut state);
        let shared = Arc::clone(&self.0);
        let id = client.id.to_string();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.await.ok();
            }
            let mut state = shared.lock().unwrap();
            if state.refuse_release {
                return false;
            }
            for packet_id in packet_ids {
                state
                    .unreleased
                    .entry(id.clone())
                    .or_default()
                    .remove(&packet_id);
                state.released.push(packet_id);
            }
            true
        })
    }

    fn subscribe(&self, _: &Client, filter: &str) -> bool {
        let mut state = self.state();
        if state.refuse_filter.as_deref() == Some(filter) {
            return false;
        }
        state.subscribed.push(filter.to_owned());
        true
    }

    fn disconnected(&self, client: &Client, graceful: bool) {
        self.state().ended.push((client.id.to_string(), graceful));
    }
}
