//! One bed: who is in it, what it is like, and what is shown.
//!
//! A bed is a sequence of points in the order of all events. Its state at a moment is the fold of the points up to
//! then; the state after the last point is kept, so that a new point at the end costs one step. Occupants and
//! condition are two axes: arriving does not touch the condition, a departure that empties the bed makes it dirty.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use wardline_api::{BedClass, BedStatus};

use super::effect::{Effect, EffectKind, PendingKind, remark};
use super::event::At;
use super::fact::Condition;
use crate::limits::MARK_EVENTS;

/// Something that happened to the bed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Point {
    Visit(Arc<Effect>),
    Condition(Condition),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub(crate) visit: Arc<str>,
    pub(crate) arrived: At,
    pub(crate) away: bool,
    pub(crate) remarks: u8,
    /// Arrivals that claim the visit for several beds, after a merge.
    pub(crate) claims: Vec<At>,
}

/// What is shown, apart from who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) status: BedStatus,
    pub(crate) reason: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BedState {
    pub(crate) occupants: Vec<Occupant>,
    pub(crate) reserved: Vec<(Arc<str>, PendingKind)>,
    pub(crate) condition: Option<Condition>,
    /// The event that the condition rests on.
    pub(crate) condition_at: Option<At>,
    pub(crate) shown: Shown,
    /// The event since which it is shown so.
    pub(crate) since: Option<At>,
    /// The last thing that happened to it.
    pub(crate) newest: Option<At>,
}

impl Default for BedState {
    fn default() -> Self {
        Self {
            occupants: Vec::new(),
            reserved: Vec::new(),
            condition: None,
            condition_at: None,
            shown: Shown {
                status: BedStatus::Unknown,
                reason: None,
            },
            since: None,
            newest: None,
        }
    }
}

/// A bed and all that happened to it.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) department: Arc<str>,
    pub(crate) class: BedClass,
    pub(crate) staffed: bool,
    pub(crate) listed: bool,
    pub(crate) points: BTreeMap<(At, u32), Point>,
    /// Visits with an event that names the bed, counted or not: where an explanation looks.
    pub(crate) mentions: BTreeSet<Arc<str>>,
    /// States on the way, so that a late point and a moment of the past cost no fold from the beginning: after so many
    /// points each, up to the first that changed since.
    marks: BTreeMap<(At, u32), BedState>,
    /// Points since the last mark.
    unmarked: usize,
    tip: BedState,
    stale: bool,
}

impl Bed {
    pub(crate) fn new(department: Arc<str>, class: BedClass, staffed: bool, listed: bool) -> Self {
        Self {
            department,
            class,
            staffed,
            listed,
            points: BTreeMap::new(),
            mentions: BTreeSet::new(),
            marks: BTreeMap::new(),
            unmarked: 0,
            tip: BedState::default(),
            stale: false,
        }
    }

    /// A bed that only a voided event names is not there.
    pub(crate) fn exists(&self) -> bool {
        self.listed || !self.points.is_empty()
    }

    pub(crate) fn put(&mut self, at: At, n: u32, point: Point) {
        let key = (at, n);
        let appended = self
            .points
            .last_key_value()
            .is_none_or(|(last, _)| *last < key);
        if appended && !self.stale {
            self.tip.step(&key.0, &point);
            self.unmarked += 1;
            if self.unmarked >= MARK_EVENTS {
                self.marks.insert(key.clone(), self.tip.clone());
                self.unmarked = 0;
            }
        } else {
            self.changed_at(&key);
        }
        self.points.insert(key, point);
    }

    pub(crate) fn take(&mut self, at: &At, n: u32) {
        let key = (at.clone(), n);
        self.points.remove(&key);
        self.changed_at(&key);
    }

    /// Everything from there on has to be folded again.
    fn changed_at(&mut self, key: &(At, u32)) {
        self.stale = true;
        self.marks.split_off(key);
    }

    /// Brings the kept state up to date. Until then a question folds for itself.
    pub(crate) fn refresh(&mut self) {
        if !self.stale {
            return;
        }
        let (mut state, after) = self.mark_before(i64::MAX);
        let points = self.points.range((after, Bound::Unbounded));
        self.unmarked = 0;
        for (key, point) in points {
            state.step(&key.0, point);
            self.unmarked += 1;
            if self.unmarked >= MARK_EVENTS {
                self.marks.insert(key.clone(), state.clone());
                self.unmarked = 0;
            }
        }
        self.tip = state;
        self.stale = false;
    }

    /// The newest marked state that is no later than the moment, and the bound after which points are still to fold.
    fn mark_before(&self, at_ms: i64) -> (BedState, Bound<(At, u32)>) {
        let mut marks = self.marks.iter().rev();
        match marks.find(|((at, _), _)| at.ms <= at_ms) {
            Some((key, state)) => (state.clone(), Bound::Excluded(key.clone())),
            None => (BedState::default(), Bound::Unbounded),
        }
    }

    fn fold(&self, at_ms: i64) -> BedState {
        let (mut state, after) = self.mark_before(at_ms);
        let points = self.points.range((after, Bound::Unbounded));
        for ((at, _), point) in points.take_while(|((at, _), _)| at.ms <= at_ms) {
            state.step(at, point);
        }
        state
    }

