//! The books as seen from outside: one status a bed, one row a department.
//!
//! By the published bed rules: an occupied bed is occupied whatever is reported about it, a blocked
//! one is not reserved, and a bed of which nothing was said is unknown.

use std::collections::BTreeMap;

use super::{
    Hospital,
    books::{Bed, Condition},
};

/// The status of one bed, in the words of the query API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BedStatus {
    Occupied,
    Available,
    Reserved,
    Dirty,
    Cleaning,
    Blocked,
    Closed,
    Unknown,
}

impl BedStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            BedStatus::Occupied => "occupied",
            BedStatus::Available => "available",
            BedStatus::Reserved => "reserved",
            BedStatus::Dirty => "dirty",
            BedStatus::Cleaning => "cleaning",
            BedStatus::Blocked => "blocked",
            BedStatus::Closed => "closed",
            BedStatus::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for BedStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One bed, if every message so far was taken and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    pub department: String,
    pub class: &'static str,
    pub staffed: bool,
    pub status: BedStatus,
    /// `contaminated` or `isolated` for a blocked bed.
    pub reason: Option<&'static str>,
    pub on_leave: bool,
    /// Two patients are said to be in it.
    pub conflict: bool,
    /// PV1-19.1 of those who are in it.
    pub visits: Vec<String>,
}

/// One department, in the columns of the query API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DepartmentTruth {
    pub beds: u32,
    pub staffed: u32,
    pub occupied: u32,
    pub available: u32,
    pub reserved: u32,
    pub dirty: u32,
    pub cleaning: u32,
    pub blocked: u32,
    pub closed: u32,
    pub unknown: u32,
    pub on_leave: u32,
    pub conflicts: u32,
    pub pending_in: u32,
    pub pending_out: u32,
}

impl Hospital {
    /// Every bed by name, by the house's own books.
    pub fn occupancy(&self) -> BTreeMap<String, Truth> {
        let promised = self.books.promised();
        let beds = self.books.beds.iter().enumerate();
        beds.map(|(ix, bed)| (bed.name.clone(), self.truth(bed, promised.contains(&ix))))
            .collect()
    }

    /// Every department by name, by the house's own books.
    pub fn census(&self) -> BTreeMap<String, DepartmentTruth> {
        let mut rows: BTreeMap<String, DepartmentTruth> = BTreeMap::new();
        for truth in self.occupancy().into_values() {
            rows.entry(truth.department.clone())
                .or_default()
                .add(&truth);
        }
        for visit in self.books.visits.values() {
            for (bed, _) in visit.planned.iter().chain(&visit.moving) {
                self.row(&mut rows, *bed).pending_in += 1;
            }
            let going = u32::from(visit.moving.is_some()) + u32::from(visit.leaving.is_some());
            if let Some(bed) = visit.bed {
                self.row(&mut rows, bed).pending_out += going;
            }
        }
        rows
    }

    /// PV1-19.1 of a visit by its number in the books. It carries the opening time, so that a second
    /// run against the same store tells of other visits.
    pub(super) fn visit_name(&self, no: u32) -> String {
        format!("V{}{no:06}", self.life())
    }

    fn row<'a>(
        &self,
        rows: &'a mut BTreeMap<String, DepartmentTruth>,
        bed: usize,
    ) -> &'a mut DepartmentTruth {
        let department = self.books.beds.get(bed).map_or(0, |bed| bed.department);
        rows.entry(self.plan.department(department).to_owned())
            .or_default()
    }

    fn truth(&self, bed: &Bed, promised: bool) -> Truth {
        let (status, reason) = status(bed, promised);
        let away = |no: &u32| self.books.visit(*no).is_some_and(|visit| visit.on_leave);
        Truth {
            department: self.plan.department(bed.department).to_owned(),
            class: bed.class.as_str(),
            staffed: bed.staffed,
            status,
            reason,
            on_leave: !bed.occupants.is_empty() && bed.occupants.iter().all(away),
            conflict: bed.occupants.len() > 1,
            visits: bed
                .occupants
                .iter()
                .map(|no| self.visit_name(*no))
                .collect(),
        }
    }
}

fn status(bed: &Bed, promised: bool) -> (BedStatus, Option<&'static str>) {
    if !bed.occupants.is_empty() {
        return (BedStatus::Occupied, None);
    }
    match bed.condition {
        None => (BedStatus::Unknown, None),
        Some(Condition::Closed) => (BedStatus::Closed, None),
        Some(Condition::Contaminated) => (BedStatus::Blocked, Some("contaminated")),
        Some(Condition::Isolated) => (BedStatus::Blocked, Some("isolated")),
        Some(Condition::Dirty) => (BedStatus::Dirty, None),
        Some(Condition::Cleaning) => (BedStatus::Cleaning, None),
        Some(Condition::Ready) if promised => (BedStatus::Reserved, None),
        Some(Condition::Ready) => (BedStatus::Available, None),
    }
}

impl DepartmentTruth {
    fn add(&mut self, truth: &Truth) {
        self.beds += 1;
        self.staffed += u32::from(truth.staffed);
        self.on_leave += u32::from(truth.on_leave);
        self.conflicts += u32::from(truth.conflict);
        let count = match truth.status {
            BedStatus::Occupied => &mut self.occupied,
            BedStatus::Available => &mut self.available,
            BedStatus::Reserved => &mut self.reserved,
            BedStatus::Dirty => &mut self.dirty,
            BedStatus::Cleaning => &mut self.cleaning,
            BedStatus::Blocked => &mut self.blocked,
            BedStatus::Closed => &mut self.closed,
            BedStatus::Unknown => &mut self.unknown,
        };
        *count += 1;
    }
}
