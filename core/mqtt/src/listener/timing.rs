//! What may be overdue on a connection: a sign of life, the rest of a large packet, a peer that takes its bytes.
//!
//! The clock of the first two stands while the listener itself does not read: what is not read cannot be heard.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{CloseReason, Limits};

pub(super) struct Timing {
    /// One and a half keep-alives.
    silence_max: Duration,
    packet_timeout: Duration,
    write_timeout: Duration,
    /// When the last complete packet came, or reading was last resumed.
    heard: Instant,
    /// Until when the large packet at the front has to be complete.
    packet_until: Option<Instant>,
    reading: bool,
    timer: Pin<Box<Sleep>>,
}

impl Timing {
    pub(super) fn new(keep_alive_s: u16, limits: &Limits) -> Self {
        let silence_max = Duration::from_millis(1500 * u64::from(keep_alive_s));
        let now = Instant::now();
        Self {
            silence_max,
            packet_timeout: limits.packet_timeout,
            write_timeout: limits.write_timeout,
            heard: now,
            packet_until: None,
            reading: true,
            timer: Box::pin(sleep_until(now + silence_max)),
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading
    }

    /// Packets came.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
        self.packet_until = None;
    }

    /// Is a large packet on its way in?
    pub(super) fn awaits_packet(&mut self, awaits: bool) {
        let until = || Instant::now() + self.packet_timeout;
        self.packet_until = awaits.then(|| self.packet_until.unwrap_or_else(until));
    }

    /// Goes on or stops to read. Says whether it has just stopped.
    pub(super) fn set_reading(&mut self, reading: bool) -> bool {
        let before = std::mem::replace(&mut self.reading, reading);
        if reading && !before {
            self.heard();
        }
        before && !reading
    }

    /// Resolves when something is overdue. May be dropped at any time.
    pub(super) async fn overdue(&mut self, blocked_since: Option<Instant>) -> CloseReason {
        loop {
            let Some((due, reason)) = self.next_due(blocked_since) else {
                return std::future::pending().await;
            };
            // A deadline that moved back is looked at when the timer fires: cheaper than to set it with every packet.
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
            self.timer.as_mut().await;
            if Instant::now() >= due {
                return reason;
            }
            self.timer.as_mut().reset(due);
        }
    }

    fn next_due(&self, blocked_since: Option<Instant>) -> Option<(Instant, CloseReason)> {
        let blocked =
            blocked_since.map(|since| (since + self.write_timeout, CloseReason::WriteTimeout));
        let packet = self.packet_until.filter(|_| self.reading);
        let packet = packet.map(|until| (until, CloseReason::PacketTimeout));
        let silent = (self.heard + self.silence_max, CloseReason::KeepAliveTimeout);
        let silent = self.reading.then_some(silent);
        [blocked, packet, silent]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due)
    }
}
