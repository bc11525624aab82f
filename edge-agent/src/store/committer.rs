//! The one thread that writes. It takes what is due, decides what there is room for, commits, and only then answers.
//!
//! A commit that failed leaves everybody who waited refused, and the file closed: the library answers nothing
//! more after an I/O error. It is opened again before the next commit, and the books are read again from disk,
//! because a commit that was reported as failed may have reached it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wardline_disk::DiskError;
use wardline_disk::limits::REOPEN_PAUSE_MS_MIN;
use wardline_model::loss::LossRecord;
use wardline_model::{Body, Class, Event, RangeSet};

use super::commit::{self, Done, Writes};
use super::queue::{Append, AppendAnswer, Command, Covered, Taken};
use super::tables::Totals;
use super::{Held, Refusal, Shared, open};
use crate::buffer::gate::Gate;
use crate::buffer::pack::cost;
use crate::clock::Stamper;
use crate::limits::{FREE_DELAY_MS, HOUSEKEEPING_MS, IDLE_TICK_MS, QOS2_IDS_MAX};

pub(super) struct Committer {
    pub shared: Arc<Shared>,
    pub clock: Stamper,
    pub books: Totals,
    pub gate: Gate,
    /// Not before this: the next attempt to open the store again.
    pub retry_at: Option<Instant>,
    /// The file contradicts itself: it is set aside as soon as the disk lets us.
    pub damaged: Option<String>,
    /// When housekeeping was last done.
    pub housekept: Instant,
}

/// Who waits for the commit.
#[derive(Default)]
struct Waiting {
    appends: Vec<(AppendAnswer, u64)>,
    refused: Vec<AppendAnswer>,
    others: Vec<oneshot::Sender<bool>>,
}

impl Committer {
    pub(super) fn run(mut self) {
        loop {
            self.shared.pulse.tick();
            let taken = self.shared.queue.take(self.patience());
            let closed = taken.closed;
            self.note_foreign_refusals();
            if taken.commands.is_empty() && taken.receipt.is_none() {
                self.idle();
            } else {
                self.round(taken);
            }
            if self.housekept.elapsed() >= Duration::from_millis(HOUSEKEEPING_MS) {
                self.housekeep();
            }
            if closed {
                break;
            }
        }
        self.last_words();
        self.shared.file.close();
    }

    /// Refusals that intake decided without asking us (too large) belong into the same books.
    fn note_foreign_refusals(&mut self) {
        let count = self.shared.take_foreign_refusals();
        if count > 0 {
            self.gate.refuse(count, self.clock.stamp().wall_ms);
            self.publish();
        }
    }

    /// How long to wait for something to do.
    fn patience(&self) -> Duration {
        Duration::from_millis(if !self.shared.file.is_open() {
            REOPEN_PAUSE_MS_MIN
        } else if self.has_to_tell() {
            FREE_DELAY_MS
        } else {
            IDLE_TICK_MS
        })
    }

    /// Refusals that no record tells yet, and room to tell them.
    fn has_to_tell(&self) -> bool {
        self.gate.pending().is_some() && !self.gate.is_full()
    }

    fn round(&mut self, mut taken: Taken) {
        self.heal(&taken.commands);
        if let Err(refusal) = self.make_ready() {
            self.refuse_all(taken.commands, refusal);
            if let Some(covered) = taken.receipt {
                self.shared
                    .queue
                    .receipt(covered, Duration::from_millis(REOPEN_PAUSE_MS_MIN));
            }
            return;
        }
        // A receipt for another life of the store is about other events.
        let incarnation = self.books.incarnation;
        taken.receipt = taken
            .receipt
            .filter(|covered| covered.incarnation == incarnation);
        let mut waiting = Waiting::default();
        let commands = self.admitted(taken.commands, taken.receipt.is_some());
        let record = match self.shared.file.is_full() {
            true => None,
            false => self.gate.take_record(self.books.bytes),
        };
        if commands.is_empty() && taken.receipt.is_none() && record.is_none() {
            return;
        }
        let writes = self.decide(commands, record, &mut waiting);
        let refused = std::mem::take(&mut waiting.refused);
        match self.commit(writes, taken.receipt.as_ref().map(|c| &c.numbers)) {
            Ok(done) => {
                if done.more_to_free
                    && let Some(covered) = taken.receipt
                {
                    self.shared.queue.receipt(covered, Duration::ZERO);
                }
                self.adopt(done);
                self.publish();
                for (answer, _) in waiting.appends {
                    // Whoever went away does not need the answer: the event is stored either way.
                    answer.send(Ok(())).ok();
                }
                for answer in waiting.others {
                    answer.send(true).ok();
                }
            }
            Err(error) => {
                if let Some(record) = record {
                    self.gate.untold_again(record);
                }
                self.fail(&error, waiting, taken.receipt);
            }
        }
        for answer in refused {
            answer.send(Err(Refusal::Full)).ok();
        }
    }

