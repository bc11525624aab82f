//! What there is: free beds by class, taken ones with staff, what comes and goes. The first of the two words.
//!
//! Free is a bed that is clean, open, not held, and has staff; without a bed list nobody knows which have staff, and each
//! counts. While beds are unknown every count is a lower bound, and says so (P10).

use std::collections::BTreeMap;

use wardline_api::{BedClass, BedRow, BedStatus, DepartmentRow};

use super::Model;
use crate::text;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct House {
    pub beds: u64,
    pub staffed: u64,
    /// Taken beds with staff, and those without.
    pub taken: u64,
    pub taken_unstaffed: u64,
    pub free: u64,
    pub unknown: u64,
    pub conflicts: u64,
    pub pending_in: u64,
    pub pending_out: u64,
    /// Free beds of each class that there is, and whether some of it are unknown; empty while beds were not heard.
    pub by_class: Vec<(BedClass, u64, bool)>,
}

/// How scarce beds of a class are, the scarcest first: that order a narrow line keeps.
const CLASSES: [BedClass; 7] = [
    BedClass::Icu,
    BedClass::Intermediate,
    BedClass::Ed,
    BedClass::Ward,
    BedClass::Neonatal,
    BedClass::Pacu,
    BedClass::Other,
];

impl House {
    /// `9+`: at least nine. `?`: no bed is known.
    pub(crate) fn free_words(&self) -> String {
        if self.nothing_known() {
            return text::UNKNOWN.to_owned();
        }
        bound(self.free, self.unknown > 0)
    }

    pub(crate) fn nothing_known(&self) -> bool {
        self.beds == 0 || self.unknown >= self.beds
    }

    /// `ICU 1`, `IMC 0`, `WARD 7+`.
    pub(crate) fn class_words(&self) -> Vec<String> {
        let word = |(class, free, more): &(BedClass, u64, bool)| {
            format!("{} {}", short(*class), bound(*free, *more))
        };
        self.by_class.iter().map(word).collect()
    }

    /// `88 of 115 taken (≥77 %)`; without a list no share, because nobody knows of how many.
    pub(crate) fn taken_words(&self) -> String {
        let extra = match self.taken_unstaffed {
            0 => String::new(),
            n if self.staffed == 0 => return format!("{n} occupied"),
            n => format!(" +{n} without staff"),
        };
        match self.occupancy() {
            Some(share) => {
                let share = at_least(share, self.unknown);
                format!(
                    "{} of {} occupied ({share}){extra}",
                    self.taken, self.staffed
                )
            }
            None => format!("{} occupied{extra}", self.taken),
        }
    }

    /// Taken / staffed; `None` when nothing is staffed or nothing known.
    pub(crate) fn occupancy(&self) -> Option<f64> {
        text::share(self.taken, self.staffed).filter(|_| !self.nothing_known())
    }
}

fn bound(n: u64, more: bool) -> String {
    format!("{n}{}", if more { "+" } else { "" })
}

pub(crate) fn short(class: BedClass) -> &'static str {
    match class {
        BedClass::Icu => "ICU",
        BedClass::Intermediate => "IMC",
        BedClass::Ed => "ED",
        BedClass::Ward => "WARD",
        BedClass::Neonatal => "NEO",
        BedClass::Pacu => "PACU",
        BedClass::Other => "OTHER",
    }
}

/// A bed that nothing is known of may be taken too: then the share is only a lower bound.
pub(crate) fn at_least(share: f64, unknown: u64) -> String {
    let mark = if unknown > 0 { "≥" } else { "" };
    format!("{mark}{}", text::percent(share))
}

/// Of a department: taken / staffed as the API says it.
pub(crate) fn share(row: &DepartmentRow) -> Option<String> {
    row.occupancy
        .map(|share| at_least(share, u64::from(row.unknown)))
}

/// Of a department's beds, how many are in that state.
pub(crate) fn of_status(row: &DepartmentRow, status: BedStatus) -> u32 {
    match status {
        BedStatus::Occupied => row.occupied,
        BedStatus::Available => row.available,
        BedStatus::Reserved => row.reserved,
        BedStatus::Dirty => row.dirty,
        BedStatus::Cleaning => row.cleaning,
        BedStatus::Blocked => row.blocked,
        BedStatus::Closed => row.closed,
        BedStatus::Unknown => row.unknown,
    }
}

