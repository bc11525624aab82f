//! One connection's life: send what the window wants, free what receipts cover, give up when nothing moves.
//!
//! The window decides, the store is read and freed, the client moves bytes; this loop only brings them together, one frame
//! at a time, so that receipts and a stop are always seen in between. Nothing is freed but by a receipt (P2).

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wardline_model::frame::{FrameHeader, encode_raw};
use wardline_model::limits::FRAME_BYTES_MAX;
use wardline_model::{Incarnation, Lane, Receipt, topic};
use wardline_mqtt::client::{ClientEvent, MqttClient};
use wardline_service::Stop;

use super::Uplink;
use super::link::LinkError;
use crate::Error;
use crate::buffer::free;
use crate::buffer::window::{Backlog, Stall, Want, Window};
use crate::limits::{STATUS_INTERVAL_MS, UPLINK_FAREWELL_MS, UPLINK_TICK_MS};
use crate::store::Held;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the agent stops")]
    Stopped,
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0:?}: frames are outstanding and nothing moved; connecting anew")]
    Stalled(Stall),
    #[error("the store began another incarnation")]
    OtherIncarnation,
    #[error("a frame could not be made: the task that reads the store failed")]
    Reader,
    #[error(transparent)]
    Store(#[from] Error),
}

/// How a session went.
pub(super) struct Ended {
    pub(super) why: End,
    /// A receipt has covered something.
    pub(super) freed: bool,
}

pub(super) struct Session<'a> {
    uplink: &'a Uplink,
    client: MqttClient,
    freed: bool,
    window: Window,
    incarnation: Incarnation,
    held: watch::Receiver<Held>,
    begun: Instant,
    status_due: Instant,
}

