//! What happens to one visit next.
//!
//! Every open visit has exactly one step in the queue, so no step can find that somebody else moved
//! its patient, except by a swap, which takes only visits that are merely staying. Human errors are
//! decided when they are made: the bed they concern is held until the cancel some minutes later.

use super::{
    Hospital, Task,
    books::{BedIx, VisitNo},
    house::Chore,
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
const WRONG_MOVE: f64 = 0.05;
const WRONG_TRANSFER: f64 = 0.04;
const WRONG_LEAVING: f64 = 0.06;
const WRONG_DISCHARGE: f64 = 0.04;
/// Share of wrong discharges that are noticed only when somebody else is in the bed.
const BED_GIVEN_AWAY: f64 = 0.25;
const LATE_REPORT: f64 = 0.03;
/// Minutes until an error is noticed, and until a late report is made.
const NOTICED_AFTER_MIN: f64 = 6.0;
const LATE_BY_MIN: f64 = 15.0;
const TRANSFER_AFTER_MIN: f64 = 35.0;
const DISCHARGE_AFTER_MIN: f64 = 90.0;
const LEAVE_MIN: f64 = 240.0;
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

    fn begin_care(&mut self, no: VisitNo) {
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

    /// A15 into a free bed of that class; false if there is none.
    fn promise(&mut self, no: VisitNo, class: Class) -> bool {
        let Some(bed) = self.free_bed(|bed| bed.class == class) else {
            return false;
        };
        self.books.pend_move(no, Some((bed, self.now)));
        self.say_plain("A15", no, self.now);
        true
    }

    fn await_transfer(&mut self, no: VisitNo) {
        if self.chance(WRONG_MOVE) {
            let wait = self.about(NOTICED_AFTER_MIN);
            return self.then(no, wait, Step::CancelMove);
        }
        let wait = self.about(TRANSFER_AFTER_MIN);
        self.then(no, wait, Step::Transfer(None));
    }

    fn cancel_move(&mut self, no: VisitNo) {
        let Some((_, at)) = self.books.visit(no).and_then(|visit| visit.moving) else {
            return;
        };
        self.say_plain("A26", no, at);
        self.books.pend_move(no, None);
        let wait = self.about(30.0);
        self.then(no, wait, Step::Stay(1));
    }

    fn transfer(&mut self, no: VisitNo, since: Option<i64>) {
        if since.is_none() && self.told_late(no, Step::Transfer(Some(self.now))) {
            return;
        }
        let Some((from, (to, _))) = self.books.visit(no).and_then(|v| Some((v.bed?, v.moving?)))
        else {
            return;
        };
        let happened = since.unwrap_or(self.now);
        self.move_to(no, from, to, happened);
        if since.is_none() && self.chance(WRONG_TRANSFER) {
            self.books.hold(from, true);
            self.books.lock(no, true);
            let wait = self.about(NOTICED_AFTER_MIN);
            return self.then(no, wait, Step::CancelTransfer);
        }
        self.clean(from);
        self.begin_care(no);
    }

    fn move_to(&mut self, no: VisitNo, from: BedIx, to: BedIx, happened: i64) {
        self.books.transfer(no, to, happened);
        let adt = self
            .adt("A02", no, happened)
            .prior_bed(self.books.bed_name(from));
        self.say(adt);
    }

    fn cancel_transfer(&mut self, no: VisitNo) {
        let Some(before) = self.books.take_back_transfer(no) else {
            return;
        };
        self.books.lock(no, false);
        self.say_plain("A12", no, before.at);
        let wait = self.about(TRANSFER_AFTER_MIN);
        self.then(no, wait, Step::Transfer(None));
    }

    /// True if this is one of the events that are told late; then nothing touches the visit until it is.
    fn told_late(&mut self, no: VisitNo, later: Step) -> bool {
        let late = self.chance(LATE_REPORT);
        self.books.lock(no, late);
        if late {
            let wait = self.about(LATE_BY_MIN);
            self.then(no, wait, later);
        }
        late
    }

    /// Who may go home for some hours is nearly done: whatever was left of the stay is cut short.
    fn go_on_leave(&mut self, no: VisitNo) {
        self.leave(no);
        let wait = self.about(LEAVE_MIN);
        self.then(no, wait, Step::Return);
    }

    pub(super) fn leave(&mut self, no: VisitNo) {
        self.books.on_leave(no, true);
        self.say_plain("A21", no, self.now);
    }

    fn return_from_leave(&mut self, no: VisitNo) {
        self.books.on_leave(no, false);
        self.say_plain("A22", no, self.now);
        let wait = self.spread(pace(Class::Ward).0);
        self.then(no, wait, Step::Stay(1));
    }

    /// A17 with somebody on the same ward of whom nothing else is going on.
    fn swap(&mut self, no: VisitNo) {
        let Some(bed) = self.books.visit(no).and_then(|visit| visit.bed) else {
            return;
        };
        let Some(department) = self.books.beds.get(bed).map(|bed| bed.department) else {
            return;
        };
        if !self.settled(no, department) {
            return;
        }
        let all = self.books.visits.keys().copied();
        let others: Vec<VisitNo> = all
            .filter(|other| *other != no && self.settled(*other, department))
            .collect();
        let Some(other) = self.one_of(&others) else {
            return;
        };
        if self.books.swap(no, other).is_none() {
            return;
        }
        let Some((bed, patient)) = self
            .books
            .visit(other)
            .and_then(|v| Some((v.bed?, v.patient)))
        else {
            return;
        };
        let patient = crate::hl7::Patient::synthetic(patient);
        let bed = self.books.bed_name(bed).to_owned();
        let adt =
            self.adt("A17", no, self.now)
                .swap_with(self.visit_name(other), bed, Some(patient));
        self.say(adt);
    }

    /// In a bed of that department, alone, and nothing pending, away, late or wrong.
    fn settled(&self, no: VisitNo, department: usize) -> bool {
        let Some(visit) = self.books.visit(no) else {
            return false;
        };
        let alone = visit
            .bed
            .and_then(|bed| self.books.beds.get(bed))
            .is_some_and(|bed| bed.department == department && bed.occupants.len() == 1);
        alone
            && visit.moving.is_none()
            && visit.leaving.is_none()
            && !visit.on_leave
            && !visit.locked
    }

    pub(super) fn plan_discharge(&mut self, no: VisitNo) {
        self.books.pend_leave(no, Some(self.now));
        self.say_plain("A16", no, self.now);
        if self.chance(WRONG_LEAVING) {
            let wait = self.about(NOTICED_AFTER_MIN);
            return self.then(no, wait, Step::CancelLeaving);
        }
        let short = self.class_of_visit(no) == Some(Class::Ed);
        let wait = self.about(if short {
            DISCHARGE_AFTER_MIN / 6.0
        } else {
            DISCHARGE_AFTER_MIN
        });
        self.then(no, wait, Step::Discharge(None));
    }

    fn cancel_leaving(&mut self, no: VisitNo) {
        let Some(at) = self.books.visit(no).and_then(|visit| visit.leaving) else {
            return;
        };
        self.say_plain("A25", no, at);
        self.books.pend_leave(no, None);
        let wait = self.about(DISCHARGE_AFTER_MIN);
        self.then(no, wait, Step::Stay(1));
    }

    fn discharge(&mut self, no: VisitNo, since: Option<i64>) {
        if since.is_none() && self.told_late(no, Step::Discharge(Some(self.now))) {
            return;
        }
        let Some(bed) = self.books.visit(no).and_then(|visit| visit.bed) else {
            return;
        };
        let happened = since.unwrap_or(self.now);
        let adt = self.adt("A03", no, happened).discharged(happened);
        self.say(adt);
        let emptied = self.books.discharge(no, happened).is_some();
        if emptied && since.is_none() && self.chance(WRONG_DISCHARGE) {
            return self.wrong_discharge(no, bed);
        }
        self.books.erase(no);
        if emptied {
            self.clean(bed);
        }
    }

    /// The patient has not left. Noticed in time, or after the bed was given away.
    fn wrong_discharge(&mut self, no: VisitNo, bed: BedIx) {
        self.books.hold(bed, true);
        if self.chance(BED_GIVEN_AWAY) {
            self.due(self.minutes(2.0), Task::House(Chore::GiveAway(bed, no)));
        } else {
            let wait = self.about(NOTICED_AFTER_MIN);
            self.then(no, wait, Step::CancelDischarge);
        }
    }

    fn cancel_discharge(&mut self, no: VisitNo) {
        let Some(before) = self.books.take_back_discharge(no) else {
            return;
        };
        self.say_plain("A13", no, before.at);
        let wait = self.about(DISCHARGE_AFTER_MIN);
        self.then(no, wait, Step::Discharge(None));
    }

    fn move_out(&mut self, no: VisitNo) {
        let Some(from) = self.books.visit(no).and_then(|visit| visit.bed) else {
            return;
        };
        let class = self.class_of(from);
        let crowded = self
            .books
            .beds
            .get(from)
            .is_some_and(|bed| bed.occupants.len() > 1);
        if crowded {
            let Some(to) = self.free_bed(|bed| bed.class == class) else {
                let wait = self.about(10.0);
                return self.then(no, wait, Step::MoveOut);
            };
            self.move_to(no, from, to, self.now);
        }
        self.begin_care(no);
    }

    pub(super) fn class_of(&self, bed: BedIx) -> Class {
        self.books
            .beds
            .get(bed)
            .map_or(Class::Ward, |bed| bed.class)
    }

    fn class_of_visit(&self, no: VisitNo) -> Option<Class> {
        self.books
            .visit(no)
            .and_then(|visit| visit.bed)
            .map(|bed| self.class_of(bed))
    }

    fn roll(&mut self) -> u8 {
        use rand::RngExt;
        self.rng.random_range(0..100)
    }
}
