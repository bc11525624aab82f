//! The thin shell: steps the house in wall time and carries what it says over real sockets.
//!
//! One MLLP connection sends message after message and waits for each answer: without one, or with
//! a rejection, the same bytes go again, after a bounded wait that doubles. One MQTT connection for
//! each department's gateway publishes with QoS 1 and resends what was not acked after a reconnect.
//! Between house and sockets everything is bounded: when HL7 does not get through the house waits,
//! and a full gateway drops its newest readings, counted.

mod gateway;
mod interface;

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use wardline_service::{Backoff, SharedClock};

use crate::{
    Hospital, HospitalConfig, Message,
    error::Result,
    limits::{
        BACKOFF_FIRST_MS, BACKOFF_MAX_MS, DRAIN_MS, GATEWAYS_MAX, HL7_QUEUE_MESSAGES, IDLE_MAX_MS,
        READING_QUEUE_MESSAGES,
    },
    wall,
};

/// What became of the messages of one protocol. Once all is quiet, `sent = acked + refused`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to a connection for the first time.
    pub sent: u64,
    /// Answered with `AA` or PUBACK.
    pub acked: u64,
    /// Sent once more: no answer, a broken connection, or `AR`.
    pub resent: u64,
    /// Answered with `AE`: taken, not understood.
    pub refused: u64,
    /// Not sent at all, because the gateway's queue was full.
    pub dropped: u64,
}

/// What became of all that the house said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    pub sent: u64,
    pub acked: u64,
    pub resent: u64,
    pub refused: u64,
    pub dropped: u64,
    pub hl7: Counts,
    pub mqtt: Counts,
}

impl Report {
    fn of(hl7: Counts, mqtt: Counts) -> Report {
        Report {
            sent: hl7.sent + mqtt.sent,
            acked: hl7.acked + mqtt.acked,
            resent: hl7.resent + mqtt.resent,
            refused: hl7.refused + mqtt.refused,
            dropped: hl7.dropped + mqtt.dropped,
            hl7,
            mqtt,
        }
    }
}

/// Counts while connections work.
#[derive(Debug, Default)]
struct Tally {
    sent: AtomicU64,
    acked: AtomicU64,
    resent: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    fn read(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            sent: get(&self.sent),
            acked: get(&self.acked),
            resent: get(&self.resent),
            refused: get(&self.refused),
            dropped: get(&self.dropped),
        }
    }
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Between attempts to reach a listener.
fn backoff() -> Backoff {
    Backoff::of_ms(BACKOFF_FIRST_MS, BACKOFF_MAX_MS)
}

/// A simulated hospital that talks to these two listeners until `stop` is ready, and then some
/// seconds at most for the last answers.
pub async fn run(
    config: HospitalConfig,
    mllp: SocketAddr,
    mqtt: SocketAddr,
    clock: SharedClock,
    stop: impl Future,
) -> Result<Report> {
    let (_, report) = run_hospital(Hospital::new(config), mllp, mqtt, clock, stop).await?;
    Ok(report)
}

/// The same with a house of the caller's, given back at the end: if every HL7 message was acked, its
/// [`Hospital::occupancy`] is what the pipeline has been told.
pub async fn run_hospital(
    mut hospital: Hospital,
    mllp: SocketAddr,
    mqtt: SocketAddr,
    clock: SharedClock,
    stop: impl Future,
) -> Result<(Hospital, Report)> {
    wall::zone(&hospital.config().site_zone)?;
    let mut lines = Lines::open(mllp, mqtt, clock);
    {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                () = lines.carry(&mut hospital) => {}
            }
        }
    }
    Ok((hospital, lines.close().await))
}

