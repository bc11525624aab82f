//! Answers what is settled, in the order of the wire.
//!
//! Every verdict is counted, also when its answer can no longer be sent, so that the counters add up.

use bytes::BytesMut;

use super::flow::{Handed, Outcome};
use super::serving::Serving;
use crate::session::{Release, Reply, Slot};
use crate::stats::{Counters, add};
use crate::wire::put_ack;
use crate::{CloseReason, Refusal, Verdict};

impl Serving {
    /// Writes the answers of what is settled, in order.
    pub(super) fn settle(
        &mut self,
        settled: Vec<(Handed, Outcome)>,
        out: &mut BytesMut,
    ) -> Result<(), CloseReason> {
        let mut end = Ok(());
        let mut unanswered = Tally::default();
        for (handed, outcome) in settled {
            if end.is_ok() {
                end = self.answer(handed, outcome, out);
            } else {
                unanswered.count_all(&handed, &outcome);
            }
        }
        unanswered.add_to(&self.shared.counters);
        end
    }

    fn answer(
        &mut self,
        handed: Handed,
        outcome: Outcome,
        out: &mut BytesMut,
    ) -> Result<(), CloseReason> {
        match (handed, outcome) {
            (Handed::Publishes(slots), Outcome::Verdicts(verdicts)) => {
                self.settle_publishes(slots, verdicts, out)
            }
            (Handed::Releases(releases), Outcome::Released(done)) => {
                self.settle_releases(&releases, done, out)
            }
            // Work and what was handed over are pushed together, so they match.
            (Handed::Publishes(_), Outcome::Released(_))
            | (Handed::Releases(_), Outcome::Verdicts(_)) => Ok(()),
        }
    }

    fn settle_publishes(
        &mut self,
        slots: Vec<Slot>,
        verdicts: Vec<Verdict>,
        out: &mut BytesMut,
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

/// What a handler that returns too few verdicts is taken to mean.
pub(super) const MISSING: Verdict = Verdict::Refused(Refusal::Unavailable);

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

    /// Counts what is settled without an answer.
    pub(super) fn count_all(&mut self, handed: &Handed, outcome: &Outcome) {
        let (Handed::Publishes(slots), Outcome::Verdicts(verdicts)) = (handed, outcome) else {
            return;
        };
        let mut verdicts = verdicts.iter().copied();
        for slot in slots {
            let verdict = slot
                .local
                .unwrap_or_else(|| verdicts.next().unwrap_or(MISSING));
            self.count(slot.local, verdict);
        }
    }

    pub(super) fn add_to(&self, counters: &Counters) {
        add(&counters.settled, self.settled);
        add(&counters.refused, self.refused);
        add(&counters.acked, self.acked);
    }
}