impl<'a> Session<'a> {
    pub(super) fn new(uplink: &'a Uplink, client: MqttClient) -> Self {
        let mut held = uplink.store.watch();
        let now = *held.borrow_and_update();
        let backlog = Backlog {
            oldest: now.oldest,
            next_seq: now.next_seq,
            events: now.events,
            bytes: now.bytes,
        };
        let begun = Instant::now();
        let window = Window::open(uplink.window, backlog, 0);
        tracing::info!(
            oldest = now.oldest,
            next_seq = now.next_seq,
            two_lanes = window.backlog_left(),
            "uplink connected"
        );
        Self {
            uplink,
            client,
            freed: false,
            window,
            incarnation: now.incarnation,
            held,
            begun,
            status_due: begun,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Runs until something ends it.
    pub(super) async fn run(mut self, stop: &Stop) -> Ended {
        let mut tick = interval(Duration::from_millis(UPLINK_TICK_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            if let Err(end) = self.send_one().await {
                break end;
            }
            let more = self.window.want(self.held.borrow().next_seq).is_some();
            let step = tokio::select! {
                biased;
                () = stop.stopped() => Err(End::Stopped),
                event = self.client.event() => event.map_err(|e| End::Link(e.into())).map(|event| self.take(&event)),
                _ = tick.tick() => self.look(),
                // With room and something to send there is no reason to wait for anything.
                () = std::future::ready(()), if more => Ok(()),
                changed = self.held.changed(), if !more => changed.map_err(|_| End::Stopped),
            };
            if let Err(end) = step {
                break end;
            }
        };
        let freed = self.freed;
        if matches!(end, End::Stopped) {
            self.publish_status(false);
            let limit = Duration::from_millis(UPLINK_FAREWELL_MS);
            self.client.close(limit).await;
        }
        Ended { why: end, freed }
    }

    /// Timeouts and the periodic status.
    fn look(&mut self) -> Result<(), End> {
        if let Some(stall) = self.window.stalled(self.now_ms()) {
            return Err(End::Stalled(stall));
        }
        if Instant::now() >= self.status_due {
            self.publish_status(true);
            self.status_due = Instant::now() + Duration::from_millis(STATUS_INTERVAL_MS);
        }
        Ok(())
    }

    /// A status that does not get through is repeated soon anyway.
    fn publish_status(&mut self, online: bool) {
        let status = self.uplink.status.now(online);
        let topic = topic::status(&self.uplink.site, &self.uplink.agent);
        if let Ok(payload) = serde_json::to_vec(&status)
            && self.client.publish(&topic, &payload, true).is_ok()
        {
            self.window.published(self.now_ms());
        }
    }

    fn take(&mut self, event: &ClientEvent) {
        let now = self.now_ms();
        match event {
            ClientEvent::Acked(_) => self.window.acked(now),
            ClientEvent::Message { topic, payload } if *topic == self.uplink.receipt_topic => {
                self.receipt(payload, now);
            }
            ClientEvent::Message { .. } => {}
        }
    }

    fn receipt(&mut self, payload: &[u8], now: u64) {
        let receipt = match Receipt::decode(payload) {
            Ok(receipt) => receipt,
            Err(error) => {
                tracing::error!(%error, "a receipt cannot be read: nothing is freed");
                return;
            }
        };
        // The store's own number, not the last one seen here: a receipt can overtake the notice of a commit.
        let held = self.uplink.store.held();
        match free::usable(
            &receipt,
            &self.uplink.agent,
            held.incarnation,
            held.next_seq,
        ) {
            Ok(covered) => {
                self.freed |= self.window.covered(&covered, now) > 0;
                self.uplink.store.free(held.incarnation, covered);
            }
            Err(free::Unusable::Incarnation(other)) => {
                tracing::debug!(incarnation = %other, "a receipt for another incarnation is left alone");
            }
            Err(error) => tracing::error!(%error, "a receipt is refused: nothing is freed"),
        }
    }

    /// Reads and sends at most one frame, so that receipts and stops are seen in between.
    async fn send_one(&mut self) -> Result<(), End> {
        let held = *self.held.borrow_and_update();
        if held.incarnation != self.incarnation {
            return Err(End::OtherIncarnation);
        }
        let next_seq = held.next_seq;
        let Some(want) = self.window.want(next_seq) else {
            return Ok(());
        };
        // A reader that failed is not "nothing there": the range would be skipped for the rest of the connection.
        let read = self.read(want).await.map_err(|_| End::Reader)?;
        match read {
            Ok(Some(frame)) => self.send(want.lane, &frame),
            Ok(None) => {
                self.window.nothing(want);
                Ok(())
            }
            // The store set the block aside: what is behind it goes on.
            Err(error @ Error::Block { .. }) => {
                tracing::error!(%error, "a stored block is lost");
                tokio::time::sleep(Duration::from_millis(UPLINK_TICK_MS)).await;
                Ok(())
            }
            Err(error) => Err(End::Store(error)),
        }
    }

    /// Reads on a thread of its own; the disk may be slow.
    fn read(&self, want: Want) -> JoinHandle<Result<Option<Frame>, Error>> {
        let store = self.uplink.store.clone();
        let agent = self.uplink.agent.clone();
        let incarnation = self.incarnation;
        tokio::task::spawn_blocking(move || {
            let run = store.read(want.from, want.to)?;
            // Read first, then looked: what was read belongs to the incarnation that is still there.
            let Some(run) = run.filter(|_| store.held().incarnation == incarnation) else {
                return Ok(None);
            };
            let header = FrameHeader {
                lane: want.lane,
                agent,
                incarnation,
                first: run.first,
                oldest_held: run.oldest_held,
                count: run.count,
            };
            let last = run.last();
            let bytes = encode_raw(&header, &run.raw).map_err(|error| Error::Block {
                place: "frame".to_owned(),
                first: run.first,
                why: error.to_string(),
            })?;
            Ok(Some(Frame {
                first: run.first,
                last,
                bytes,
            }))
        })
    }

    fn send(&mut self, lane: Lane, frame: &Frame) -> Result<(), End> {
        let topic = match lane {
            Lane::Live => &self.uplink.live_topic,
            Lane::Backlog => &self.uplink.backlog_topic,
        };
        debug_assert!(frame.bytes.len() <= FRAME_BYTES_MAX);
        let len = frame.bytes.len();
        let sent = self.client.publish(topic, &frame.bytes, false);
        sent.map_err(LinkError::Lost)?;
        let now = self.now_ms();
        self.window.sent(lane, frame.first, frame.last, len, now);
        Ok(())
    }
}

struct Frame {
    first: u64,
    last: u64,
    bytes: Vec<u8>,
}