/// The connections of one run.
struct Lines {
    hl7: mpsc::Sender<Vec<u8>>,
    hl7_tally: Arc<Tally>,
    mqtt_address: SocketAddr,
    mqtt_tally: Arc<Tally>,
    gateways: Vec<mpsc::Sender<gateway::Reading>>,
    /// Which gateway serves a department.
    served_by: BTreeMap<String, usize>,
    /// Said but not handed over yet: kept here so that a stop in between loses nothing silently.
    pending: VecDeque<Message>,
    tasks: JoinSet<()>,
    clock: SharedClock,
}

impl Lines {
    fn open(mllp: SocketAddr, mqtt_address: SocketAddr, clock: SharedClock) -> Lines {
        let (hl7, queue) = mpsc::channel(HL7_QUEUE_MESSAGES);
        let (hl7_tally, mqtt_tally) = (Arc::new(Tally::default()), Arc::new(Tally::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(interface::run(mllp, queue, Arc::clone(&hl7_tally)));
        Lines {
            hl7,
            hl7_tally,
            mqtt_address,
            mqtt_tally,
            gateways: Vec::new(),
            served_by: BTreeMap::new(),
            pending: VecDeque::new(),
            tasks,
            clock,
        }
    }

    /// One round: what is due is handed over, then sleep until the next is. May be dropped at any await.
    async fn carry(&mut self, hospital: &mut Hospital) {
        if self.pending.is_empty() {
            self.pending.extend(hospital.step(self.clock.wall_ms()));
        }
        while let Some(message) = self.pending.front() {
            if matches!(message, Message::Hl7(_)) {
                let Ok(slot) = self.hl7.clone().reserve_owned().await else {
                    // The interface has ended, which only a defect does: the house waits for its stop.
                    return std::future::pending().await;
                };
                if let Some(Message::Hl7(bytes)) = self.pending.pop_front() {
                    slot.send(bytes);
                }
            } else if let Some(Message::Mqtt { topic, payload, .. }) = self.pending.pop_front() {
                self.offer(topic, payload);
            }
        }
        let wait = hospital.next_due_ms().map_or(IDLE_MAX_MS, |due| {
            u64::try_from(due - self.clock.wall_ms()).unwrap_or(0)
        });
        tokio::time::sleep(Duration::from_millis(wait.min(IDLE_MAX_MS))).await;
    }

    fn offer(&mut self, topic: String, payload: Vec<u8>) {
        let department = topic.split('/').nth(1).unwrap_or_default().to_owned();
        let next = self.served_by.len() % GATEWAYS_MAX;
        let client_id = format!("gateway-{}", department.to_lowercase());
        let index = *self.served_by.entry(department).or_insert(next);
        if index == self.gateways.len() {
            let (gateway, queue) = mpsc::channel(READING_QUEUE_MESSAGES);
            let tally = Arc::clone(&self.mqtt_tally);
            self.tasks
                .spawn(gateway::run(self.mqtt_address, client_id, queue, tally));
            self.gateways.push(gateway);
        }
        let Some(gateway) = self.gateways.get(index) else {
            return;
        };
        if gateway
            .try_send(gateway::Reading { topic, payload })
            .is_err()
        {
            add(&self.mqtt_tally.dropped, 1);
        }
    }

    /// No more messages; waits a bounded time for the last answers.
    async fn close(mut self) -> Report {
        for message in std::mem::take(&mut self.pending) {
            match message {
                // What finds no room any more was never sent, and is not counted as sent.
                Message::Hl7(bytes) => {
                    if self.hl7.try_send(bytes).is_err() {
                        add(&self.hl7_tally.dropped, 1);
                    }
                }
                Message::Mqtt { topic, payload, .. } => self.offer(topic, payload),
            }
        }
        drop(self.hl7);
        self.gateways.clear();
        let tasks = &mut self.tasks;
        let drained = timeout(Duration::from_millis(DRAIN_MS), async {
            while tasks.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            tracing::info!("demo: some answers were still missing at the end");
            self.tasks.shutdown().await;
        }
        Report::of(self.hl7_tally.read(), self.mqtt_tally.read())
    }
}
