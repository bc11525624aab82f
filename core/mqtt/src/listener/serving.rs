//! What a connection is for: messages in, answers out. It knows no stream and no clock.
//!
//! Decoding stops at the first bound that is reached, between two packets, so that what the handler has never exceeds a
//! bound by more than one packet. What came before a fault is well-formed and is handed over. Every message is settled in
//! its turn and counted once, whether its answer can still be sent or not (see `settled`).

use std::future::ready;
use std::sync::Arc;

use super::Shared;
use super::budget::Share;
use super::flow::{Flow, Settled, Work};
use super::subscriber::Subscriber;
use crate::io::Io;
use crate::limits::{
    CONNECTION_BATCHES_MAX, MESSAGE_OVERHEAD_BYTES, UNGRANTED_PACKET_BYTES_MAX, UNSENT_BYTES_MAX,
};
use crate::session::{Release, Slot, State, Step};
use crate::stats::add;
use crate::wire::{
    Control, Frame, Front, Kind, parse_control, parse_publish, put_pingresp, put_suback,
    put_unsuback,
};
use crate::{Client, CloseReason, Protocol, Publish, Session, Settlement};

pub(super) struct Serving {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Client,
    pub(super) state: State,
    pub(super) flow: Flow,
    pub(super) subscriber: Subscriber,
    share: Share,
    /// The client said at its CONNECT that its session ends with the connection.
    session_expires: bool,
}

/// What there is to do without the stream.
pub(super) enum Due {
    Settled(Vec<Settled>),
    /// Messages wait to be sent.
    Outgoing,
    /// There is room for the next packet.
    Room,
}

/// Why decoding stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Everything that was read is decoded.
    Empty,
    /// The beginning of a large packet is there, and room for the rest.
    InLargePacket,
    /// A bound of this connection is reached.
    AtBound,
    /// The connection is in line for room in the total.
    WaitsForRoom,
}

/// What was decoded and is not yet handed over.
#[derive(Default)]
struct Batch {
    heard: bool,
    received: u64,
    slots: Vec<Slot>,
    messages: Vec<Publish>,
    messages_bytes: usize,
    releases: Vec<Release>,
    releases_bytes: usize,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.messages_bytes + self.releases_bytes
    }
}

/// What a packet costs of the bytes that may wait.
fn cost(packet_bytes: usize) -> usize {
    packet_bytes + MESSAGE_OVERHEAD_BYTES
}