    /// On a full disk only freeing goes on, until the reserve is back or freeing made room: what is taken in before would
    /// fill the room that freeing needs. The reserve is not taken back in a round that frees, because that round may need it.
    fn admitted(&mut self, commands: Vec<Command>, freeing: bool) -> Vec<Command> {
        let file = &self.shared.file;
        let raw_len = |command: &Command| match command {
            Command::Append(append) => append.raw_len as u64,
            _ => 0,
        };
        let bytes = commands.iter().map(raw_len).sum();
        let admitted = !(freeing && file.is_full()) && file.admit(bytes).is_ok();
        if admitted || bytes == 0 {
            return commands;
        }
        let (appends, others) = commands
            .into_iter()
            .partition(|command| matches!(command, Command::Append(_)));
        self.refuse_all(appends, Refusal::Failed);
        others
    }

    fn adopt(&mut self, done: Done) {
        self.shared.file.moved(done.added_bytes, done.freed_bytes);
        self.books = done.books;
    }

    fn commit(&self, writes: Writes, covered: Option<&RangeSet>) -> Result<Done, DiskError> {
        let mut books = self.books.clone();
        books.refused = self.gate.total();
        books.untold = self.gate.pending();
        self.shared.file.with("commit to it", |database| {
            commit::write(database, writes, books, covered)
        })
    }

    /// Sorts what there is room for from what is refused, and numbers the former.
    fn decide(
        &mut self,
        commands: Vec<Command>,
        record: Option<(u64, i64)>,
        waiting: &mut Waiting,
    ) -> Writes {
        let mut writes = Writes::new(&self.books);
        if let Some((count, since_ms)) = record {
            writes.push(&self.loss(LossRecord::Refused { count, since_ms }));
        }
        let mut used = self.books.bytes;
        let mut ids = self.books.qos2_ids;
        for command in commands {
            match command {
                Command::Append(append) => {
                    self.admit(append, &mut used, &mut ids, &mut writes, waiting);
                }
                Command::Release {
                    client,
                    ids,
                    answer,
                } => {
                    writes
                        .released
                        .extend(ids.into_iter().map(|id| (Arc::clone(&client), id)));
                    waiting.others.push(answer);
                }
                Command::Clear { client, answer } => {
                    writes.cleared.push(client);
                    waiting.others.push(answer);
                }
                Command::SetAside { first } => writes.set_aside.push(first),
                // Worked off before the commit.
                Command::Damaged { .. } => {}
            }
        }
        writes
    }

    fn admit(
        &mut self,
        append: Append,
        used: &mut u64,
        ids: &mut u64,
        writes: &mut Writes,
        waiting: &mut Waiting,
    ) {
        let count = append.events.len() as u64;
        // As if nothing compressed and nothing shared a block: the quota is not passed by what is admitted.
        let need = cost(append.raw_len + append.raw_len / 200 + 64);
        let new_ids = append.ids.len() as u64;
        let room = self.gate.admit(*used, need) && ids.saturating_add(new_ids) <= QOS2_IDS_MAX;
        if !room {
            self.gate.refuse(count, self.clock.stamp().wall_ms);
            waiting.refused.push(append.answer);
            return;
        }
        *used = used.saturating_add(need);
        *ids += new_ids;
        for event in &append.events {
            writes.push(event);
        }
        writes.ids.extend(append.ids);
        waiting.appends.push((append.answer, count));
    }

    fn loss(&self, record: LossRecord) -> Event {
        Event {
            class: Class::Alarm,
            stamp: self.clock.stamp(),
            source: "agent".to_owned(),
            body: Body::Loss(record),
        }
    }

