//! Answers what is settled, in the order of the wire.
//!
//! Every settlement is counted, also when its answer can no longer be sent, so that the counters add up.

use bytes::BytesMut;

use super::flow::Settled;
use super::serving::Serving;
use crate::session::{Release, Reply, Slot};
use crate::stats::{Counters, add};
use crate::wire::put_ack;
use crate::{CloseReason, Refusal, Settlement};

impl Serving {
    /// Writes the answers of what is settled, in order.
    pub(super) fn settle(
        &mut self,
        settled: Vec<Settled>,
        out: &mut BytesMut,
    ) -> Result<(), CloseReason> {
        let mut end = Ok(());
        let mut unanswered = Tally::default();
        for one in settled {
            if end.is_err() {
                unanswered.count_all(&one);
                continue;
            }
            end = match one {
                Settled::Publishes(slots, settlements) => {
                    self.settle_publishes(slots, settlements, out)
                }
                Settled::Releases(releases, done) => self.settle_releases(&releases, done, out),
            };
        }
        unanswered.add_to(&self.shared.counters);
        end
    }

    fn settle_publishes(
        &mut self,
        slots: Vec<Slot>,
        settlements: Vec<Settlement>,
        out: &mut BytesMut,
    ) -> Result<(), CloseReason> {
        let mut tally = Tally::default();
        let mut settlements = settlements.into_iter();
        let mut end = Ok(());
        for slot in slots {
            let settlement = slot
                .local
                .unwrap_or_else(|| settlements.next().unwrap_or(MISSING));
            tally.count(slot.local, settlement);
            // After a refusal that MQTT 3 cannot express nothing more is answered, but all is counted.
            if end.is_ok() {
                match self.state.settled(slot.answer, settlement) {
                    Ok(Some(reply)) => {
                        tally.acked += u64::from(reply.code == 0);
                        reply.put(out);
                    }
                    Ok(None) => {}
                    Err(reason) => end = Err(reason),
                }
            }
        }
        tally.add_to(&self.shared.counters);
        end
    }

    fn settle_releases(
        &mut self,
        releases: &[Release],
        done: bool,
        out: &mut BytesMut,
    ) -> Result<(), CloseReason> {
        if !done {
            return Err(CloseReason::ReleaseFailed);
        }
        for release in releases {
            match *release {
                Release::Forget(id) => {
                    let reply = self.state.released(id);
                    reply.put(out);
                }
                Release::Unknown(id) => self.state.unknown_release(id).put(out),
                Release::Nothing => {}
            }
        }
        Ok(())
    }
}

impl Reply {
    fn put(self, out: &mut BytesMut) {
        put_ack(out, self.kind, self.packet_id, self.code);
    }
}

/// What a handler that returns too few settlements is taken to mean.
pub(super) const MISSING: Settlement = Settlement::Refused(Refusal::Unavailable);

/// Counts of one batch, so that the shared counters are touched once.
#[derive(Default)]
pub(super) struct Tally {
    settled: u64,
    refused: u64,
    pub(super) acked: u64,
}

impl Tally {
    pub(super) fn count(&mut self, local: Option<Settlement>, settlement: Settlement) {
        match (local, settlement) {
            // It was counted when it was handed over the first time.
            (Some(Settlement::Accepted), _) => {}
            (_, Settlement::Accepted) => self.settled += 1,
            (_, Settlement::Refused(_)) => self.refused += 1,
        }
    }

    /// Counts what is settled without an answer.
    pub(super) fn count_all(&mut self, settled: &Settled) {
        let Settled::Publishes(slots, settlements) = settled else {
            return;
        };
        let mut settlements = settlements.iter().copied();
        for slot in slots {
            let settlement = slot
                .local
                .unwrap_or_else(|| settlements.next().unwrap_or(MISSING));
            self.count(slot.local, settlement);
        }
    }

    pub(super) fn add_to(&self, counters: &Counters) {
        add(&counters.settled, self.settled);
        add(&counters.refused, self.refused);
        add(&counters.acked, self.acked);
    }
}
