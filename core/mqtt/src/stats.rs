//! Counters that a metrics page can read at any time.
//!
//! Each number is kept where the thing happens and never corrected afterwards, so that sums hold: every received
//! message is settled as accepted or refused, or is still pending, or was repeated.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::CloseReason;

/// A snapshot of the listener's counters. All but `connections` and `pending_bytes` only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections now, before CONNECT and while draining included.
    pub connections: usize,
    /// Bytes that wait for the handler now.
    pub pending_bytes: usize,
    /// Sockets accepted.
    pub accepted: u64,
    /// Bytes read from connected clients.
    pub received_bytes: u64,
    /// PUBLISH packets.
    pub received: u64,
    /// Messages that the handler accepted.
    pub settled: u64,
    /// PUBACK and PUBREC of success that were sent.
    pub acked: u64,
    /// Messages that were refused, QoS 0 included.
    pub refused: u64,
    /// QoS 2 messages that came again and were not handed over.
    pub repeated: u64,
    /// Connections closed because the client broke the protocol.
    pub malformed: u64,
    /// Outgoing messages that a full queue or a small client lost.
    pub dropped: u64,
    /// Outgoing messages put into a queue.
    pub sent: u64,
    /// Connections closed because a wait ran out.
    pub timeouts: u64,
    /// Wills that were handed over.
    pub wills: u64,
    /// Times that reading stopped at a bound.
    pub pauses: u64,
    /// Closed connections by [`CloseReason::as_str`]; reasons that never happened are absent.
    pub closed: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicUsize,
    pub(crate) accepted: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) settled: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) wills: AtomicU64,
    pub(crate) pauses: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

impl Counters {
    pub(crate) fn closed(&self, reason: CloseReason) {
        if let Some(counter) = self.closed.get(reason as usize) {
            add(counter, 1);
        }
    }

    pub(crate) fn snapshot(&self, pending_bytes: usize) -> Stats {
        let mut stats = Stats {
            connections: self.connections.load(Relaxed),
            pending_bytes,
            accepted: self.accepted.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            received: self.received.load(Relaxed),
            settled: self.settled.load(Relaxed),
            acked: self.acked.load(Relaxed),
            refused: self.refused.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            sent: self.sent.load(Relaxed),
            wills: self.wills.load(Relaxed),
            pauses: self.pauses.load(Relaxed),
            ..Stats::default()
        };
        for (reason, counter) in CloseReason::ALL.iter().zip(&self.closed) {
            let n = counter.load(Relaxed);
            if n > 0 {
                stats.closed.insert(reason.as_str(), n);
            }
            stats.malformed += if reason.is_malformed() { n } else { 0 };
            stats.timeouts += if reason.is_timeout() { n } else { 0 };
        }
        stats
    }
}
