//! The ledgers of all sites, side by side. Nothing joins two sites but this list, so equal names never meet (P12).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::sync::Arc;

use wardline_api::{BedRow, DepartmentRow, DeviceRow};

use super::digest::Hash;
use super::{Applied, BedList, Counters, Coverage, Fact, Ledger, View};

/// The bed list of each site, by the centre's name for the site.
pub type BedLists = BTreeMap<String, BedList>;

/// Site -> point of care in lower case -> departments that have beds there.
pub(crate) type Units = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[derive(Default)]
pub struct Sites {
    ledgers: BTreeMap<Arc<str>, Ledger>,
}

impl Sites {
    pub fn new(lists: BedLists) -> Self {
        let ledger = |(site, list): (String, BedList)| {
            let ledger = Ledger::new(&site, list);
            (site.into(), ledger)
        };
        Self {
            ledgers: lists.into_iter().map(ledger).collect(),
        }
    }

    /// Takes one fact in at its site; a site that nobody listed has no bed list.
    pub fn apply(&mut self, fact: Fact) -> Applied {
        if let Some(ledger) = self.ledgers.get_mut(&*fact.site) {
            return ledger.apply(fact);
        }
        let mut ledger = Ledger::new(&fact.site, BedList::empty());
        let site: Arc<str> = fact.site.as_str().into();
        let applied = ledger.apply(fact);
        self.ledgers.insert(site, ledger);
        applied
    }

    /// To be called after a delivery: until then every question folds for itself what changed.
    pub fn settle(&mut self) {
        self.ledgers.values_mut().for_each(Ledger::settle);
    }

    pub fn site(&self, site: &str) -> Option<&Ledger> {
        self.ledgers.get(site)
    }

    /// All ledgers, or the one of `site`, by name.
    pub fn of(&self, site: Option<&str>) -> impl Iterator<Item = (&str, &Ledger)> {
        self.ledgers
            .iter()
            .map(|(name, ledger)| (&**name, ledger))
            .filter(move |(name, _)| site.is_none_or(|site| site == *name))
    }

    /// By site and bed.
    pub fn beds(&self, site: Option<&str>, view: View) -> Vec<BedRow> {
        self.of(site)
            .flat_map(|(_, ledger)| ledger.beds(view))
            .collect()
    }

    /// By site and department.
    pub fn departments(
        &self,
        site: Option<&str>,
        view: View,
        coverage: Coverage<'_>,
    ) -> Vec<DepartmentRow> {
        self.of(site)
            .flat_map(|(_, ledger)| ledger.departments(view, coverage))
            .collect()
    }

    /// By site and device.
    pub fn devices(&self, site: Option<&str>, now_ms: i64) -> Vec<DeviceRow> {
        self.of(site)
            .flat_map(|(_, ledger)| ledger.devices(now_ms))
            .collect()
    }

    /// Of each site: points of care, in lower case, with the departments that have beds there.
    pub(crate) fn units(&self) -> Units {
        let each = self.ledgers.iter();
        each.map(|(site, ledger)| (site.to_string(), ledger.units()))
            .collect()
    }

    /// Forgets at every site what ended before the horizon, and says which facts to delete from storage, by site.
    pub fn evict(&mut self, horizon_ms: i64) -> Vec<(String, Vec<String>)> {
        let each = self.ledgers.iter_mut();
        each.map(|(site, ledger)| (site.to_string(), ledger.evict(horizon_ms)))
            .filter(|(_, gone)| !gone.is_empty())
            .collect()
    }

    /// The latest horizon that a site, or any, was forgotten to: before it nothing can be said.
    pub fn horizon_ms(&self, site: Option<&str>) -> Option<i64> {
        self.of(site)
            .filter_map(|(_, ledger)| ledger.horizon_ms())
            .max()
    }

    pub fn counters(&self) -> Counters {
        let each = self.ledgers.values().map(Ledger::counters);
        each.fold(Counters::default(), |sum, of| sum.and(&of))
    }

    /// Equal digests mean equal states, whatever order the facts came in.
    pub fn digest(&self) -> String {
        Hash::of(|hash| self.canonical(hash))
    }

    /// The state as text, for people who look for the difference between two digests.
    pub fn canonical_text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        self.canonical(&mut text).ok();
        text
    }

    fn canonical(&self, out: &mut impl Write) -> fmt::Result {
        self.ledgers
            .values()
            .try_for_each(|ledger| ledger.canonical(out))
    }
}
