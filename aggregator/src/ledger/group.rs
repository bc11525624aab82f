//! Visits that merges join, with all their events: what is folded together.
//!
//! Almost every group is one visit. A new event that comes after everything known, and that no cancel reaches, is one
//! step of the fold; anything else folds the group again. Both give the same, and only what differs from before is
//! handed on to the beds.

use std::sync::Arc;

use super::bedlist::BedList;
use super::cancel::judge;
use super::effect::Effect;
use super::event::{At, Event};
use super::fold::{Cancelled, Item, run};
use super::kind::Kind;
use super::visit::{Fold, Status, VisitState};

#[derive(Default)]
pub(crate) struct Group {
    pub(crate) names: Vec<Arc<str>>,
    /// In event order.
    pub(crate) items: Vec<Item>,
    pub(crate) cancelled: Cancelled,
    pub(crate) fold: Fold,
}

/// What a change of a group does to the beds: first `removed` from the last one on, then `added`.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) removed: Vec<Arc<Effect>>,
    pub(crate) added: Vec<Arc<Effect>>,
}

impl Group {
    /// The index of a visit, which becomes a member if it is not one yet.
    fn member(&mut self, name: &Arc<str>) -> usize {
        if let Some(known) = self.names.iter().position(|have| have == name) {
            return known;
        }
        self.names.push(name.clone());
        self.names.len() - 1
    }

    fn place(&mut self, event: &Arc<Event>) -> (usize, bool) {
        let members = self.names.len();
        let item = Item {
            event: event.clone(),
            member: self.member(&event.about),
            other: match (event.kind, event.merged.clone()) {
                (Kind::Merge, Some(merged)) => Some(self.member(&merged)),
                _ => None,
            },
        };
        let at = At::of(event);
        let place = match self.items.last() {
            Some(last) if At::of(&last.event) > at => {
                self.items.partition_point(|have| At::of(&have.event) < at)
            }
            _ => self.items.len(),
        };
        let last = place == self.items.len();
        self.items.insert(place, item);
        (place, last && members == self.names.len())
    }

    pub(crate) fn insert(&mut self, list: &BedList, event: &Arc<Event>) -> Change {
        let first = self.items.is_empty();
        let (place, appended) = self.place(event);
        let in_reach = self
            .cancelled
            .frontier_ms
            .is_some_and(|frontier| event.event_ms <= frontier);
        let plain = !in_reach && !event.kind.is_cancel() && event.kind != Kind::Merge;
        if first || !plain {
            return self.refold(list);
        }
        if !appended {
            if self.repeats(list, place) {
                return Change::default();
            }
            return self.refold(list);
        }
        let before = self.fold.effects.len();
        let member = self.items.get(place).map_or(0, |item| item.member);
        self.fold.event(list, event, member, None);
        self.cancelled.out.push(None);
        self.cancelled.used.push(None);
        self.fold.mark(self.items.len());
        Change {
            removed: Vec::new(),
            added: self.fold.effects.iter().skip(before).cloned().collect(),
        }
    }

    /// Takes all events of another group in; the other one's effects are void then.
    pub(crate) fn absorb(&mut self, other: Self) -> Vec<Arc<Effect>> {
        for item in &other.items {
            self.place(&item.event);
        }
        other.fold.effects
    }

    /// Keeps the events that `keep` says.
    pub(crate) fn retain(
        &mut self,
        list: &BedList,
        mut keep: impl FnMut(usize, &Arc<Event>) -> bool,
    ) -> Change {
        let mut i = 0;
        self.items.retain(|item| {
            i += 1;
            keep(i - 1, &item.event)
        });
        self.refold(list)
    }

    pub(crate) fn refold(&mut self, list: &BedList) -> Change {
        self.cancelled = judge(list, &self.names, &self.items);
        let fold = run(list, &self.names, &self.items, &self.cancelled, None);
        let old = std::mem::replace(&mut self.fold, fold);
        let same = old
            .effects
            .iter()
            .zip(&self.fold.effects)
            .take_while(|(old, new)| old == new)
            .count();
        Change {
            removed: old.effects.into_iter().skip(same).collect(),
            added: self.fold.effects.iter().skip(same).cloned().collect(),
        }
    }

    pub(crate) fn state(&self, name: &str) -> Option<&VisitState> {
        let member = self.names.iter().position(|have| **have == *name)?;
        self.fold.state(member)
    }

    /// Event time of the newest event up to a moment that counts.
    pub(crate) fn newest_ms(&self, at_ms: i64) -> Option<i64> {
        let end = self
            .items
            .partition_point(|item| item.event.event_ms <= at_ms);
        let upto = self.items.iter().enumerate().take(end).rev();
        upto.filter(|(i, item)| !self.cancelled.is_out(*i) && !item.event.kind.is_cancel())
            .map(|(_, item)| item.event.event_ms)
            .next()
    }

    /// The event that ended the visit for good, if it is ended.
    pub(crate) fn ender(&self) -> Option<usize> {
        let ended = |member| {
            self.fold
                .state(member)
                .is_some_and(|state: &VisitState| state.status == Status::Ended)
        };
        if !(0..self.names.len())
            .all(|member| self.fold.stands_for(member) != member || ended(member))
        {
            return None;
        }
        let ends_ms = |event: &Event| match event.kind {
            Kind::Discharge => Some(event.event_ms),
            Kind::CancelVisit => Some(event.recorded_ms),
            _ => None,
        };
        let items = self.items.iter().enumerate();
        items
            .filter(|(i, _)| !self.cancelled.is_out(*i))
            .filter_map(|(i, item)| ends_ms(&item.event).map(|ms| (ms, i)))
            .max()
            .map(|(_, i)| i)
    }
}