/// A department's beds by state: those with staff, and those that have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BedCounts {
    pub staffed: [u32; 8],
    pub unstaffed: [u32; 8],
}

impl BedCounts {
    /// As far as the row says it: what cannot be used stands apart, as beds without staff.
    pub(crate) fn of(row: &DepartmentRow) -> Self {
        let mut counts = Self::default();
        for (n, status) in BedStatus::ALL.iter().enumerate() {
            let all = of_status(row, *status);
            let apart = match status {
                _ if row.staffed == 0 => 0,
                BedStatus::Occupied => row.occupied_unstaffed,
                BedStatus::Available => row.available_unstaffed,
                BedStatus::Closed => all.min(row.beds.saturating_sub(row.staffed)),
                _ => 0,
            };
            if let (Some(with), Some(without)) =
                (counts.staffed.get_mut(n), counts.unstaffed.get_mut(n))
            {
                (*with, *without) = (all.saturating_sub(apart), apart.min(all));
            }
        }
        counts
    }

    fn add(&mut self, bed: &BedRow) {
        let counts = match staffed(bed) {
            true => &mut self.staffed,
            false => &mut self.unstaffed,
        };
        let at = BedStatus::ALL
            .iter()
            .position(|status| *status == bed.status);
        if let Some(n) = at.and_then(|at| counts.get_mut(at)) {
            *n += 1;
        }
    }
}

/// The list says that it has staff, or there is no list that could say so.
fn staffed(bed: &BedRow) -> bool {
    bed.staffed || !bed.listed
}

impl Model {
    /// `None` until the departments were heard.
    pub(crate) fn house(&self) -> Option<House> {
        let mut house = House::default();
        for aged in self.departments.as_ref()?.iter() {
            let row = &aged.row;
            house.beds += u64::from(row.beds);
            house.staffed += u64::from(row.staffed);
            house.taken += u64::from(row.occupied.saturating_sub(row.occupied_unstaffed));
            house.taken_unstaffed += u64::from(row.occupied_unstaffed);
            house.free += u64::from(row.available.saturating_sub(row.available_unstaffed));
            house.unknown += u64::from(row.unknown);
            house.conflicts += u64::from(row.conflicts);
            house.pending_in += u64::from(row.pending_in);
            house.pending_out += u64::from(row.pending_out);
        }
        house.by_class = self.free_by_class();
        Some(house)
    }

    fn free_by_class(&self) -> Vec<(BedClass, u64, bool)> {
        let mut found: BTreeMap<BedClass, (u64, bool)> = BTreeMap::new();
        for aged in self.beds.iter().flat_map(|rows| rows.iter()) {
            let bed = &aged.row;
            let (free, more) = found.entry(bed.class).or_default();
            *free += u64::from(bed.status == BedStatus::Available && staffed(bed));
            *more |= bed.status == BedStatus::Unknown;
        }
        let known = |class: &BedClass| found.get(class).map(|(free, more)| (*class, *free, *more));
        CLASSES.iter().filter_map(known).collect()
    }

    /// The beds of each department, counted; by the department's own row where its beds were not heard.
    pub(crate) fn bed_counts(&self) -> BTreeMap<(&str, &str), BedCounts> {
        let mut all: BTreeMap<(&str, &str), BedCounts> = BTreeMap::new();
        for aged in self.beds.iter().flat_map(|rows| rows.iter()) {
            let bed = &aged.row;
            let place = (bed.site.as_str(), bed.department.as_str());
            all.entry(place).or_default().add(bed);
        }
        let fits = |counts: &BedCounts, row: &DepartmentRow| {
            let sum: u32 = counts.staffed.iter().chain(&counts.unstaffed).sum();
            sum == row.beds
        };
        for aged in self.departments.iter().flat_map(|rows| rows.iter()) {
            let row = &aged.row;
            let place = (row.site.as_str(), row.department.as_str());
            if !all.get(&place).is_some_and(|counts| fits(counts, row)) {
                all.insert(place, BedCounts::of(row));
            }
        }
        all
    }

    /// Whether names need their site beside them.
    pub(crate) fn several_sites(&self) -> bool {
        let mut sites = self
            .departments
            .iter()
            .flat_map(|rows| rows.iter())
            .map(|d| &d.row.site);
        let first = sites.next();
        sites.any(|site| Some(site) != first)
    }
}
