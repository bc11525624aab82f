//! Load that goes on through every fault: each client connects, sends numbered events, notes what was acknowledged, and
//! after a broken connection goes on with the *next* number. So every event is sent once, and "exactly once" can be
//! checked to the letter: acknowledged means once, not acknowledged means at most once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::limits::RECONNECT_MS;
use crate::load::{Devices, Senders};

/// Where clients connect at the moment; `None` while the agent is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Where {
    pub mqtt: Option<SocketAddr>,
    pub mllp: Option<SocketAddr>,
}

/// Client name -> numbers.
#[derive(Debug, Clone, Default)]
pub struct Acked {
    pub sent: BTreeMap<String, u64>,
    pub acked: BTreeMap<String, BTreeSet<u64>>,
}

impl Acked {
    pub fn count(&self) -> usize {
        self.acked.values().map(BTreeSet::len).sum()
    }
}

/// What clients share: what they know, where to connect, whether to go on.
#[derive(Clone)]
pub(crate) struct Shared {
    known: Arc<Mutex<Acked>>,
    pub(crate) place: watch::Receiver<Where>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Takes the client's next number.
    pub(crate) fn next(&self, client: &str) -> u64 {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let sent = known.sent.entry(client.to_owned()).or_default();
        *sent += 1;
        *sent
    }

    pub(crate) fn acked(&self, client: &str, numbers: impl IntoIterator<Item = u64>) {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known
            .acked
            .entry(client.to_owned())
            .or_default()
            .extend(numbers);
    }

    pub(crate) async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(RECONNECT_MS)).await;
    }
}

pub struct Load {
    shared: Shared,
    place: watch::Sender<Where>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// `devices` MQTT clients and `senders` MLLP connections, each `per_second` events a second at most.
    pub fn start(devices: usize, senders: usize, per_second: u32) -> Self {
        let (place, place_receiver) = watch::channel(Where::default());
        let (stop, stop_receiver) = watch::channel(false);
        let shared = Shared {
            known: Arc::default(),
            place: place_receiver,
            stop: stop_receiver,
        };
        let mut tasks = JoinSet::new();
        for n in 0..devices {
            tasks.spawn(Devices::new(n, per_second).run(shared.clone()));
        }
        for n in 0..senders {
            tasks.spawn(Senders::new(n, per_second).run(shared.clone()));
        }
        Self {
            shared,
            place,
            stop,
            tasks,
        }
    }

    pub fn point_to(&self, place: Where) {
        self.place.send_replace(place);
    }

    pub fn acked_so_far(&self) -> usize {
        self.shared
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .count()
    }

    /// Lets every client finish what it has in flight, and says what was acknowledged.
    pub async fn stop(mut self) -> Acked {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.shared
            .known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
