//! The house's own books: who is in which bed, what was said about each bed, what is pending.
//!
//! This is the oracle that tests hold the pipeline's answer against, so it shares no code with the
//! pipeline and is kept by simple state changes in the order in which things are *told*. That gives
//! the same answer as a fold over event time because the simulation lets nothing else touch a bed or
//! visit between an event and its late report or its cancel (`held`, `locked`).
//!
//! Rules kept: arriving does not touch a bed's condition; a departure that empties a bed leaves it
//! dirty; a cancelled departure never happened; a swap is no departure.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Class, Plan};

pub(crate) type BedIx = usize;
pub(crate) type VisitNo = u32;

/// What was last said or implied about a bed, apart from who is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Ready,
    Dirty,
    Cleaning,
    Closed,
    Contaminated,
    Isolated,
}

impl Condition {
    /// The code of NPU-2: HL7 table 0116, and one local code for what it lacks.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Condition::Ready => "U",
            Condition::Dirty => "H",
            Condition::Cleaning => "CLEANING",
            Condition::Closed => "C",
            Condition::Contaminated => "K",
            Condition::Isolated => "I",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Bed {
    pub(crate) name: String,
    pub(crate) department: usize,
    pub(crate) class: Class,
    pub(crate) staffed: bool,
    pub(crate) condition: Option<Condition>,
    pub(crate) occupants: Vec<VisitNo>,
    /// Promised to somebody, or kept because a mistake is about to be corrected: not to be given away.
    pub(crate) held: bool,
    /// How often its condition was reported; tells whether anything was said since a departure.
    reports: u64,
}

impl Bed {
    pub(crate) fn assignable(&self) -> bool {
        self.staffed
            && !self.held
            && self.occupants.is_empty()
            && self.condition == Some(Condition::Ready)
    }
}

/// A visit just before its last departure, kept to take that departure back.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub(crate) at: i64,
    pub(crate) bed: BedIx,
    condition: Option<Condition>,
    reports: u64,
    moving: Option<(BedIx, i64)>,
    leaving: Option<i64>,
    on_leave: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) patient: u32,
    /// PV1-2.
    pub(crate) kind: &'static str,
    pub(crate) admitted: i64,
    pub(crate) bed: Option<BedIx>,
    /// Open pending admission: bed and time of the event.
    pub(crate) planned: Option<(BedIx, i64)>,
    /// Open pending transfer.
    pub(crate) moving: Option<(BedIx, i64)>,
    /// Open pending discharge.
    pub(crate) leaving: Option<i64>,
    pub(crate) on_leave: bool,
    /// Something about this visit is not told yet, or about to be corrected: leave it alone.
    pub(crate) locked: bool,
    pub(crate) before: Option<Before>,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) beds: Vec<Bed>,
    pub(crate) visits: BTreeMap<VisitNo, Visit>,
}

impl Books {
    pub(crate) fn new(plan: &Plan) -> Books {
        let beds = plan.places.iter().map(|place| Bed {
            name: place.bed.clone(),
            department: place.department,
            class: place.class,
            staffed: place.staffed,
            condition: None,
            occupants: Vec::new(),
            held: false,
            reports: 0,
        });
        Books {
            beds: beds.collect(),
            visits: BTreeMap::new(),
        }
    }

    pub(crate) fn bed_name(&self, bed: BedIx) -> &str {
        self.beds.get(bed).map_or("", |bed| &bed.name)
    }

    pub(crate) fn visit(&self, no: VisitNo) -> Option<&Visit> {
        self.visits.get(&no)
    }

    pub(crate) fn hold(&mut self, bed: BedIx, held: bool) {
        if let Some(bed) = self.beds.get_mut(bed) {
            bed.held = held;
        }
    }

    pub(crate) fn lock(&mut self, no: VisitNo, locked: bool) {
        if let Some(visit) = self.visits.get_mut(&no) {
            visit.locked = locked;
        }
    }

    /// A20: what is said about a bed stands, whoever is in it.
    pub(crate) fn report(&mut self, bed: BedIx, condition: Condition) {
        if let Some(bed) = self.beds.get_mut(bed) {
            bed.condition = Some(condition);
            bed.reports += 1;
        }
    }

