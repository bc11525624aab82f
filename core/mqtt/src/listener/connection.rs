//! One established connection: reads, hands over, answers.
//!
//! The task never waits inside a step. It decodes what is there while the bounds allow, hands over what it decoded
//! as one batch, writes what is settled, and then waits for whichever comes first. At a bound it stops reading, which
//! the client feels as TCP back-pressure; nothing is read that could not be kept. The duties stand apart: [`Io`] moves
//! bytes, [`Serving`] knows messages and answers, [`Timing`] what is overdue.

use std::convert::Infallible;
use std::sync::Arc;

use super::Shared;
use super::serving::{Due, Serving, Stopped};
use super::sessions::LiveSession;
use super::timing::Timing;
use crate::CloseReason;
use crate::io::Io;
use crate::limits::UNSENT_BYTES_MAX;
use crate::stats::add;
use crate::wire::Will;

pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) io: Io,
    pub(super) serving: Serving,
    pub(super) timing: Timing,
    pub(super) session: LiveSession,
    pub(super) will: Option<Will>,
}

/// What a connection may wait for.
enum Event {
    TakenOver,
    Stopping,
    Due(Due),
    Overdue(CloseReason),
    Moved(usize),
    Lost,
}

impl Connection {
    /// Serves until the end, and then ends in order.
    pub(super) async fn run(mut self) {
        let client = &self.serving.client;
        tracing::debug!(client = %client.id, peer = %client.peer, "mqtt: connected");
        let reason = match self.serve().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        };
        self.end(reason).await;
    }

    async fn serve(&mut self) -> Result<Infallible, CloseReason> {
        loop {
            let stopped = self.take_in()?;
            let written = self.io.write_now().await;
            written.map_err(|_| CloseReason::ConnectionLost)?;
            if stopped == Stopped::AtBound && self.serving.may_decode(&self.io, 0) {
                // What was just written made room.
                continue;
            }
            match self.next_event().await {
                Event::TakenOver => return Err(CloseReason::TakenOver),
                Event::Stopping => return Err(CloseReason::ShuttingDown),
                Event::Overdue(reason) => return Err(reason),
                Event::Lost => return Err(CloseReason::ConnectionLost),
                Event::Due(Due::Settled(settled)) => {
                    self.serving.settle(settled, &mut self.io.out)?;
                }
                Event::Due(Due::Outgoing) => self.serving.subscriber.encode(&mut self.io.out),
                Event::Due(Due::Room) => {}
                Event::Moved(received) => {
                    add(&self.shared.counters.received_bytes, received as u64);
                }
            }
        }
    }

    fn take_in(&mut self) -> Result<Stopped, CloseReason> {
        let (heard, stopped) = self.serving.take_in(&mut self.io)?;
        if heard {
            self.timing.heard();
        }
        let reading = matches!(stopped, Stopped::Empty | Stopped::InLargePacket);
        if self.timing.set_reading(reading) {
            add(&self.shared.counters.pauses, 1);
        }
        self.timing.awaits_packet(stopped == Stopped::InLargePacket);
        Ok(stopped)
    }

    async fn next_event(&mut self) -> Event {
        let may_send = self.io.out.len() < UNSENT_BYTES_MAX;
        let reading = self.timing.is_reading();
        tokio::select! {
            biased;
            () = self.session.taken_over.cancelled() => Event::TakenOver,
            () = self.shared.stopping.cancelled() => Event::Stopping,
            due = self.serving.due(may_send) => Event::Due(due),
            reason = self.timing.overdue(self.io.blocked_since()) => Event::Overdue(reason),
            moved = self.io.moved(reading) => moved.map_or(Event::Lost, Event::Moved),
        }
    }
}
