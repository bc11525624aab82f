//! What the house does besides caring for single visits: letting people in, cleaning and blocking beds.
//!
//! Arrivals are steered by load, so that the house stays in the band that real ones work in: the
//! emergency department nearly full, wards and intensive care below their limit. A patient who finds
//! no bay waits outside and is not told about.

use super::{
    Hospital, Task,
    books::{BedIx, Condition, VisitNo},
    plan::Class,
    stay::Step,
};

/// Work of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chore {
    /// Somebody comes to the emergency department.
    Arrival,
    /// A planned or direct admission to a ward or to intensive care.
    Booking,
    /// Some beds cannot be used for a while.
    Block,
    Unblock(BedIx),
    /// Housekeeping is told that the bed is dirty (A20 H).
    Dirty(BedIx),
    /// Housekeeping begins (A20 with a local code).
    Clean(BedIx),
    /// The bed is ready (A20 U).
    Ready(BedIx),
    /// A bed is made ready in haste and given away, although its patient has not left.
    GiveAway(BedIx, VisitNo),
    /// Somebody else is put into it; then the mistake is noticed.
    Intrude(BedIx, VisitNo),
}

/// Share of staffed beds that may be taken before planned admissions wait.
/// From this share of taken beds on, ambulances drive to other houses.
const DIVERSION_LOAD: f64 = 0.92;
const BOOKING_LOAD_MAX: f64 = 0.93;
/// Mean minutes, for one bay or bed, between two attempts to come in.
const ARRIVAL_MIN: f64 = 100.0;
const BOOKING_MIN: f64 = 1_300.0;
const BLOCKED_MIN: f64 = 240.0;
/// One bed in so many is blocked at any time.
const BLOCKED_OF_BEDS: usize = 30;
const WRONG_BOOKING: f64 = 0.08;

impl Hospital {
    pub(super) fn chore(&mut self, chore: Chore) {
        match chore {
            Chore::Arrival => self.arrival(),
            Chore::Booking => self.booking(),
            Chore::Block => self.block(),
            Chore::Unblock(bed) => self.unblock(bed),
            Chore::Dirty(bed) => self.bed_step(bed, Condition::Dirty),
            Chore::Clean(bed) => self.bed_step(bed, Condition::Cleaning),
            Chore::Ready(bed) => self.bed_step(bed, Condition::Ready),
            Chore::GiveAway(bed, first) => self.give_away(bed, first),
            Chore::Intrude(bed, first) => self.intrude(bed, first),
        }
    }

    pub(super) fn start_chores(&mut self) {
        for chore in [Chore::Arrival, Chore::Booking, Chore::Block] {
            self.due(self.minutes(1.0), Task::House(chore));
        }
    }

    /// Turnaround of a bed that became empty.
    pub(super) fn clean(&mut self, bed: BedIx) {
        let wait = self.about(5.0);
        self.due(wait, Task::House(Chore::Dirty(bed)));
    }

    /// Occupied and promised beds as a share of the staffed ones.
    pub(super) fn load(&self, class: Class) -> f64 {
        self.share_taken(|bed| bed == class)
    }

    fn share_taken(&self, of: impl Fn(Class) -> bool) -> f64 {
        let (mut staffed, mut taken) = (0_u32, 0_u32);
        for bed in self
            .books
            .beds
            .iter()
            .filter(|bed| of(bed.class) && bed.staffed)
        {
            staffed += 1;
            taken += u32::from(bed.held || !bed.occupants.is_empty());
        }
        if staffed == 0 {
            1.0
        } else {
            f64::from(taken) / f64::from(staffed)
        }
    }

    fn count(&self, fits: impl Fn(Class) -> bool) -> f64 {
        let beds = self.books.beds.iter().filter(|bed| fits(bed.class)).count();
        u32::try_from(beds).map_or(1.0, f64::from).max(1.0)
    }

    fn arrival(&mut self) {
        let wait = self.pause(ARRIVAL_MIN / self.count(|class| class == Class::Ed));
        self.due(wait, Task::House(Chore::Arrival));
        if self.share_taken(|_| true) >= DIVERSION_LOAD {
            return;
        }
        let Some(bay) = self.free_bed(|bed| bed.class == Class::Ed) else {
            return;
        };
        let event = if self.chance(0.7) { "A04" } else { "A01" };
        let no = self.admit(event, bay);
        self.settle(no);
    }