impl Serving {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: Client,
        session: &Session,
        session_expires: bool,
        packet_bytes_max: usize,
    ) -> Self {
        let v5 = client.protocol == Protocol::V5;
        Self {
            state: State::new(client.protocol, &shared.limits, &session.unreleased),
            flow: Flow::default(),
            subscriber: Subscriber::new(Arc::clone(&shared), v5, packet_bytes_max),
            share: Share::new(Arc::clone(&shared.budget)),
            session_expires,
            client,
            shared,
        }
    }

    fn v5(&self) -> bool {
        self.client.protocol == Protocol::V5
    }

    /// Waits for the next thing to do. May be dropped at any time.
    pub(super) async fn due(&mut self, may_send: bool) -> Due {
        tokio::select! {
            biased;
            settled = self.flow.settled(), if !self.flow.is_empty() => Due::Settled(settled),
            () = self.subscriber.filled(), if may_send => Due::Outgoing,
            () = self.share.turn(), if self.share.waits() => Due::Room,
            else => std::future::pending().await,
        }
    }

    /// May another packet be decoded, beside a batch of so many bytes?
    pub(super) fn may_decode(&self, io: &Io, batch_bytes: usize) -> bool {
        self.state.may_read()
            && self.flow.pending_bytes() + batch_bytes
                < self.shared.limits.connection_pending_bytes_max
            && self.flow.len() < CONNECTION_BATCHES_MAX
            && io.out.len() < UNSENT_BYTES_MAX
    }

    /// Decodes what is there and hands it over. Says whether a complete packet came, and why it stopped.
    pub(super) fn take_in(&mut self, io: &mut Io) -> Result<(bool, Stopped), CloseReason> {
        let mut batch = Batch::default();
        let collected = self.collect(io, &mut batch);
        let heard = batch.heard;
        // What came before a fault was well-formed and is kept.
        self.hand_over(batch);
        let (stopped, kept_bytes) = collected?;
        self.share.keep(kept_bytes);
        Ok((heard, stopped))
    }

    /// Says why it stopped, and how much room is to be kept for the packet at the front.
    fn collect(&mut self, io: &mut Io, batch: &mut Batch) -> Result<(Stopped, usize), CloseReason> {
        loop {
            if !self.may_decode(io, batch.bytes()) {
                return Ok((Stopped::AtBound, 0));
            }
            let Some(front) = io.inbound.front()? else {
                return Ok((Stopped::Empty, 0));
            };
            if needs_room(front) && !self.share.covers(batch.bytes(), cost(front.total)) {
                return Ok((Stopped::WaitsForRoom, 0));
            }
            let Some(frame) = io.inbound.take(front) else {
                return Ok(match front.total > UNGRANTED_PACKET_BYTES_MAX {
                    true => (Stopped::InLargePacket, cost(front.total)),
                    false => (Stopped::Empty, 0),
                });
            };
            batch.heard = true;
            if frame.kind == Kind::Publish {
                self.publish(&frame, batch)?;
            } else {
                self.control(&frame, io, batch)?;
            }
        }
    }

    fn publish(&mut self, frame: &Frame, batch: &mut Batch) -> Result<(), CloseReason> {
        let parsed = parse_publish(frame, self.v5())?;
        let step = self.state.publish(&parsed, frame.bytes.clone())?;
        batch.received += 1;
        match step {
            Step::HandOver(slot, message) => {
                batch.slots.push(slot);
                batch.messages.push(message);
            }
            Step::Answer(slot) => {
                if slot.local == Some(Settlement::Accepted) {
                    add(&self.shared.counters.repeated, 1);
                }
                batch.slots.push(slot);
            }
            Step::Nothing => {
                add(&self.shared.counters.repeated, 1);
                return Ok(());
            }
        }
        batch.messages_bytes += cost(frame.bytes.len());
        Ok(())
    }

    fn control(
        &mut self,
        frame: &Frame,
        io: &mut Io,
        batch: &mut Batch,
    ) -> Result<(), CloseReason> {
        let v5 = self.v5();
        match parse_control(frame, v5)? {
            Control::Release(id) => match self.state.release(id)? {
                Release::Nothing => {}
                release => {
                    batch.releases.push(release);
                    batch.releases_bytes += cost(frame.bytes.len());
                }
            },
            Control::Subscribe {
                packet_id,
                filters,
                identifier,
            } => {
                let subscribe =
                    |filter: &String| self.subscriber.subscribe(&self.client, filter, identifier);
                let codes: Vec<u8> = filters.iter().map(subscribe).collect();
                put_suback(&mut io.out, packet_id, v5, &codes);
            }
            Control::Unsubscribe { packet_id, filters } => {
                let unsubscribe = |filter: &String| self.subscriber.unsubscribe(filter);
                let codes: Vec<u8> = filters.iter().map(unsubscribe).collect();
                put_unsuback(&mut io.out, packet_id, v5, &codes);
            }
            Control::Ping => put_pingresp(&mut io.out),
            Control::Disconnect {
                session_expiry_s: Some(expiry),
                ..
            } if expiry > 0 && self.session_expires => {
                // A session that was to end with the connection cannot be prolonged at its end.
                return Err(CloseReason::ProtocolError);
            }
            Control::Disconnect { code: 0, .. } => return Err(CloseReason::Disconnected),
            Control::Disconnect { .. } => return Err(CloseReason::DisconnectedWithWill),
        }
        Ok(())
    }

    fn hand_over(&mut self, batch: Batch) {
        if batch.received > 0 {
            add(&self.shared.counters.received, batch.received);
        }
        if !batch.slots.is_empty() {
            // With nothing for the handler in it, it only waits for its turn.
            let settled = match batch.messages.is_empty() {
                true => Box::pin(ready(Vec::new())),
                false => self.shared.handler.publish(&self.client, batch.messages),
            };
            let room = self.share.spend(batch.messages_bytes);
            self.flow.push(Work::Publishes(batch.slots, settled), room);
        }
        if !batch.releases.is_empty() {
            let forget = |release: &Release| match release {
                Release::Forget(id) => Some(*id),
                Release::Unknown(_) | Release::Nothing => None,
            };
            let ids: Vec<u16> = batch.releases.iter().filter_map(forget).collect();
            let done = match ids.is_empty() {
                true => Box::pin(ready(true)),
                false => self.shared.handler.release(&self.client, ids),
            };
            let room = self.share.spend(batch.releases_bytes);
            self.flow.push(Work::Releases(batch.releases, done), room);
        }
    }
}

/// What the handler gets takes room when it is complete, and any large packet before it is buffered.
fn needs_room(front: Front) -> bool {
    let handed_over = matches!(front.kind, Kind::Publish | Kind::Pubrel);
    (front.complete && handed_over) || (!front.complete && front.total > UNGRANTED_PACKET_BYTES_MAX)
}