    fn fail(&mut self, error: &DiskError, waiting: Waiting, covered: Option<Covered>) {
        tracing::error!(%error, waiting = waiting.appends.len(), "commit failed: what waited is refused, the store is opened again");
        if let DiskError::Damaged { what, .. } = error {
            self.damaged = Some(what.clone());
        }
        let now_ms = self.clock.stamp().wall_ms;
        self.gate
            .refuse(waiting.appends.iter().map(|(_, count)| count).sum(), now_ms);
        // Readers go on at once if it opens; if it does not, the next attempt is soon.
        self.make_ready().ok();
        self.publish();
        for (answer, _) in waiting.appends {
            answer.send(Err(Refusal::Failed)).ok();
        }
        for answer in waiting.others {
            answer.send(false).ok();
        }
        if let Some(covered) = covered {
            self.shared
                .queue
                .receipt(covered, Duration::from_millis(REOPEN_PAUSE_MS_MIN));
        }
    }

    fn refuse_all(&mut self, commands: Vec<Command>, refusal: Refusal) {
        let events = |command: &Command| match command {
            Command::Append(append) => append.events.len() as u64,
            _ => 0,
        };
        let now_ms = self.clock.stamp().wall_ms;
        self.gate.refuse(commands.iter().map(events).sum(), now_ms);
        self.publish();
        for command in commands {
            match command {
                Command::Append(append) => {
                    append.answer.send(Err(refusal)).ok();
                }
                Command::Release { answer, .. } | Command::Clear { answer, .. } => {
                    answer.send(false).ok();
                }
                Command::SetAside { .. } | Command::Damaged { .. } => {}
            }
        }
    }

    /// A reader met damage that no opening shows.
    fn heal(&mut self, commands: &[Command]) {
        let ours = |command: &Command| match command {
            Command::Damaged { incarnation, why } if *incarnation == self.books.incarnation => {
                Some(why.clone())
            }
            _ => None,
        };
        if let Some(why) = commands.iter().find_map(ours) {
            self.damaged = Some(why);
        }
    }

    /// Opens the store again if the last commit closed it; not more often than the pause allows.
    fn make_ready(&mut self) -> Result<(), Refusal> {
        if self.shared.file.is_open() && self.damaged.is_none() {
            return Ok(());
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(Refusal::Failed);
        }
        match self.open_again() {
            Ok(()) => {
                tracing::warn!(next_seq = self.books.next_seq, "the store is open again");
                self.retry_at = None;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again yet: everything is refused");
                self.retry_at = Some(Instant::now() + Duration::from_millis(REOPEN_PAUSE_MS_MIN));
                Err(Refusal::Failed)
            }
        }
    }

    /// The same life if the file can be read, a new one if it contradicts itself.
    fn open_again(&mut self) -> Result<(), crate::Error> {
        let file = &self.shared.file;
        let publish = |found: &Totals| {
            self.shared.held.send_modify(|held| {
                held.incarnation = found.incarnation;
                held.oldest = found.oldest;
                held.next_seq = found.next_seq;
            });
        };
        let opening = open::Opening {
            known: Some(&self.books),
            stamp: self.clock.stamp(),
            publish: &publish,
        };
        let found = match &self.damaged {
            Some(why) => open::replace(file, why, &opening)?,
            None => open::open(file, &opening)?,
        };
        self.damaged = None;
        self.books = found;
        self.publish();
        Ok(())
    }

    fn publish(&mut self) {
        self.gate.look(self.books.bytes);
        let held = Held::of(&self.books, &self.gate);
        self.shared.held.send_replace(held);
    }

    fn idle(&mut self) {
        if self.make_ready().is_ok() && self.has_to_tell() {
            self.round(Taken::nothing());
        }
    }

    /// Gives the disk back what a drained backlog left behind.
    fn housekeep(&mut self) {
        self.housekept = Instant::now();
        if !self.shared.file.is_open() {
            return;
        }
        match self.shared.file.shrink(self.books.bytes) {
            Ok(None) => {}
            Ok(Some(shrunk)) => tracing::info!(?shrunk, "the store was made smaller"),
            Err(error) => {
                tracing::warn!(%error, "the store could not be made smaller: it is opened again");
            }
        }
    }

    /// Refusals that no record tells yet must not be forgotten by an orderly stop.
    fn last_words(&mut self) {
        let told =
            self.books.untold == self.gate.pending() && self.books.refused == self.gate.total();
        if told || !self.shared.file.is_open() {
            return;
        }
        let mut waiting = Waiting::default();
        let record = self.gate.take_record(self.books.bytes);
        let writes = self.decide(Vec::new(), record, &mut waiting);
        match self.commit(writes, None) {
            Ok(done) => self.adopt(done),
            Err(error) => tracing::warn!(%error, "the count of refused events could not be kept"),
        }
        self.publish();
    }
}
