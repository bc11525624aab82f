//! Out of the house: leave of absence, discharge, and what is taken back of them.
//!
//! A bed whose patient was discharged by mistake is held until the cancel, except when the mistake
//! is to be noticed only after the bed was given away.

use super::{
    Hospital, Task,
    books::{BedIx, VisitNo},
    house::Chore,
    plan::Class,
    stay::{NOTICED_AFTER_MIN, Step, pace},
};

const WRONG_LEAVING: f64 = 0.06;
const WRONG_DISCHARGE: f64 = 0.04;
/// Share of wrong discharges that are noticed only when somebody else is in the bed.
const BED_GIVEN_AWAY: f64 = 0.25;
const DISCHARGE_AFTER_MIN: f64 = 90.0;
const LEAVE_MIN: f64 = 240.0;

impl Hospital {
    /// Who may go home for some hours is nearly done: whatever was left of the stay is cut short.
    pub(super) fn go_on_leave(&mut self, no: VisitNo) {
        self.leave(no);
        let wait = self.about(LEAVE_MIN);
        self.then(no, wait, Step::Return);
    }

    pub(super) fn leave(&mut self, no: VisitNo) {
        self.books.on_leave(no, true);
        self.say_plain("A21", no, self.now);
    }

    pub(super) fn return_from_leave(&mut self, no: VisitNo) {
        self.books.on_leave(no, false);
        self.say_plain("A22", no, self.now);
        let wait = self.spread(pace(Class::Ward).0);
        self.then(no, wait, Step::Stay(1));
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

    pub(super) fn cancel_leaving(&mut self, no: VisitNo) {
        let Some(at) = self.books.visit(no).and_then(|visit| visit.leaving) else {
            return;
        };
        self.say_plain("A25", no, at);
        self.books.pend_leave(no, None);
        let wait = self.about(DISCHARGE_AFTER_MIN);
        self.then(no, wait, Step::Stay(1));
    }

    pub(super) fn discharge(&mut self, no: VisitNo, since: Option<i64>) {
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

    pub(super) fn cancel_discharge(&mut self, no: VisitNo) {
        let Some(before) = self.books.take_back_discharge(no) else {
            return;
        };
        self.say_plain("A13", no, before.at);
        let wait = self.about(DISCHARGE_AFTER_MIN);
        self.then(no, wait, Step::Discharge(None));
    }
}