    /// A05: a visit that is to come, with a bed promised to it.
    pub(crate) fn plan(&mut self, no: VisitNo, patient: u32, bed: BedIx, at: i64) {
        self.hold(bed, true);
        let visit = Visit {
            planned: Some((bed, at)),
            ..fresh(patient, "P", at)
        };
        self.visits.insert(no, visit);
    }

    /// A01, A04: into the bed. A planned visit becomes active.
    pub(crate) fn admit(
        &mut self,
        no: VisitNo,
        patient: u32,
        kind: &'static str,
        bed: BedIx,
        at: i64,
    ) {
        let visit = self
            .visits
            .entry(no)
            .or_insert_with(|| fresh(patient, kind, at));
        (visit.kind, visit.admitted, visit.bed, visit.planned) = (kind, at, Some(bed), None);
        self.arrive(no, bed);
    }

    /// A11, A27, A38: as if the visit had never been. Its bed keeps the condition it had.
    pub(crate) fn erase(&mut self, no: VisitNo) {
        let Some(visit) = self.visits.remove(&no) else {
            return;
        };
        if let Some(bed) = visit.bed.and_then(|bed| self.beds.get_mut(bed)) {
            bed.occupants.retain(|other| *other != no);
        }
        for (bed, _) in visit.planned.iter().chain(&visit.moving) {
            self.hold(*bed, false);
        }
    }

    /// A15, and A26 with `None`.
    pub(crate) fn pend_move(&mut self, no: VisitNo, to: Option<(BedIx, i64)>) {
        let Some(visit) = self.visits.get_mut(&no) else {
            return;
        };
        let old = std::mem::replace(&mut visit.moving, to);
        if let Some((bed, _)) = old {
            self.hold(bed, false);
        }
        if let Some((bed, _)) = to {
            self.hold(bed, true);
        }
    }

    /// A16, and A25 with `None`.
    pub(crate) fn pend_leave(&mut self, no: VisitNo, at: Option<i64>) {
        if let Some(visit) = self.visits.get_mut(&no) {
            visit.leaving = at;
        }
    }

    /// A21, A22.
    pub(crate) fn on_leave(&mut self, no: VisitNo, on_leave: bool) {
        if let Some(visit) = self.visits.get_mut(&no) {
            visit.on_leave = on_leave;
        }
    }

    /// A02: gives the bed that became empty, if one did.
    pub(crate) fn transfer(&mut self, no: VisitNo, to: BedIx, at: i64) -> Option<BedIx> {
        let emptied = self.depart(no, at);
        if let Some(visit) = self.visits.get_mut(&no) {
            (visit.bed, visit.moving, visit.kind) = (Some(to), None, "I");
        }
        self.arrive(no, to);
        emptied
    }

    /// A12: the transfer never was. Its target is promised again if it had been.
    pub(crate) fn take_back_transfer(&mut self, no: VisitNo) -> Option<Before> {
        let at = self.visits.get(&no)?.bed?;
        if let Some(bed) = self.beds.get_mut(at) {
            bed.occupants.retain(|other| *other != no);
        }
        self.restore(no)
    }

    /// A03: gives the bed that became empty, if one did.
    pub(crate) fn discharge(&mut self, no: VisitNo, at: i64) -> Option<BedIx> {
        let emptied = self.depart(no, at);
        if let Some(visit) = self.visits.get_mut(&no) {
            (visit.bed, visit.moving, visit.leaving, visit.on_leave) = (None, None, None, false);
        }
        emptied
    }

    /// A13 into the bed from before: the patient never left.
    pub(crate) fn take_back_discharge(&mut self, no: VisitNo) -> Option<Before> {
        self.restore(no)
    }

    /// A17.
    pub(crate) fn swap(&mut self, one: VisitNo, other: VisitNo) -> Option<(BedIx, BedIx)> {
        let (a, b) = (self.visits.get(&one)?.bed?, self.visits.get(&other)?.bed?);
        for (no, bed) in [(one, b), (other, a)] {
            if let Some(visit) = self.visits.get_mut(&no) {
                visit.bed = Some(bed);
            }
        }
        for (bed, gone, come) in [(a, one, other), (b, other, one)] {
            if let Some(bed) = self.beds.get_mut(bed) {
                bed.occupants.retain(|no| *no != gone);
                bed.occupants.push(come);
            }
        }
        Some((a, b))
    }

