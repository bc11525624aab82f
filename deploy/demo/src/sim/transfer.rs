//! From bed to bed: promises, transfers, swaps, and what is taken back of them.
//!
//! The target of a transfer is held from its promise (A15) on. The bed left by a transfer that will
//! turn out wrong stays held and is not cleaned, so that the cancel finds it as it was.

use super::{
    Hospital,
    books::{BedIx, VisitNo},
    plan::Class,
    stay::{NOTICED_AFTER_MIN, Step},
};

const WRONG_MOVE: f64 = 0.05;
const WRONG_TRANSFER: f64 = 0.04;
const TRANSFER_AFTER_MIN: f64 = 35.0;

impl Hospital {
    /// A15 into a free bed of that class; false if there is none.
    pub(super) fn promise(&mut self, no: VisitNo, class: Class) -> bool {
        let Some(bed) = self.free_bed(|bed| bed.class == class) else {
            return false;
        };
        self.books.pend_move(no, Some((bed, self.now)));
        self.say_plain("A15", no, self.now);
        true
    }

    pub(super) fn await_transfer(&mut self, no: VisitNo) {
        if self.chance(WRONG_MOVE) {
            let wait = self.about(NOTICED_AFTER_MIN);
            return self.then(no, wait, Step::CancelMove);
        }
        let wait = self.about(TRANSFER_AFTER_MIN);
        self.then(no, wait, Step::Transfer(None));
    }

    pub(super) fn cancel_move(&mut self, no: VisitNo) {
        let Some((_, at)) = self.books.visit(no).and_then(|visit| visit.moving) else {
            return;
        };
        self.say_plain("A26", no, at);
        self.books.pend_move(no, None);
        let wait = self.about(30.0);
        self.then(no, wait, Step::Stay(1));
    }

    pub(super) fn transfer(&mut self, no: VisitNo, since: Option<i64>) {
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

    pub(super) fn move_to(&mut self, no: VisitNo, from: BedIx, to: BedIx, happened: i64) {
        self.books.transfer(no, to, happened);
        let adt = self
            .adt("A02", no, happened)
            .prior_bed(self.books.bed_name(from));
        self.say(adt);
    }

    pub(super) fn cancel_transfer(&mut self, no: VisitNo) {
        let Some(before) = self.books.take_back_transfer(no) else {
            return;
        };
        self.books.lock(no, false);
        self.say_plain("A12", no, before.at);
        let wait = self.about(TRANSFER_AFTER_MIN);
        self.then(no, wait, Step::Transfer(None));
    }

    /// A17 with somebody on the same ward of whom nothing else is going on.
    pub(super) fn swap(&mut self, no: VisitNo) {
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

    pub(super) fn move_out(&mut self, no: VisitNo) {
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
}
