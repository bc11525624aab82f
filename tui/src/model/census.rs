//! The beds of all departments that are shown, added up.

use wardline_api::BedStatus;
use wardline_api::DepartmentRow;

use super::Model;
use crate::text;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub beds: u64,
    pub staffed: u64,
    pub occupied: u64,
    pub available: u64,
    pub unknown: u64,
    pub conflicts: u64,
}

impl Census {
    /// Occupied / staffed; `None` when nothing is staffed.
    pub(crate) fn occupancy(&self) -> Option<f64> {
        text::share(self.occupied, self.staffed)
    }

    /// Of a department's beds, how many are in that state.
    pub(crate) fn of(row: &DepartmentRow, status: BedStatus) -> u32 {
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

    /// In words, most important first.
    pub(crate) fn facts(&self) -> Vec<String> {
        let beds = text::counted(self.beds, "bed", "beds");
        let share = match self.occupancy() {
            Some(share) => format!(" ({})", at_least(share, self.unknown)),
            None => String::new(),
        };
        let mut facts = vec![
            beds,
            format!(
                "{} of {} staffed occupied{share}",
                self.occupied, self.staffed
            ),
            format!("{} available", self.available),
        ];
        if self.unknown > 0 {
            facts.push(format!("{} unknown", self.unknown));
        }
        if self.conflicts > 0 {
            facts.push(text::counted(self.conflicts, "conflict", "conflicts"));
        }
        facts
    }
}

/// A bed that nothing is known of may be occupied too: then the share is only a lower bound.
pub(crate) fn at_least(share: f64, unknown: u64) -> String {
    let mark = if unknown > 0 { "≥" } else { "" };
    format!("{mark}{}", text::percent(share))
}

impl Model {
    /// `None` until the departments were heard.
    pub(crate) fn census(&self) -> Option<Census> {
        let mut sum = Census::default();
        for aged in self.departments.as_ref()?.iter() {
            let row = &aged.row;
            sum.beds += u64::from(row.beds);
            sum.staffed += u64::from(row.staffed);
            sum.occupied += u64::from(row.occupied);
            sum.available += u64::from(row.available);
            sum.unknown += u64::from(row.unknown);
            sum.conflicts += u64::from(row.conflicts);
        }
        Some(sum)
    }
}
