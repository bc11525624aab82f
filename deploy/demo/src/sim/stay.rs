//! What happens to one visit next.
//!
//! Every open visit has exactly one step in the queue, so no step can find that somebody else moved
//! its patient, except by a swap, which takes only visits that are merely staying. Human errors are
//! decided when they are made: the bed they concern is held until the cancel some minutes later.

use super::{
    Hospital, Task,
    books::{BedIx, VisitNo},
    plan::Class,
};

/// What a visit does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A planned patient comes (A01).
    Admit,
    /// The plan was a mistake (A38 or A27).
    CancelPlanned,
    /// The admission was a mistake (A11).
    CancelAdmission,
    /// Care goes on; so many decisions are still to come before it ends.
    Stay(u8),
    /// The end of care here: home, or to which department? So many times no bed was found.
    Decide(u8),
    /// Into the promised bed (A02). With a time: it happened then and is told late.
    Transfer(Option<i64>),
    /// The transfer was a mistake (A12).
    CancelTransfer,
    /// The pending transfer was a mistake (A26).
    CancelMove,
    /// Back from leave (A22).
    Return,
    /// The pending discharge was a mistake (A25).
    CancelLeaving,
    /// Home (A03). With a time: it happened then and is told late.
    Discharge(Option<i64>),
    /// The discharge was a mistake (A13).
    CancelDischarge,
    /// Out of a bed that somebody else is in as well (A02).
    MoveOut,
}

/// Shares of human errors and of late reports.
const WRONG_ADMISSION: f64 = 0.02;
const LATE_REPORT: f64 = 0.03;
/// Minutes until an error is noticed, and until a late report is made.
pub(super) const NOTICED_AFTER_MIN: f64 = 6.0;
const LATE_BY_MIN: f64 = 15.0;
/// Below this share of taken beds stays get longer.
const UNHURRIED_LOAD: f64 = 0.8;
/// How often a department is asked for a bed before the patient goes home after all.
const TRIES_MAX: u8 = 4;

/// Mean minutes between two decisions of a stay, and how many there are.
pub(super) fn pace(class: Class) -> (f64, u8) {
    match class {
        Class::Ed => (48.0, 2),
        Class::Ward => (360.0, 4),
        Class::Icu => (400.0, 4),
    }
}

impl Hospital {
    pub(super) fn visit_step(&mut self, no: VisitNo, step: Step) {
        match step {
            Step::Admit => self.admit_planned(no),
            Step::CancelPlanned => self.cancel_planned(no),
            Step::CancelAdmission => self.cancel_admission(no),
            Step::Stay(left) => self.stay(no, left),
            Step::Decide(tries) => self.decide(no, tries),
            Step::Transfer(since) => self.transfer(no, since),
            Step::CancelTransfer => self.cancel_transfer(no),
            Step::CancelMove => self.cancel_move(no),
            Step::Return => self.return_from_leave(no),
            Step::CancelLeaving => self.cancel_leaving(no),
            Step::Discharge(since) => self.discharge(no, since),
            Step::CancelDischarge => self.cancel_discharge(no),
            Step::MoveOut => self.move_out(no),
        }
    }

    pub(super) fn then(&mut self, no: VisitNo, wait_ms: i64, step: Step) {
        self.due(wait_ms, Task::Visit(no, step));
    }

    pub(super) fn next_visit(&mut self) -> VisitNo {
        self.visits += 1;
        self.visits
    }

    /// A patient comes into that bed now, by A01 or A04.
    pub(super) fn admit(&mut self, event: &str, bed: BedIx) -> VisitNo {
        let (no, kind) = (
            self.next_visit(),
            if self.class_of(bed) == Class::Ed {
                "E"
            } else {
                "I"
            },
        );
        self.books.admit(no, no, kind, bed, self.now);
        self.say_plain(event, no, self.now);
        no
    }

    /// A patient who has just come stays, unless it was a mistake.
    pub(super) fn settle(&mut self, no: VisitNo) {
        if self.chance(WRONG_ADMISSION) {
            self.books.lock(no, true);
            let wait = self.about(NOTICED_AFTER_MIN);
            self.then(no, wait, Step::CancelAdmission);
        } else {
            self.begin_care(no);
        }
    }

    pub(super) fn begin_care(&mut self, no: VisitNo) {
        self.books.lock(no, false);
        let Some(class) = self.class_of_visit(no) else {
            return;
        };
        let (mean, looks) = pace(class);
        let wait = self.spread(mean);
        self.then(no, wait, Step::Stay(looks));
    }

