//! What the house looks like when it is first asked: a census told at once, as a hospital's system
//! does when an interface is connected.
//!
//! Patients who are in get an A01 with the time at which they came, hours or days ago; every empty
//! bed gets an A20, so that after the census no bed is unknown. Each kind of bed that a screen shows
//! is there from the start.

use rand::RngExt;

use super::{
    Hospital, Task,
    books::{BedIx, Condition},
    house::Chore,
    plan::Class,
    stay::{Step, pace},
};

const MINUTE_MS: i64 = 60_000;

impl Hospital {
    pub(super) fn open(&mut self) {
        for department in 0..self.plan.departments.len() {
            self.open_department(department);
        }
        for index in 0..self.devices.len() {
            let wait = self.rng.random_range(100..2_000);
            self.due(wait, Task::Device(index));
        }
        self.start_chores();
    }

    fn open_department(&mut self, department: usize) {
        let beds = self
            .books
            .beds
            .iter()
            .enumerate()
            .filter(|(_, bed)| bed.department == department);
        let (mut staffed, closed): (Vec<_>, Vec<_>) = beds
            .map(|(ix, bed)| (ix, bed.staffed))
            .partition(|(_, staffed)| *staffed);
        for (bed, _) in closed {
            let said = self.ago(600, 6_000);
            self.say_bed(bed, Condition::Closed, said);
        }
        // Fisher-Yates, so that the empty beds are spread over the rooms.
        for end in (1..staffed.len()).rev() {
            let other = self.rng.random_range(0..=end);
            staffed.swap(end, other);
        }
        let inside = staffed.len() * 83 / 100;
        for (place, (bed, _)) in staffed.into_iter().enumerate() {
            if place < inside {
                self.already_in(bed, place);
            } else {
                self.empty_bed(bed, place - inside, department);
            }
        }
    }

    fn already_in(&mut self, bed: BedIx, place: usize) {
        let class = self.class_of(bed);
        let came = if class == Class::Ed {
            self.ago(5, 180)
        } else {
            self.ago(240, 6_000)
        };
        let (no, kind) = (
            self.next_visit(),
            if class == Class::Ed { "E" } else { "I" },
        );
        self.books.admit(no, no, kind, bed, came);
        self.say_plain("A01", no, came);
        if class == Class::Ward && place == 0 {
            self.leave(no);
            let wait = self.about(200.0);
            return self.then(no, wait, Step::Return);
        }
        if class != Class::Ed && place == 1 {
            return self.plan_discharge(no);
        }
        // Somewhere in the middle of the stay.
        let (mean, looks) = pace(class);
        let left = self.rng.random_range(0..=looks);
        let wait = self.spread(mean);
        self.then(no, wait, Step::Stay(left));
    }

    fn empty_bed(&mut self, bed: BedIx, place: usize, department: usize) {
        let said = self.ago(3, 60);
        match (place, self.class_of(bed)) {
            (0, _) => {
                self.say_bed(bed, Condition::Dirty, said);
                let wait = self.about(15.0);
                self.due(wait, Task::House(Chore::Clean(bed)));
            }
            (1, Class::Ward) if department % 2 == 1 => {
                let condition = if department % 4 == 1 {
                    Condition::Contaminated
                } else {
                    Condition::Isolated
                };
                self.say_bed(bed, condition, said);
                self.unblock_later(bed);
            }
            (1, Class::Ward) => {
                self.say_bed(bed, Condition::Cleaning, said);
                let wait = self.about(20.0);
                self.due(wait, Task::House(Chore::Ready(bed)));
            }
            (2, Class::Ward) | (1, Class::Icu) => {
                self.say_bed(bed, Condition::Ready, said);
                self.book(bed, said + MINUTE_MS);
            }
            _ => self.say_bed(bed, Condition::Ready, said),
        }
    }

    /// A moment so many minutes ago.
    fn ago(&mut self, least: i64, most: i64) -> i64 {
        self.now - self.rng.random_range(least * MINUTE_MS..most * MINUTE_MS)
    }
}
