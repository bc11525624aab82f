//! All beds and all that is pending, as the effects of the visits make them.
//!
//! Effects are put and taken back one by one; nothing else writes here. What is pending is kept apart as open and
//! closed, so that a question about now does not walk through the past.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardline_api::BedClass;

use super::bed::{Bed, Point};
use super::effect::{Effect, Slot, What};
use super::event::{At, Spot};
use super::fact::Condition;
use super::group::Change;
use super::outcome::Touched;
use super::visit::Rules;

/// A pending admission, transfer or discharge, while it was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) visit: Arc<str>,
    pub(crate) slot: Slot,
    pub(crate) place: Option<Spot>,
}

type OpenedAt = (At, u32);

#[derive(Default)]
pub(crate) struct Board {
    pub(crate) beds: BTreeMap<Arc<str>, Bed>,
    open: BTreeMap<OpenedAt, Pending>,
    /// By the time at which it was closed.
    closed: BTreeMap<i64, BTreeMap<OpenedAt, Pending>>,
    stale: BTreeSet<Arc<str>>,
}

impl Board {
    pub(crate) fn new(rules: &Rules) -> Self {
        let mut board = Self::default();
        for (name, _) in rules.beds.beds() {
            board.beds.insert(name.clone(), new_bed(rules, name));
        }
        board
    }

    pub(crate) fn bed(&mut self, rules: &Rules, name: &Arc<str>) -> &mut Bed {
        self.beds
            .entry(name.clone())
            .or_insert_with(|| new_bed(rules, name))
    }

    /// Applies what changed, and says which rows that touches.
    pub(crate) fn change(&mut self, rules: &Rules, change: Change, touched: &mut Touched) {
        self.change_many(rules, change, touched);
        self.refresh();
    }

    /// One of many changes: `refresh` is left to the caller.
    pub(crate) fn change_many(&mut self, rules: &Rules, change: Change, touched: &mut Touched) {
        for effect in change.removed.iter().rev() {
            self.take(rules, effect, touched);
        }
        for effect in change.added {
            self.put(rules, effect, touched);
        }
    }

    pub(crate) fn refresh(&mut self) {
        for name in std::mem::take(&mut self.stale) {
            if let Some(bed) = self.beds.get_mut(&name) {
                bed.refresh();
            }
        }
    }

    fn put(&mut self, rules: &Rules, effect: Arc<Effect>, touched: &mut Touched) {
        self.touch(rules, &effect, touched);
        match &effect.what {
            What::Open { slot, place } => {
                let pending = Pending {
                    visit: effect.visit.clone(),
                    slot: *slot,
                    place: place.clone(),
                };
                self.open.insert((effect.at.clone(), effect.n), pending);
            }
            What::Close {
                opened, opened_n, ..
            } => {
                let key = (opened.clone(), *opened_n);
                if let Some(pending) = self.open.remove(&key) {
                    self.closed
                        .entry(effect.at.ms)
                        .or_default()
                        .insert(key, pending);
                }
            }
            _ => {}
        }
        if let Some(name) = effect.bed.clone() {
            self.bed(rules, &name)
                .put(effect.at.clone(), effect.n, Point::Visit(effect));
            self.stale.insert(name);
        }
    }

    fn take(&mut self, rules: &Rules, effect: &Effect, touched: &mut Touched) {
        self.touch(rules, effect, touched);
        match &effect.what {
            What::Open { .. } => {
                self.open.remove(&(effect.at.clone(), effect.n));
            }
            What::Close {
                opened, opened_n, ..
            } => {
                let key = (opened.clone(), *opened_n);
                if let Some(at) = self.closed.get_mut(&effect.at.ms) {
                    if let Some(pending) = at.remove(&key) {
                        self.open.insert(key, pending);
                    }
                    if at.is_empty() {
                        self.closed.remove(&effect.at.ms);
                    }
                }
            }
            _ => {}
        }
        if let Some(name) = &effect.bed
            && let Some(bed) = self.beds.get_mut(name)
        {
            bed.take(&effect.at, effect.n);
            self.stale.insert(name.clone());
        }
    }

    fn touch(&mut self, rules: &Rules, effect: &Effect, touched: &mut Touched) {
        if let Some(name) = &effect.bed {
            self.touch_bed(rules, name, touched);
        }
        if let What::Open {
            place: Some(place), ..
        }
        | What::Close {
            place: Some(place), ..
        } = &effect.what
            && let Some(department) = department(rules, place)
        {
            touched.departments.insert(department);
        }
    }

    fn touch_bed(&mut self, rules: &Rules, name: &Arc<str>, touched: &mut Touched) {
        if !touched.beds.contains(&**name) {
            let department = self.bed(rules, name).department.to_string();
            touched.departments.insert(department);
            touched.beds.insert(name.to_string());
        }
    }

    pub(crate) fn put_condition(
        &mut self,
        rules: &Rules,
        at: At,
        condition: Condition,
        touched: &mut Touched,
    ) {
        let name = at.event.about.clone();
        self.touch_bed(rules, &name, touched);
        let bed = self.bed(rules, &name);
        bed.put(at, 0, Point::Condition(condition));
        bed.refresh();
    }

    /// `refresh` is left to the caller.
    pub(crate) fn take_condition(&mut self, rules: &Rules, at: &At, touched: &mut Touched) {
        let name = at.event.about.clone();
        self.touch_bed(rules, &name, touched);
        let bed = self.bed(rules, &name);
        bed.take(at, 0);
        self.stale.insert(name);
    }

    /// What was pending at a moment, with the time at which it was opened.
    pub(crate) fn pending(&self, at_ms: i64) -> impl Iterator<Item = (&At, &Pending)> {
        let later = self
            .closed
            .range((std::ops::Bound::Excluded(at_ms), std::ops::Bound::Unbounded))
            .flat_map(|(_, closed)| closed);
        self.open
            .iter()
            .chain(later)
            .filter(move |((at, _), _)| at.ms <= at_ms)
            .map(|((at, _), pending)| (at, pending))
    }
}

fn new_bed(rules: &Rules, name: &Arc<str>) -> Bed {
    let (department, class, staffed, listed) = match rules.beds.get(name) {
        Some(bed) => (bed.department.clone(), bed.class, bed.staffed, true),
        None => {
            let unit = name.split('^').next().unwrap_or_default();
            (
                rules.beds.spelling(unit).into(),
                BedClass::Other,
                false,
                false,
            )
        }
    };
    Bed::new(
        department,
        class,
        staffed,
        listed,
        rules.policy.dirty_after_departure(class),
    )
}

/// The department of a place: the list's for a listed bed, else its first component.
pub(crate) fn department(rules: &Rules, place: &Spot) -> Option<String> {
    if let Some(listed) = place.bed().and_then(|bed| rules.beds.get(bed)) {
        return Some(listed.department.to_string());
    }
    place
        .point_of_care()
        .map(|unit| rules.beds.spelling(unit).to_owned())
}
