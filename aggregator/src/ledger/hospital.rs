//! All beds and all that is pending, as the effects of the visits make them.
//!
//! Effects are put and taken back one by one; nothing else writes here. What is pending is kept apart as open and
//! closed, so that a question about now does not walk through the past.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardline_api::BedClass;

use super::bed::{Bed, Point};
use super::bedlist::BedList;
use super::effect::{Effect, EffectKind, PendingKind};
use super::event::{At, Spot};
use super::fact::Condition;
use super::group::Change;
use super::outcome::Touched;

/// A pending admission, transfer or discharge, while it was open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) visit: Arc<str>,
    pub(crate) slot: PendingKind,
    pub(crate) place: Option<Spot>,
}

type OpenedAt = (At, u32);

#[derive(Default)]
pub(crate) struct Hospital {
    pub(crate) beds: BTreeMap<Arc<str>, Bed>,
    open: BTreeMap<OpenedAt, Pending>,
    /// By the time at which it was closed.
    closed: BTreeMap<i64, BTreeMap<OpenedAt, Pending>>,
    stale: BTreeSet<Arc<str>>,
}

impl Hospital {
    pub(crate) fn new(list: &BedList) -> Self {
        let mut hospital = Self::default();
        for (name, _) in list.beds() {
            hospital.beds.insert(name.clone(), new_bed(list, name));
        }
        hospital
    }

    pub(crate) fn bed(&mut self, list: &BedList, name: &Arc<str>) -> &mut Bed {
        self.beds
            .entry(name.clone())
            .or_insert_with(|| new_bed(list, name))
    }

    /// Applies what changed, and says which rows that touches; `refresh` is left to the caller.
    pub(crate) fn change(&mut self, list: &BedList, change: Change, touched: &mut Touched) {
        for effect in change.removed.iter().rev() {
            self.take(list, effect, touched);
        }
        for effect in change.added {
            self.put(list, effect, touched);
        }
    }

    pub(crate) fn refresh(&mut self) {
        for name in std::mem::take(&mut self.stale) {
            if let Some(bed) = self.beds.get_mut(&name) {
                bed.refresh();
            }
        }
    }

    fn put(&mut self, list: &BedList, effect: Arc<Effect>, touched: &mut Touched) {
        self.touch(list, &effect, touched);
        match &effect.what {
            EffectKind::Open { slot, place } => {
                let pending = Pending {
                    visit: effect.visit.clone(),
                    slot: *slot,
                    place: place.clone(),
                };
                self.open.insert((effect.at.clone(), effect.n), pending);
            }
            EffectKind::Close {
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
            self.bed(list, &name)
                .put(effect.at.clone(), effect.n, Point::Visit(effect));
            self.stale.insert(name);
        }
    }

    fn take(&mut self, list: &BedList, effect: &Effect, touched: &mut Touched) {
        self.touch(list, effect, touched);
        match &effect.what {
            EffectKind::Open { .. } => {
                self.open.remove(&(effect.at.clone(), effect.n));
            }
            EffectKind::Close {
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

    fn touch(&mut self, list: &BedList, effect: &Effect, touched: &mut Touched) {
        if let Some(name) = &effect.bed {
            self.touch_bed(list, name, touched);
        }
        if let EffectKind::Open {
            place: Some(place), ..
        }
        | EffectKind::Close {
            place: Some(place), ..
        } = &effect.what
            && let Some(department) = department(list, place)
        {
            touched.departments.insert(department);
        }
    }

    fn touch_bed(&mut self, list: &BedList, name: &Arc<str>, touched: &mut Touched) {
        if !touched.beds.contains(&**name) {
            let department = self.bed(list, name).department.to_string();
            touched.departments.insert(department);
            touched.beds.insert(name.to_string());
        }
    }

    pub(crate) fn put_condition(
        &mut self,
        list: &BedList,
        at: At,
        condition: Condition,
        touched: &mut Touched,
    ) {
        let name = at.event.about.clone();
        self.touch_bed(list, &name, touched);
        let bed = self.bed(list, &name);
        bed.put(at, 0, Point::Condition(condition));
        self.stale.insert(name);
    }

    /// `refresh` is left to the caller.
    pub(crate) fn take_condition(&mut self, list: &BedList, at: &At, touched: &mut Touched) {
        let name = at.event.about.clone();
        self.touch_bed(list, &name, touched);
        let bed = self.bed(list, &name);
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

fn new_bed(list: &BedList, name: &Arc<str>) -> Bed {
    let (department, class, staffed, listed) = match list.get(name) {
        Some(bed) => (bed.department.clone(), bed.class, bed.staffed, true),
        None => {
            let unit = name.split('^').next().unwrap_or_default();
            (list.spelling(unit).into(), BedClass::Other, false, false)
        }
    };
    Bed::new(department, class, staffed, listed)
}

/// The department of a place: the list's for a listed bed, else its first component.
pub(crate) fn department(list: &BedList, place: &Spot) -> Option<String> {
    if let Some(listed) = place.bed().and_then(|bed| list.get(bed)) {
        return Some(listed.department.to_string());
    }
    place
        .point_of_care()
        .map(|unit| list.spelling(unit).to_owned())
}
