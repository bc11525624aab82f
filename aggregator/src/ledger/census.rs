//! The rows that people see: beds, departments, devices, at any moment.
//!
//! Every count is counted from the beds as they are at that moment; each bed is counted once, so the eight states
//! always add up to `beds`. An age is the time since the newest event that a row rests on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardline_api::BedStatus;
use wardline_api::{BedRow, DepartmentRow, DeviceRow};
use wardline_model::time::rfc3339;

use super::bed::{Bed, BedState, Point};
use super::effect::{PendingKind, remark};
use super::hospital::department;
use super::outcome::Touched;
use super::{Coverage, Ledger, View};
use crate::limits::DEVICE_SILENT_MS;

impl Ledger {
    /// What was known at a moment: the facts that an agent had received by then, folded anew.
    pub fn known(&self, known_ms: i64) -> Self {
        let mut then = Self::new(&self.site, self.list.clone());
        let of_visits = self
            .groups
            .values()
            .flat_map(|group| &group.items)
            .map(|item| &item.event);
        let of_beds = self.hospital.beds.values().flat_map(|bed| &bed.points);
        let of_beds = of_beds.filter_map(|((at, _), point)| {
            matches!(point, Point::Condition(_)).then_some(&at.event)
        });
        let mut events: Vec<_> = of_visits
            .chain(of_beds)
            .filter(|event| event.received_ms <= known_ms)
            .collect();
        // In order, so that almost every event is one step.
        events.sort_by_key(|event| (event.event_ms, event.recorded_ms));
        for event in events {
            then.insert(event, &mut Touched::default());
        }
        then
    }

    /// Asks the ledger as it was known at the view's moment.
    pub(crate) fn as_known<R>(&self, view: View, ask: impl FnOnce(&Self) -> R) -> R {
        match view.known_ms {
            Some(known_ms) => ask(&self.known(known_ms)),
            None => ask(self),
        }
    }

    /// All beds, by name.
    pub fn beds(&self, view: View) -> Vec<BedRow> {
        self.as_known(view, |ledger| {
            let beds = ledger.hospital.beds.iter().filter(|(_, bed)| bed.exists());
            beds.map(|(name, bed)| ledger.bed_row(name, bed, view.at_ms))
                .collect()
        })
    }

    /// One bed; `None` for a bed that neither the list nor an event names.
    pub fn bed(&self, name: &str, view: View) -> Option<BedRow> {
        self.as_known(view, |ledger| {
            let (name, bed) = ledger
                .hospital
                .beds
                .get_key_value(name)
                .filter(|(_, bed)| bed.exists())?;
            Some(ledger.bed_row(name, bed, view.at_ms))
        })
    }

    fn bed_row(&self, name: &Arc<str>, bed: &Bed, at_ms: i64) -> BedRow {
        let state = bed.at(at_ms);
        let newest_ms = self.newest_ms(&state, at_ms);
        BedRow {
            site: self.site.to_string(),
            bed: name.to_string(),
            department: bed.department.to_string(),
            class: bed.class,
            staffed: bed.staffed,
            status: state.shown.status,
            reason: state.shown.reason.map(str::to_owned),
            on_leave: state.on_leave(),
            since: state.since_ms().map(rfc3339),
            age_s: newest_ms.map(|ms| seconds(at_ms, ms)),
            listed: bed.listed,
            flags: flags(&state),
            conflict: state
                .conflict()
                .iter()
                .map(|at| at.event.id.to_string())
                .collect(),
        }
    }

    /// The newest event that a bed's state rests on: what happened to the bed, and the last word on who is in it.
    fn newest_ms(&self, state: &BedState, at_ms: i64) -> Option<i64> {
        let of_visits = state.occupants.iter().filter_map(|occupant| {
            let group = self.groups.get(self.group_of.get(&occupant.visit)?)?;
            group.newest_ms(at_ms)
        });
        let of_bed = state.newest.as_ref().map(|at| at.ms);
        of_visits.chain(of_bed).max()
    }

    /// All departments, by name: those of the list, and those that events name.
    pub fn departments(&self, view: View, coverage: Coverage<'_>) -> Vec<DepartmentRow> {
        let rows = self.as_known(view, |ledger| ledger.count(view.at_ms));
        rows.into_iter()
            .map(|(name, count)| {
                let coverage = coverage(&self.site, &name);
                count.row(&self.site, name, view.at_ms, coverage)
            })
            .collect()
    }

    fn count(&self, at_ms: i64) -> BTreeMap<String, Count> {
        let mut rows: BTreeMap<String, Count> = BTreeMap::new();
        for name in self.list.departments() {
            rows.insert(name.to_string(), Count::default());
        }
        let mut bed_of: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
        for bed in self.hospital.beds.values().filter(|bed| bed.exists()) {
            let state = bed.at(at_ms);
            for occupant in &state.occupants {
                bed_of
                    .entry(occupant.visit.clone())
                    .or_insert_with(|| bed.department.clone());
            }
            let newest_ms = self.newest_ms(&state, at_ms);
            match rows.get_mut(&*bed.department) {
                Some(count) => count.bed(bed, &state, newest_ms),
                None => rows
                    .entry(bed.department.to_string())
                    .or_default()
                    .bed(bed, &state, newest_ms),
            }
        }
        self.count_pending(at_ms, &bed_of, &mut rows);
        rows
    }

