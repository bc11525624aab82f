//! The bed ledger and the device ledger of a site: from facts to beds, departments and devices.
//!
//! A site is the unit: `Ledger` knows one, `Sites` keeps them apart, and nothing but the site's name joins them.
//! Pure: no I/O, no clock, no async. The state is a function of the *set* of facts (docs/specs/bed-ledger.md): applying
//! them in another order, twice or late gives the same state and the same `digest`. Applying is incremental: a fact
//! refolds the visit it is about and touches the beds that visit touches, nothing else.

mod apply;
mod bed;
mod bedlist;
mod cancel;
mod census;
mod device;
mod digest;
mod effect;
mod event;
mod evict;
mod explain;
mod fact;
mod fold;
mod group;
mod hospital;
mod kind;
mod marks;
mod merge;
mod natural;
mod outcome;
mod sites;
#[cfg(test)]
mod tests;
mod visit;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use bedlist::{BedList, BedListError, ListedBed};
pub use fact::{BedSays, Condition, DeviceSays, DeviceValue, Fact, Place, Subject, VisitSays};
pub use outcome::{Applied, Counters, Outcome, Touched};
pub(crate) use sites::Units;
pub use sites::{BedLists, Sites};

use apply::Seen;
use device::Device;
use event::Names;
use group::Group;
use hospital::Hospital;

/// The moment that is asked for: the state at an event time, in the light of all that is known, or of what was
/// received by `known_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub at_ms: i64,
    pub known_ms: Option<i64>,
}

impl View {
    pub fn at(at_ms: i64) -> Self {
        Self {
            at_ms,
            known_ms: None,
        }
    }
}

/// Share of the sources of a site's department that were heard lately: the shell knows.
pub type Coverage<'a> = &'a dyn Fn(&str, &str) -> Option<f64>;

/// Visits, beds, departments and devices of one site, as the facts so far make them.
pub struct Ledger {
    site: Arc<str>,
    list: BedList,
    names: Names,
    groups: BTreeMap<u64, Group>,
    /// Which group a visit is in. Only looked up; no order of it reaches a result.
    group_of: HashMap<Arc<str>, u64>,
    next_group: u64,
    seen: Seen,
    hospital: Hospital,
    devices: BTreeMap<Arc<str>, Device>,
    device_facts: u64,
    horizon_ms: Option<i64>,
}

impl Ledger {
    pub fn new(site: &str, list: BedList) -> Self {
        Self {
            site: site.into(),
            hospital: Hospital::new(&list),
            list,
            names: Names::default(),
            groups: BTreeMap::new(),
            group_of: HashMap::new(),
            next_group: 0,
            seen: Seen::default(),
            devices: BTreeMap::new(),
            device_facts: 0,
            horizon_ms: None,
        }
    }

    /// Storage key of a fact: unique, and ordered as the agent numbered its events.
    pub fn fact_key(fact: &Fact) -> String {
        fact.key()
    }

    /// The newest horizon that was evicted to: what is older, and about nothing still known, comes too late.
    pub fn horizon_ms(&self) -> Option<i64> {
        self.horizon_ms
    }

    /// Folds the beds that changed, once each however much changed: after a delivery, not after every fact of it.
    pub fn settle(&mut self) {
        self.hospital.refresh();
    }

    /// Sets the horizon of a ledger that was rebuilt from stored facts; to be called after they were applied.
    pub fn resume(&mut self, horizon_ms: i64) {
        self.horizon_ms = self.horizon_ms.max(Some(horizon_ms));
    }

    pub fn counters(&self) -> Counters {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Counters {
            facts: number(self.seen.len()).saturating_add(self.device_facts),
            visits: number(self.group_of.len()),
            devices: number(self.devices.len()),
            cancels_without_target: number(
                self.groups
                    .values()
                    .map(|group| group.cancelled.waiting.len())
                    .sum(),
            ),
            message_conflicts: self.seen.conflicts(),
            beds_in_conflict: number(
                self.hospital
                    .beds
                    .values()
                    .filter(|bed| !bed.tip().conflict().is_empty())
                    .count(),
            ),
            unlisted_beds: number(
                self.hospital
                    .beds
                    .values()
                    .filter(|bed| bed.exists() && !bed.listed)
                    .count(),
            ),
        }
    }
}