    /// Beds that an open pending event names.
    pub(crate) fn promised(&self) -> BTreeSet<BedIx> {
        self.visits
            .values()
            .flat_map(|visit| visit.planned.iter().chain(&visit.moving))
            .map(|(bed, _)| *bed)
            .collect()
    }

    fn arrive(&mut self, no: VisitNo, bed: BedIx) {
        if let Some(bed) = self.beds.get_mut(bed) {
            bed.held = false;
            bed.occupants.push(no);
        }
    }

    fn depart(&mut self, no: VisitNo, at: i64) -> Option<BedIx> {
        let visit = self.visits.get_mut(&no)?;
        let ix = visit.bed?;
        let bed = self.beds.get_mut(ix)?;
        visit.before = Some(Before {
            at,
            bed: ix,
            condition: bed.condition,
            reports: bed.reports,
            moving: visit.moving,
            leaving: visit.leaving,
            on_leave: visit.on_leave,
        });
        bed.occupants.retain(|other| *other != no);
        if !bed.occupants.is_empty() {
            return None;
        }
        bed.condition = Some(Condition::Dirty);
        Some(ix)
    }

    fn restore(&mut self, no: VisitNo) -> Option<Before> {
        let visit = self.visits.get_mut(&no)?;
        let before = visit.before.take()?;
        (visit.bed, visit.moving) = (Some(before.bed), before.moving);
        (visit.leaving, visit.on_leave) = (before.leaving, before.on_leave);
        let bed = self.beds.get_mut(before.bed)?;
        // Without the departure nobody implied that the bed is dirty; what was said since stands.
        if bed.reports == before.reports {
            bed.condition = before.condition;
        }
        self.arrive(no, before.bed);
        if let Some((promised, _)) = before.moving {
            self.hold(promised, true);
        }
        Some(before)
    }
}

fn fresh(patient: u32, kind: &'static str, at: i64) -> Visit {
    Visit {
        patient,
        kind,
        admitted: at,
        bed: None,
        planned: None,
        moving: None,
        leaving: None,
        on_leave: false,
        locked: false,
        before: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> Books {
        let mut books = Books::new(&Plan::new(60));
        for bed in 0..books.beds.len() {
            books.report(bed, Condition::Ready);
        }
        books
    }

    #[test]
    fn rule_a12_the_old_bed_is_as_it_was_and_the_target_is_promised_again() {
        let mut books = books();
        books.admit(1, 1, "I", 20, 10);
        books.pend_move(1, Some((21, 20)));
        assert_eq!(books.transfer(1, 21, 30), Some(20));
        assert_eq!(books.beds[20].condition, Some(Condition::Dirty));
        books.take_back_transfer(1);
        assert_eq!(books.beds[20].condition, Some(Condition::Ready));
        assert_eq!(books.beds[20].occupants, [1]);
        assert!(books.beds[21].occupants.is_empty());
        assert!(books.promised().contains(&21));
    }

    #[test]
    fn rule_a13_into_a_bed_that_was_given_away_makes_two_occupants() {
        let mut books = books();
        books.admit(1, 1, "I", 20, 10);
        assert_eq!(books.discharge(1, 30), Some(20));
        books.report(20, Condition::Dirty);
        books.report(20, Condition::Ready);
        books.admit(2, 2, "I", 20, 40);
        books.take_back_discharge(1);
        assert_eq!(books.beds[20].occupants, [2, 1]);
        assert_eq!(books.beds[20].condition, Some(Condition::Ready));
        assert_eq!(books.transfer(2, 22, 50), None, "somebody is still in it");
    }

    #[test]
    fn rule_a17_nobody_departs() {
        let mut books = books();
        books.admit(1, 1, "I", 20, 10);
        books.admit(2, 2, "I", 21, 10);
        books.swap(1, 2);
        assert_eq!(books.beds[20].occupants, [2]);
        assert_eq!(books.beds[21].occupants, [1]);
        assert_eq!(books.beds[20].condition, Some(Condition::Ready));
    }
}