    fn count_pending(
        &self,
        at_ms: i64,
        bed_of: &BTreeMap<Arc<str>, Arc<str>>,
        rows: &mut BTreeMap<String, Count>,
    ) {
        for (at, pending) in self.hospital.pending(at_ms) {
            if pending.slot != PendingKind::Discharge
                && let Some(name) = pending
                    .place
                    .as_ref()
                    .and_then(|place| department(&self.list, place))
            {
                let count = rows.entry(name).or_default();
                count.row.pending_in += 1;
                count.newest_ms = count.newest_ms.max(Some(at.ms));
            }
            if pending.slot != PendingKind::Admission
                && let Some(name) = bed_of.get(&pending.visit)
            {
                let count = rows.entry(name.to_string()).or_default();
                count.row.pending_out += 1;
                count.newest_ms = count.newest_ms.max(Some(at.ms));
            }
        }
    }

    /// Points of care, in lower case, with the departments that have beds there.
    pub(crate) fn units(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut units: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut before = None;
        for (name, bed) in &self.hospital.beds {
            let unit = name.split('^').next().unwrap_or(name);
            // Beds of one unit stand together.
            if before != Some((unit, &bed.department)) {
                let departments = units.entry(unit.to_lowercase()).or_default();
                departments.insert(bed.department.to_string());
                before = Some((unit, &bed.department));
            }
        }
        units
    }

    /// All devices, by name.
    pub fn devices(&self, now_ms: i64) -> Vec<DeviceRow> {
        let rows = self.devices.iter().map(|(name, device)| {
            let said = device.state();
            let state = said.as_ref().and_then(|said| said.current().ok());
            DeviceRow {
                site: self.site.to_string(),
                device: name.to_string(),
                department: self
                    .list
                    .spelling(device.department().unwrap_or_default())
                    .to_owned(),
                kind: device.kind().map(str::to_owned),
                state,
                reason: said
                    .as_ref()
                    .and_then(|said| said.current().err())
                    .map(str::to_owned),
                #[allow(clippy::cast_precision_loss)]
                battery: device.battery().map(|charge| charge as f64 / 1000.0),
                location: device.location().map(ToString::to_string),
                since: said.as_ref().map(|said| rfc3339(said.event_ms)),
                age_s: device.newest_ms().map(|ms| seconds(now_ms, ms)),
                silent: device
                    .heard_ms()
                    .is_none_or(|heard_ms| now_ms.saturating_sub(heard_ms) > DEVICE_SILENT_MS),
                clock_ahead_s: device.clock_ahead_ms().map(|ms| ms / 1000),
            }
        });
        rows.collect()
    }
}

/// A department while it is counted.
#[derive(Default)]
struct Count {
    row: DepartmentRow,
    newest_ms: Option<i64>,
    dirty_since_ms: Option<i64>,
    unknown_unstaffed: u32,
}

impl Count {
    fn bed(&mut self, bed: &Bed, state: &BedState, newest_ms: Option<i64>) {
        let row = &mut self.row;
        row.beds += 1;
        row.staffed += u32::from(bed.staffed);
        row.on_leave += u32::from(state.on_leave());
        row.conflicts += u32::from(!state.conflict().is_empty());
        // Without a list nobody says which beds have staff: then none is known to have none.
        if !bed.staffed {
            let status = state.shown.status;
            row.occupied_unstaffed += u32::from(status == BedStatus::Occupied);
            row.available_unstaffed += u32::from(status == BedStatus::Available && bed.listed);
            self.unknown_unstaffed += u32::from(status == BedStatus::Unknown);
        }
        *match state.shown.status {
            BedStatus::Occupied => &mut row.occupied,
            BedStatus::Available => &mut row.available,
            BedStatus::Reserved => &mut row.reserved,
            BedStatus::Dirty => &mut row.dirty,
            BedStatus::Cleaning => &mut row.cleaning,
            BedStatus::Blocked => &mut row.blocked,
            BedStatus::Closed => &mut row.closed,
            BedStatus::Unknown => &mut row.unknown,
        } += 1;
        self.newest_ms = self.newest_ms.max(newest_ms);
        if let (BedStatus::Dirty, Some(since_ms)) = (state.shown.status, state.since_ms()) {
            self.dirty_since_ms = Some(
                self.dirty_since_ms
                    .map_or(since_ms, |known| known.min(since_ms)),
            );
        }
    }

    fn row(
        self,
        site: &str,
        department: String,
        at_ms: i64,
        coverage: Option<f64>,
    ) -> DepartmentRow {
        let row = self.row;
        let unknown = row.unknown - self.unknown_unstaffed;
        DepartmentRow {
            site: site.to_owned(),
            department,
            occupancy: (row.staffed > unknown)
                .then(|| f64::from(row.occupied - row.occupied_unstaffed) / f64::from(row.staffed)),
            oldest_dirty_s: self.dirty_since_ms.map(|ms| seconds(at_ms, ms)),
            age_s: self.newest_ms.map(|ms| seconds(at_ms, ms)),
            coverage,
            ..row
        }
    }
}

/// Every transfer may carry it; only a prior location that disagrees is worth a look (B21).
const PRIOR_GIVEN: &str = "prior-location-given";

fn flags(state: &BedState) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for occupant in &state.occupants {
        let words = remark::WORDS
            .iter()
            .filter(|(bit, _)| occupant.remarks & bit != 0);
        flags.extend(words.map(|(_, word)| (*word).to_owned()));
        let own = occupant
            .arrived
            .event
            .flags
            .iter()
            .filter(|flag| ***flag != *PRIOR_GIVEN);
        flags.extend(own.map(ToString::to_string));
    }
    flags.sort();
    flags.dedup();
    flags
}

/// Whole seconds from then to now, never less than none: a source's clock may run ahead.
fn seconds(now_ms: i64, then_ms: i64) -> i64 {
    now_ms.saturating_sub(then_ms).max(0) / 1000
}