    fn booking(&mut self) {
        let wait = self.pause(BOOKING_MIN / self.count(|class| class != Class::Ed));
        self.due(wait, Task::House(Chore::Booking));
        let (icu, ward) = (self.load(Class::Icu), self.load(Class::Ward));
        let class = if icu < ward - 0.05 {
            Class::Icu
        } else {
            Class::Ward
        };
        if icu.min(ward) >= BOOKING_LOAD_MAX {
            return;
        }
        let Some(bed) = self.free_bed(|bed| bed.class == class) else {
            return;
        };
        if self.chance(0.25) {
            let no = self.admit("A01", bed);
            self.settle(no);
        } else {
            self.book(bed, self.now);
        }
    }

    /// A05 with a bed; some time later the patient comes, or the plan was a mistake.
    pub(super) fn book(&mut self, bed: BedIx, happened: i64) {
        let no = self.next_visit();
        self.books.plan(no, no, bed, happened);
        self.say_plain("A05", no, happened);
        if self.chance(WRONG_BOOKING) {
            let wait = self.about(8.0);
            self.then(no, wait, Step::CancelPlanned);
        } else {
            let wait = self.about(200.0);
            self.then(no, wait, Step::Admit);
        }
    }

    fn block(&mut self) {
        let wait = self.about(10.0);
        self.due(wait, Task::House(Chore::Block));
        let wanted = (self.books.beds.len() / BLOCKED_OF_BEDS).max(1);
        let (closed, blocked): (Vec<_>, Vec<_>) = self
            .books
            .beds
            .iter()
            .filter(|bed| bed.staffed && bed.occupants.is_empty())
            .filter_map(|bed| bed.condition.filter(is_block))
            .partition(|condition| *condition == Condition::Closed);
        if closed.len() + blocked.len() >= wanted {
            return;
        }
        let Some(bed) = self.free_bed(|bed| bed.class != Class::Ed) else {
            return;
        };
        let condition = match self.one_of(&[0, 1, 2, 3]) {
            Some(0) if !blocked.is_empty() => Condition::Closed,
            Some(1) => Condition::Contaminated,
            _ => Condition::Isolated,
        };
        self.say_bed(bed, condition, self.now);
        self.unblock_later(bed);
    }

    pub(super) fn unblock_later(&mut self, bed: BedIx) {
        let wait = self.about(BLOCKED_MIN);
        self.due(wait, Task::House(Chore::Unblock(bed)));
    }

    /// A contaminated bed is cleaned first; the others are ready at once.
    fn unblock(&mut self, bed: BedIx) {
        let contaminated = self.condition(bed) == Some(Condition::Contaminated);
        self.bed_step(
            bed,
            if contaminated {
                Condition::Dirty
            } else {
                Condition::Ready
            },
        );
    }

    /// One report about an empty bed, and what housekeeping does after it.
    fn bed_step(&mut self, bed: BedIx, condition: Condition) {
        if self
            .books
            .beds
            .get(bed)
            .is_none_or(|bed| !bed.occupants.is_empty())
        {
            return;
        }
        self.say_bed(bed, condition, self.now);
        let haste = if self.class_of(bed) == Class::Ed {
            0.5
        } else {
            1.0
        };
        let next = match condition {
            Condition::Dirty => Some((42.0, Chore::Clean(bed))),
            Condition::Cleaning => Some((45.0, Chore::Ready(bed))),
            _ => None,
        };
        if let Some((minutes, chore)) = next {
            let wait = self.about(minutes * haste);
            self.due(wait, Task::House(chore));
        }
    }

    fn give_away(&mut self, bed: BedIx, first: VisitNo) {
        self.say_bed(bed, Condition::Dirty, self.now);
        self.due(self.minutes(6.0), Task::House(Chore::Intrude(bed, first)));
    }

    /// The second patient of a bed whose first one was discharged by mistake.
    fn intrude(&mut self, bed: BedIx, first: VisitNo) {
        self.say_bed(bed, Condition::Ready, self.now);
        let no = self.admit("A01", bed);
        self.books.lock(no, true);
        self.then(first, self.minutes(6.0), Step::CancelDischarge);
        self.then(no, self.minutes(40.0), Step::MoveOut);
    }

    fn condition(&self, bed: BedIx) -> Option<Condition> {
        self.books.beds.get(bed).and_then(|bed| bed.condition)
    }
}

fn is_block(condition: &Condition) -> bool {
    matches!(
        condition,
        Condition::Contaminated | Condition::Isolated | Condition::Closed
    )
}
