//! One established connection: reads, hands over, answers.
//!
//! The task never waits inside a step. It decodes what is there while the bounds allow, hands over what it decoded
//! as one batch, writes what is settled, and then waits for whichever comes first. At a bound it stops reading, which
//! the client feels as TCP back-pressure; nothing is read that could not be kept.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Shared;
use super::budget::Grant;
use super::flow::{Flow, Handed, Outcome, Work};
use super::registry::Seated;
use crate::hub::Outbox;
use crate::limits::{CONNECTION_BATCHES_MAX, MESSAGE_OVERHEAD_BYTES, UNSENT_BYTES_MAX};
use crate::session::{Release, Reply, Slot, State, Step};
use crate::stats::add;
use crate::topic::{self, FilterFault};
use crate::wire::{
    Control, Decoder, Frame, Inbound, Kind, Will, parse_publish, put_ack, put_pingresp,
    put_publish, put_suback, put_unsuback,
};
use crate::{Client, CloseReason, Protocol, Publish, Refusal, Session, Verdict};

/// What a handshake found out.
pub(super) struct Established {
    pub(super) inbound: Inbound,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) seated: Seated,
    pub(super) will: Option<Will>,
    pub(super) keep_alive_s: u16,
    pub(super) client_packet_bytes_max: usize,
    pub(super) session_expires: bool,
}

/// What was decoded and is not yet handed over.
#[derive(Default)]
struct Batch {
    slots: Vec<Slot>,
    messages: Vec<Publish>,
    charge: usize,
    releases: Vec<Release>,
    received: u64,
}