    /// What the condition before a moment would be if some visits had never been there.
    pub(crate) fn condition_without(
        &self,
        visits: &[Arc<str>],
        before_ms: i64,
    ) -> Option<Condition> {
        let mut state = BedState::default();
        for ((at, _), point) in self
            .points
            .iter()
            .take_while(|((at, _), _)| at.ms < before_ms)
        {
            match point {
                Point::Visit(effect) if visits.contains(&effect.visit) => {}
                point => state.step(at, point),
            }
        }
        state.condition
    }

    /// The state after everything.
    pub(crate) fn tip(&self) -> Cow<'_, BedState> {
        self.at(i64::MAX)
    }

    /// The state after everything up to that moment.
    pub(crate) fn at(&self, at_ms: i64) -> Cow<'_, BedState> {
        let covers = self
            .points
            .last_key_value()
            .is_none_or(|((last, _), _)| last.ms <= at_ms);
        if covers && !self.stale {
            Cow::Borrowed(&self.tip)
        } else {
            Cow::Owned(self.fold(at_ms))
        }
    }
}

impl BedState {
    fn step(&mut self, at: &At, point: &Point) {
        match point {
            Point::Condition(Condition::Occupied) => {}
            Point::Condition(condition) => self.set_condition(at, *condition),
            Point::Visit(effect) => self.visit(at, effect),
        }
        self.newest = Some(at.clone());
        let shown = self.show();
        if shown != self.shown {
            self.shown = shown;
            self.since = Some(at.clone());
        }
    }

    fn set_condition(&mut self, at: &At, condition: Condition) {
        self.condition = Some(condition);
        self.condition_at = Some(at.clone());
    }

    fn visit(&mut self, at: &At, effect: &Effect) {
        let visit = &effect.visit;
        match &effect.what {
            EffectKind::Arrive { remarks } => self.occupants.push(Occupant {
                visit: visit.clone(),
                arrived: at.clone(),
                away: false,
                remarks: *remarks,
                claims: Vec::new(),
            }),
            EffectKind::Depart | EffectKind::Vacate => {
                self.occupants.retain(|occupant| occupant.visit != *visit);
                if effect.what == EffectKind::Depart && self.occupants.is_empty() {
                    self.set_condition(at, Condition::Housekeeping);
                }
            }
            EffectKind::Renamed { from } => {
                self.occupant(from, |occupant| occupant.visit = visit.clone());
            }
            EffectKind::Away(away) => self.occupant(visit, |occupant| occupant.away = *away),
            EffectKind::Twice { claims } => self.occupant(visit, |occupant| {
                occupant.remarks |= remark::MERGED_IN_TWO_BEDS;
                occupant.claims.clone_from(claims);
            }),
            EffectKind::Once => self.occupant(visit, |occupant| {
                occupant.remarks &= !remark::MERGED_IN_TWO_BEDS;
                occupant.claims.clear();
            }),
            EffectKind::Open { slot, .. } => self.reserved.push((visit.clone(), *slot)),
            EffectKind::Close { slot, .. } => self
                .reserved
                .retain(|(who, what)| who != visit || what != slot),
        }
    }

    fn occupant(&mut self, visit: &Arc<str>, change: impl FnOnce(&mut Occupant)) {
        if let Some(occupant) = self
            .occupants
            .iter_mut()
            .find(|occupant| occupant.visit == *visit)
        {
            change(occupant);
        }
    }

    fn show(&self) -> Shown {
        let plain = |status| Shown {
            status,
            reason: None,
        };
        let blocked = |reason| Shown {
            status: BedStatus::Blocked,
            reason: Some(reason),
        };
        if !self.occupants.is_empty() {
            return plain(BedStatus::Occupied);
        }
        match self.condition {
            Some(Condition::Closed) => plain(BedStatus::Closed),
            Some(Condition::Contaminated) => blocked("contaminated"),
            Some(Condition::Isolated) => blocked("isolated"),
            Some(Condition::Housekeeping) => plain(BedStatus::Dirty),
            Some(Condition::Cleaning) => plain(BedStatus::Cleaning),
            Some(Condition::Unoccupied) if self.reserved.is_empty() => plain(BedStatus::Available),
            Some(Condition::Unoccupied) => plain(BedStatus::Reserved),
            Some(Condition::Occupied) | None => plain(BedStatus::Unknown),
        }
    }

    pub(crate) fn since_ms(&self) -> Option<i64> {
        self.since.as_ref().map(|at| at.ms)
    }

    /// The events that what is shown rests on, apart from who is there: forgetting all others changes no row.
    pub(crate) fn rests_on(&self) -> impl Iterator<Item = &At> {
        [&self.condition_at, &self.since, &self.newest]
            .into_iter()
            .flatten()
    }

    pub(crate) fn on_leave(&self) -> bool {
        !self.occupants.is_empty() && self.occupants.iter().all(|occupant| occupant.away)
    }

    /// The arrivals that contradict each other, in order; none when they do not.
    pub(crate) fn conflict(&self) -> Vec<&At> {
        let mut claims: Vec<&At> = self
            .occupants
            .iter()
            .flat_map(|occupant| &occupant.claims)
            .collect();
        if self.occupants.len() > 1 {
            claims.extend(self.occupants.iter().map(|occupant| &occupant.arrived));
        }
        claims.sort();
        claims.dedup();
        claims
    }
}
