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
use super::flow::{Flow, Handed, Outcome};
use super::registry::Seated;
use crate::hub::Outbox;
use crate::limits::UNSENT_BYTES_MAX;
use crate::session::State;
use crate::stats::add;
use crate::wire::{Decoder, Inbound, Will, put_publish};
use crate::{Client, CloseReason, Protocol, Session};

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
    pub(super) v5: bool,
    pub(super) state: State,
    pub(super) inbound: Inbound,
    pub(super) decoder: Decoder,
    pub(super) seated: Seated,
    pub(super) session_expires: bool,
    client_packet_bytes_max: usize,
    keep_alive: Duration,
    /// Room that was reserved for the large packet at the front, and until when it has to be complete.
    pub(super) grant: Option<(Grant, Instant)>,
    /// When the last complete packet came, or reading was last resumed.
    pub(super) heard: Instant,
    /// Since when the socket takes nothing.
    blocked: Option<Instant>,
    /// Decoding stopped at a bound; complete packets may be left in the buffer.
    pub(super) paused: bool,
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

    pub(super) fn granted(&self) -> usize {
        self.grant.as_ref().map_or(0, |(grant, _)| grant.bytes())
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