/// What a connection may wait for.
enum Event {
    TakenOver,
    Stopping,
    Settled(Vec<(Handed, Outcome)>),
    Writable,
    Timer,
    Outgoing,
    Room,
    Readable,
}

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) shared: Arc<Shared>,
    pub(super) client: Client,
    pub(super) will: Option<Will>,
    pub(super) flow: Flow,
    pub(super) out: BytesMut,
    pub(super) outbox: Arc<Outbox>,
    pub(super) subscriptions: Vec<String>,
    v5: bool,
    state: State,
    inbound: Inbound,
    decoder: Decoder,
    seated: Seated,
    session_expires: bool,
    client_packet_bytes_max: usize,
    keep_alive: Duration,
    /// Room that was reserved for the large packet at the front, and until when it has to be complete.
    grant: Option<(Grant, Instant)>,
    /// When the last complete packet came, or reading was last resumed.
    heard: Instant,
    /// Since when the socket takes nothing.
    blocked: Option<Instant>,
    /// Decoding stopped at a bound; complete packets may be left in the buffer.
    paused: bool,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>, established: Established) -> Self {
        let limits = &shared.limits;
        let now = Instant::now();
        let protocol = established.client.protocol;
        // One and a half times what was promised, as MQTT says.
        let keep_alive = Duration::from_secs(u64::from(established.keep_alive_s)) * 3 / 2;
        Self {
            flow: Flow::new(Arc::clone(&shared.budget)),
            out: BytesMut::new(),
            outbox: Arc::new(Outbox::new(
                limits.outgoing_messages_max,
                limits.outgoing_bytes_max,
            )),
            subscriptions: Vec::new(),
            v5: protocol == Protocol::V5,
            state: State::new(protocol, limits, &established.session.unreleased),
            inbound: established.inbound,
            decoder: Decoder::new(protocol),
            client: established.client,
            will: established.will,
            seated: established.seated,
            session_expires: established.session_expires,
            client_packet_bytes_max: established.client_packet_bytes_max,
            keep_alive,
            grant: None,
            heard: now,
            blocked: None,
            paused: false,
            timer: Box::pin(sleep_until(now + keep_alive)),
            shared,
            stream,
        }
    }

    /// Serves until the end, and then ends in order.
    pub(super) async fn run(mut self) {
        tracing::debug!(client = %self.client.id, addr = %self.client.addr, "mqtt: connected");
        let reason = match self.serve().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        };
        self.end(reason).await;
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        loop {
            self.pump()?;
            self.flush()?;
            if self.paused && self.may_decode(0) {
                // What was just written made room.
                continue;
            }
            match self.next_event().await {
                Event::TakenOver => return Err(CloseReason::TakenOver),
                Event::Stopping => return Err(CloseReason::ShuttingDown),
                Event::Settled(settled) => self.settle(settled)?,
                Event::Timer => self.check_time()?,
                Event::Outgoing => self.take_outgoing(),
                Event::Readable => self.read()?,
                Event::Writable | Event::Room => {}
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let due = self.due();
        if due < self.timer.deadline() {
            self.timer.as_mut().reset(due);
        }
        let wanted = if self.grant.is_none() {
            self.inbound.grant_wanted()
        } else {
            0
        };
        let own = self.granted();
        let full = self.paused && !self.shared.budget.has_room(0, own);
        tokio::select! {
            biased;
            () = self.seated.go.cancelled() => Event::TakenOver,
            () = self.shared.stopping.cancelled() => Event::Stopping,
            settled = self.flow.settled(), if !self.flow.is_empty() => Event::Settled(settled),
            () = self.timer.as_mut() => Event::Timer,
            _ = self.stream.writable(), if !self.out.is_empty() => Event::Writable,
            () = self.outbox.filled(), if self.out.len() < UNSENT_BYTES_MAX => Event::Outgoing,
            () = self.shared.budget.room(own), if full => Event::Room,
            () = self.shared.budget.room_for(wanted), if wanted > 0 && !full => Event::Room,
            _ = self.stream.readable(), if !self.paused && wanted == 0 => Event::Readable,
        }
    }

    fn granted(&self) -> usize {
        self.grant.as_ref().map_or(0, |(grant, _)| grant.bytes())
    }

    /// May another packet be decoded, beside a batch that costs `charge`?
    fn may_decode(&self, charge: usize) -> bool {
        let limits = &self.shared.limits;
        self.state.may_read()
            && self.flow.pending_bytes() + charge < limits.connection_pending_bytes_max
            && self.flow.len() < CONNECTION_BATCHES_MAX
            && self.out.len() < UNSENT_BYTES_MAX
            && self.shared.budget.has_room(charge, self.granted())
    }

    /// Decodes what is there and hands it over.
    fn pump(&mut self) -> Result<(), CloseReason> {
        let mut batch = Batch::default();
        let collected = self.collect(&mut batch);
        // What came before a fault was well-formed and is kept.
        self.hand_over(batch);
        let paused = !collected?;
        if self.paused && !paused {
            self.heard = Instant::now();
        } else if paused && !self.paused {
            add(&self.shared.counters.pauses, 1);
        }
        self.paused = paused;
        let wanted = self.inbound.grant_wanted();
        if self.grant.is_none() && wanted > 0 {
            let until = Instant::now() + self.shared.limits.packet_timeout;
            self.grant = self.shared.budget.grant(wanted).map(|grant| (grant, until));
        }
        Ok(())
    }

    /// `false` if a bound stopped it before the buffer was empty.
    fn collect(&mut self, batch: &mut Batch) -> Result<bool, CloseReason> {
        let mut heard = false;
        let done = loop {
            if !self.may_decode(batch.charge) {
                break false;
            }
            let Some(frame) = self.inbound.next_frame()? else {
                break true;
            };
            self.grant = None;
            heard = true;
            if frame.kind == Kind::Publish {
                self.publish(&frame, batch)?;
            } else {
                self.control(&frame, batch)?;
            }
        };
        if heard {
            self.heard = Instant::now();
        }
        Ok(done)
    }

    fn publish(&mut self, frame: &Frame, batch: &mut Batch) -> Result<(), CloseReason> {
        batch.received += 1;
        let charge = frame.bytes.len() + MESSAGE_OVERHEAD_BYTES;
        let parsed = parse_publish(frame, self.v5)?;
        match self.state.publish(&parsed, frame.bytes.clone())? {
            Step::HandOver(slot, message) => {
                batch.slots.push(slot);
                batch.messages.push(message);
            }
            Step::Answer(slot) => {
                if slot.local == Some(Verdict::Accepted) {
                    add(&self.shared.counters.repeated, 1);
                }
                batch.slots.push(slot);
            }
            Step::Nothing => {
                add(&self.shared.counters.repeated, 1);
                return Ok(());
            }
        }
        batch.charge += charge;
        Ok(())
    }

    fn control(&mut self, frame: &Frame, batch: &mut Batch) -> Result<(), CloseReason> {
        match self.decoder.control(frame)? {
            Control::Release(id) => match self.state.release(id)? {
                Release::Nothing => {}
                release => batch.releases.push(release),
            },
            Control::Subscribe {
                packet_id,
                filters,
                identifier,
            } => {
                let codes: Vec<u8> = filters
                    .iter()
                    .map(|filter| self.subscribe(filter, identifier))
                    .collect();
                put_suback(&mut self.out, packet_id, self.v5, &codes);
            }
            Control::Unsubscribe { packet_id, filters } => {
                let codes: Vec<u8> = filters
                    .iter()
                    .map(|filter| self.unsubscribe(filter))
                    .collect();
                put_unsuback(&mut self.out, packet_id, self.v5, &codes);
            }
            Control::Ping => put_pingresp(&mut self.out),
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

    fn subscribe(&mut self, filter: &str, identifier: bool) -> u8 {
        let limits = &self.shared.limits;
        let known = self.subscriptions.iter().any(|other| other == filter);
        let code = match topic::filter(filter, limits.topic_bytes_max) {
            Err(FilterFault::Invalid) => 0x8f,
            Err(FilterFault::Shared) => 0x9e,
            Err(FilterFault::Wildcard) => 0xa2,
            Ok(()) if identifier => 0xa1,
            Ok(()) if !known && self.subscriptions.len() >= limits.subscriptions_max => 0x97,
            Ok(()) if !self.shared.handler.subscribe(&self.client, filter) => 0x87,
            Ok(()) => {
                self.shared.hub.subscribe(filter, &self.outbox);
                if !known {
                    self.subscriptions.push(filter.to_owned());
                }
                0
            }
        };
        if self.v5 || code == 0 { code } else { 0x80 }
    }

    fn unsubscribe(&mut self, filter: &str) -> u8 {
        let Some(index) = self.subscriptions.iter().position(|other| other == filter) else {
            return 0x11;
        };
        self.subscriptions.swap_remove(index);
        self.shared.hub.unsubscribe(filter, &self.outbox);
        0
    }

    fn hand_over(&mut self, batch: Batch) {
        if batch.received > 0 {
            add(&self.shared.counters.received, batch.received);
        }
        if !batch.slots.is_empty() {
            let work = if batch.messages.is_empty() {
                Work::Turn(Some(Outcome::Verdicts(Vec::new())))
            } else {
                Work::Publish(self.shared.handler.publish(&self.client, batch.messages))
            };
            self.flow
                .push(Handed::Publishes(batch.slots), batch.charge, work);
        }
        if !batch.releases.is_empty() {
            let forget = |release: &Release| {
                if let Release::Forget(id) = release {
                    Some(*id)
                } else {
                    None
                }
            };
            let ids: Vec<u16> = batch.releases.iter().filter_map(forget).collect();
            let work = if ids.is_empty() {
                Work::Turn(Some(Outcome::Released(true)))
            } else {
                Work::Release(self.shared.handler.release(&self.client, ids))
            };
            let charge = batch.releases.len() * size_of::<Release>() + MESSAGE_OVERHEAD_BYTES;
            self.flow
                .push(Handed::Releases(batch.releases), charge, work);
        }
    }

    /// Writes the answers of what is settled, in order.
    pub(super) fn settle(&mut self, settled: Vec<(Handed, Outcome)>) -> Result<(), CloseReason> {
        for (handed, outcome) in settled {
            match (handed, outcome) {
                (Handed::Publishes(slots), Outcome::Verdicts(verdicts)) => {
                    self.settle_publishes(slots, verdicts)?;
                }
                (Handed::Releases(releases), Outcome::Released(done)) => {
                    self.settle_releases(&releases, done)?;
                }
                // Work and what was handed over are pushed together, so they match.
                (Handed::Publishes(_), Outcome::Released(_))
                | (Handed::Releases(_), Outcome::Verdicts(_)) => {}
            }
        }
        Ok(())
    }

    fn settle_publishes(
        &mut self,
        slots: Vec<Slot>,
        verdicts: Vec<Verdict>,
    ) -> Result<(), CloseReason> {
        let mut tally = Tally::default();
        let mut verdicts = verdicts.into_iter();
        let mut end = Ok(());
        for slot in slots {
            let verdict = slot
                .local
                .unwrap_or_else(|| verdicts.next().unwrap_or(MISSING));
            tally.count(slot.local, verdict);
            // After a refusal that MQTT 3 cannot express nothing more is answered, but all is counted.
            if end.is_ok() {
                match self.state.settled(slot.answer, verdict) {
                    Ok(Some(reply)) => {
                        tally.acked += u64::from(reply.code == 0);
                        self.reply(reply);
                    }
                    Ok(None) => {}
                    Err(reason) => end = Err(reason),
                }
            }
        }
        tally.add_to(&self.shared.counters);
        end
    }

    fn settle_releases(&mut self, releases: &[Release], done: bool) -> Result<(), CloseReason> {
        if !done {
            return Err(CloseReason::ReleaseFailed);
        }
        for release in releases {
            match *release {
                Release::Forget(id) => {
                    let reply = self.state.released(id);
                    self.reply(reply);
                }
                Release::Unknown(id) => self.reply(self.state.unknown_release(id)),
                Release::Nothing => {}
            }
        }
        Ok(())
    }

    fn reply(&mut self, reply: Reply) {
        put_ack(&mut self.out, reply.kind, reply.packet_id, reply.code);
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), CloseReason> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(0) => return Err(CloseReason::ConnectionLost),
                Ok(n) => {
                    self.out.advance(n);
                    self.blocked = None;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                Err(_) => return Err(CloseReason::ConnectionLost),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), CloseReason> {
        match self.stream.try_read_buf(self.inbound.room()) {
            Ok(0) => Err(CloseReason::ConnectionLost),
            Ok(n) => {
                add(&self.shared.counters.received_bytes, n as u64);
                self.inbound.filled(n);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(CloseReason::ConnectionLost),
        }
    }

    /// Encodes what waits for this subscriber, as far as the socket keeps up.
    fn take_outgoing(&mut self) {
        while self.out.len() < UNSENT_BYTES_MAX {
            let Some((topic, payload)) = self.outbox.pop() else {
                return;
            };
            if !put_publish(
                &mut self.out,
                &topic,
                &payload,
                self.v5,
                self.client_packet_bytes_max,
            ) {
                add(&self.shared.counters.dropped, 1);
            }
        }
    }

    /// The next moment at which something may be overdue.
    fn due(&self) -> Instant {
        let mut due = self.heard + self.keep_alive;
        if self.paused {
            // What is not read cannot be heard: the clock stands until reading is resumed.
            due = Instant::now() + self.keep_alive;
        } else if let Some((_, until)) = &self.grant {
            due = due.min(*until);
        }
        if let Some(since) = self.blocked {
            due = due.min(since + self.shared.limits.write_timeout);
        }
        due
    }

    fn check_time(&mut self) -> Result<(), CloseReason> {
        let now = Instant::now();
        if self
            .blocked
            .is_some_and(|since| now >= since + self.shared.limits.write_timeout)
        {
            return Err(CloseReason::WriteTimeout);
        }
        if !self.paused {
            if self.grant.as_ref().is_some_and(|(_, until)| now >= *until) {
                return Err(CloseReason::PacketTimeout);
            }
            let waits_for_grant = self.grant.is_none() && self.inbound.grant_wanted() > 0;
            if waits_for_grant {
                self.heard = now;
            } else if now >= self.heard + self.keep_alive {
                return Err(CloseReason::KeepAliveTimeout);
            }
        }
        let due = self.due();
        self.timer.as_mut().reset(due);
        Ok(())
    }
}

/// What a handler that returns too few verdicts is taken to mean.
const MISSING: Verdict = Verdict::Refused(Refusal::Unavailable);

/// Counts of one batch, so that the shared counters are touched once.
#[derive(Default)]
pub(super) struct Tally {
    settled: u64,
    refused: u64,
    pub(super) acked: u64,
}

impl Tally {
    pub(super) fn count(&mut self, local: Option<Verdict>, verdict: Verdict) {
        match (local, verdict) {
            // It was counted when it was handed over the first time.
            (Some(Verdict::Accepted), _) => {}
            (_, Verdict::Accepted) => self.settled += 1,
            (_, Verdict::Refused(_)) => self.refused += 1,
        }
    }

    pub(super) fn add_to(&self, counters: &crate::stats::Counters) {
        add(&counters.settled, self.settled);
        add(&counters.refused, self.refused);
        add(&counters.acked, self.acked);
    }
}
