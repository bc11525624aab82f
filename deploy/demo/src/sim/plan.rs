//! The building: which departments and beds a house of a given size has.
//!
//! A fifth of the beds are bays of the emergency department, a fifth intensive care, the rest wards
//! of about 18 beds. About one bed in twenty is not staffed. The plan depends on the number of beds
//! alone, so that the bed list can be written before the simulation starts.

use crate::limits::BEDS_MAX;

pub(crate) const WARD_BEDS: u32 = 18;
const BEDS_PER_ROOM: u32 = 2;
/// Every so many beds of a department one is not staffed.
const UNSTAFFED_EVERY: u32 = 17;
/// Below this size a department has all its beds staffed.
const UNSTAFFED_FROM: u32 = 6;

/// What a department is for; written as the `class` of its beds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Ed,
    Ward,
    Icu,
}

impl Class {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Class::Ed => "ed",
            Class::Ward => "ward",
            Class::Icu => "icu",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Department {
    pub(crate) name: String,
    pub(crate) class: Class,
}

#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) bed: String,
    pub(crate) department: usize,
    pub(crate) class: Class,
    pub(crate) staffed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) departments: Vec<Department>,
    pub(crate) places: Vec<Place>,
}

impl Plan {
    pub(crate) fn new(beds: u32) -> Plan {
        let beds = beds.clamp(1, BEDS_MAX);
        let (ed, icu) = (beds / 5, beds / 5);
        let mut plan = Plan {
            departments: Vec::new(),
            places: Vec::new(),
        };
        plan.add("ED".to_owned(), Class::Ed, ed);
        let mut left = beds - ed - icu;
        let wards = left.div_ceil(WARD_BEDS);
        for n in 0..wards {
            let share = left.div_ceil(wards - n);
            plan.add(format!("WARD-{}", letters(n)), Class::Ward, share);
            left -= share;
        }
        plan.add("ICU".to_owned(), Class::Icu, icu);
        plan
    }

    fn add(&mut self, name: String, class: Class, beds: u32) {
        if beds == 0 {
            return;
        }
        let department = self.departments.len();
        for n in 0..beds {
            let (room, bed) = match class {
                Class::Ward => (101 + n / BEDS_PER_ROOM, 1 + n % BEDS_PER_ROOM),
                Class::Ed => (1 + n, 1),
                Class::Icu => (201 + n, 1),
            };
            let staffed = beds < UNSTAFFED_FROM
                || class == Class::Ed
                || n % UNSTAFFED_EVERY != beds.min(UNSTAFFED_EVERY) - 1;
            self.places.push(Place {
                bed: format!("{name}^{room}^{bed}"),
                department,
                class,
                staffed,
            });
        }
        self.departments.push(Department { name, class });
    }

    pub(crate) fn department(&self, index: usize) -> &str {
        self.departments
            .get(index)
            .map_or("", |department| &department.name)
    }

    /// `bed,department,class,staffed`, with a header line.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("bed,department,class,staffed\n");
        for place in &self.places {
            let staffed = if place.staffed { "yes" } else { "no" };
            text.push_str(&format!(
                "{},{},{},{staffed}\n",
                place.bed,
                self.department(place.department),
                place.class.as_str()
            ));
        }
        text
    }
}

/// A, B, ... Z, AA, AB, ...
fn letters(mut n: u32) -> String {
    let mut text = String::new();
    loop {
        let letter = char::from_u32(u32::from('A') + n % 26).unwrap_or('A');
        text.insert(0, letter);
        if n < 26 {
            return text;
        }
        n = n / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_beds_are_shared_out_as_a_small_hospital() {
        let plan = Plan::new(60);
        let names: Vec<&str> = plan.departments.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["ED", "WARD-A", "WARD-B", "ICU"]);
        let count = |department| {
            plan.places
                .iter()
                .filter(|p| p.department == department)
                .count()
        };
        assert_eq!([count(0), count(1), count(2), count(3)], [12, 18, 18, 12]);
        let unstaffed = plan.places.iter().filter(|p| !p.staffed).count();
        assert!(
            (2..=5).contains(&unstaffed),
            "{unstaffed} beds are not staffed"
        );
        assert!(plan.places.iter().any(|p| p.bed == "WARD-A^101^1"));
    }

    #[test]
    fn every_size_gives_that_many_distinct_beds() {
        for beds in [1, 2, 5, 7, 60, 61, 500, 2_000] {
            let plan = Plan::new(beds);
            let names: std::collections::BTreeSet<&str> =
                plan.places.iter().map(|p| p.bed.as_str()).collect();
            assert_eq!(names.len(), usize::try_from(beds).unwrap());
            assert_eq!(plan.csv().lines().count(), names.len() + 1);
        }
    }

    #[test]
    fn ward_letters_go_on_after_z() {
        assert_eq!(
            [letters(0), letters(25), letters(26), letters(27)],
            ["A", "Z", "AA", "AB"]
        );
    }
}
