//! Asks in rounds. The first answer, and every one after a silence or a broken stream, is a full one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Asker, Explain, Since, Sink, backoff};
use crate::limits::{FULL_EVERY_ROUNDS, POLL_EVERY_MS, RESYNC_WAIT_MS};
use crate::model::Update;

pub(super) struct Poll {
    pub asker: Asker,
    pub explain: Explain,
    pub since: Since,
    pub sink: Sink,
    pub stopping: Arc<AtomicBool>,
}

impl Poll {
    /// `woken` says that the stream lost something: a full round is due.
    pub(super) fn run(&self, woken: &Receiver<()>) {
        let mut backoff = backoff();
        let mut until_full: u64 = 0;
        while !self.stopping.load(Ordering::Acquire) {
            let bed = self
                .explain
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let asked = self.since.now();
            let (update, pause) = match self.asker.round(until_full == 0, bed.as_ref(), asked) {
                Ok(round) => {
                    backoff.progress();
                    until_full = until_full.checked_sub(1).unwrap_or(FULL_EVERY_ROUNDS - 1);
                    (
                        Update::Round(Box::new(round)),
                        Duration::from_millis(POLL_EVERY_MS),
                    )
                }
                Err(error) => {
                    until_full = 0;
                    (
                        Update::Lost {
                            why: error.reason(),
                        },
                        backoff.draw(),
                    )
                }
            };
            if self.stopping.load(Ordering::Acquire) || !(self.sink)(update) {
                return;
            }
            match woken.recv_timeout(pause) {
                Ok(()) => {
                    until_full = 0;
                    self.settle(woken);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes what comes right behind into the same round.
    fn settle(&self, woken: &Receiver<()>) {
        if !self.stopping.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(RESYNC_WAIT_MS));
        }
        while woken.try_recv().is_ok() {}
    }
}