    fn admit_planned(&mut self, no: VisitNo) {
        let Some((patient, (bed, _))) = self
            .books
            .visit(no)
            .and_then(|v| Some((v.patient, v.planned?)))
        else {
            return;
        };
        self.books.admit(no, patient, "I", bed, self.now);
        self.say_plain("A01", no, self.now);
        self.settle(no);
    }

    fn cancel_planned(&mut self, no: VisitNo) {
        let Some((_, at)) = self.books.visit(no).and_then(|visit| visit.planned) else {
            return;
        };
        let event = if self.chance(0.5) { "A38" } else { "A27" };
        self.say_plain(event, no, at);
        self.books.erase(no);
    }

    fn cancel_admission(&mut self, no: VisitNo) {
        let Some(at) = self.books.visit(no).map(|visit| visit.admitted) else {
            return;
        };
        self.say_plain("A11", no, at);
        self.books.erase(no);
    }

    /// One decision of a stay: most often nothing but an update.
    fn stay(&mut self, no: VisitNo, left: u8) {
        let Some(class) = self.class_of_visit(no) else {
            return;
        };
        let (mean, _) = pace(class);
        let wait = self.spread(mean);
        if left == 0 {
            // With beds to spare nobody is hurried home.
            if self.load(class) < UNHURRIED_LOAD && self.chance(0.6) {
                return self.then(no, wait, Step::Stay(0));
            }
            return self.end_care(no, class);
        }
        let next = Step::Stay(left - 1);
        match (class, self.roll()) {
            (Class::Ward, 0..=4) => return self.go_on_leave(no),
            (Class::Ward, 5..=8) => self.swap(no),
            (Class::Ward, 9..=13) if self.promise(no, Class::Icu) => {
                return self.await_transfer(no);
            }
            (Class::Ward, 14..=17) if self.promise(no, Class::Ward) => {
                return self.await_transfer(no);
            }
            (_, 18..=70) => {
                let adt = self
                    .adt("A08", no, self.now)
                    .segment("DG1|1||Z00.0^ZZDIAG-Checkup^I10");
                self.say(adt);
            }
            _ => {}
        }
        self.then(no, wait, next);
    }

    fn end_care(&mut self, no: VisitNo, class: Class) {
        if class == Class::Ward {
            self.plan_discharge(no);
        } else {
            self.decide(no, 0);
        }
    }

    fn decide(&mut self, no: VisitNo, tries: u8) {
        let Some(class) = self.class_of_visit(no) else {
            return;
        };
        let (to, share) = match class {
            Class::Ed if self.roll() < 12 && self.load(Class::Icu) < 0.92 => (Class::Icu, 0.9),
            Class::Ed => (
                Class::Ward,
                if self.load(Class::Ward) < 0.94 {
                    0.34
                } else {
                    0.12
                },
            ),
            Class::Icu | Class::Ward => (Class::Ward, 0.9),
        };
        // Who once waits for a bed goes on waiting for one.
        if tries == 0 && !self.chance(share) {
            return if self.chance(0.4) {
                self.plan_discharge(no);
            } else {
                self.discharge(no, None);
            };
        }
        if self.promise(no, to) {
            self.await_transfer(no);
        } else if tries < TRIES_MAX {
            let wait = self.about(20.0);
            self.then(no, wait, Step::Decide(tries + 1));
        } else {
            self.discharge(no, None);
        }
    }

    /// True if this is one of the events that are told late; then nothing touches the visit until it is.
    pub(super) fn told_late(&mut self, no: VisitNo, later: Step) -> bool {
        let late = self.chance(LATE_REPORT);
        self.books.lock(no, late);
        if late {
            let wait = self.about(LATE_BY_MIN);
            self.then(no, wait, later);
        }
        late
    }

    pub(super) fn class_of(&self, bed: BedIx) -> Class {
        self.books
            .beds
            .get(bed)
            .map_or(Class::Ward, |bed| bed.class)
    }

    pub(super) fn class_of_visit(&self, no: VisitNo) -> Option<Class> {
        self.books
            .visit(no)
            .and_then(|visit| visit.bed)
            .map(|bed| self.class_of(bed))
    }

    pub(super) fn roll(&mut self) -> u8 {
        use rand::RngExt;
        self.rng.random_range(0..100)
    }
}
