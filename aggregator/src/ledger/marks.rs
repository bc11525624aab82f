//! Late events of long visits: most of them repeat what is known, and shall not cost a fold of the whole visit.
//!
//! The state of a visit is marked at every so many events. A late event that no cancel reaches is tried from the mark
//! before it: if it changes neither the state nor a bed, everything after it stays as it is. Only a visit that was
//! never merged has marks; whatever is not clear is folded anew.

use super::bedlist::BedList;
use super::fold::Item;
use super::group::Group;
use super::visit::{Fold, Mark, VisitState};
use crate::limits::MARK_EVENTS;

impl Group {
    /// Whether the event that was just put at `place` changes nothing; then it is taken in.
    pub(crate) fn repeats(&mut self, list: &BedList, place: usize) -> bool {
        let Some((start, state)) = self.mark_before(place) else {
            return false;
        };
        let mut fold = Fold::new(&self.names);
        fold.states = vec![state];
        // Not yet in the verdict: the indices up to `place` are right, and no cancel stands after it.
        for (i, item) in self.items.iter().enumerate().take(place).skip(start) {
            if !self.cancelled.is_out(i) {
                fold.event(list, &item.event, 0, None);
            }
        }
        let (before, effects) = (fold.states.clone(), fold.effects.len());
        let Some(item) = self.items.get(place) else {
            return false;
        };
        fold.event(list, &item.event, 0, None);
        if fold.states != before || fold.effects.len() != effects {
            return false;
        }
        self.cancelled.out.insert(place, None);
        self.cancelled.used.insert(place, None);
        let next = self.fold.marks.partition_point(|mark| mark.items <= place);
        for mark in self.fold.marks.iter_mut().skip(next) {
            mark.items += 1;
        }
        if let Some(state) = before
            .into_iter()
            .next()
            .filter(|_| place - start >= MARK_EVENTS)
        {
            self.fold.marks.insert(
                next,
                Mark {
                    items: place,
                    state,
                },
            );
        }
        true
    }

    /// How many events the newest usable mark stands for, and the state there.
    fn mark_before(&self, place: usize) -> Option<(usize, VisitState)> {
        if self.names.len() != 1 {
            return None;
        }
        let beyond = |item: &Item| {
            self.cancelled
                .frontier_ms
                .is_none_or(|frontier| item.event.event_ms > frontier)
        };
        let next = self.fold.marks.partition_point(|mark| mark.items <= place);
        let mark = next
            .checked_sub(1)
            .and_then(|newest| self.fold.marks.get(newest));
        match mark {
            Some(mark) => {
                let last = self.items.get(mark.items.checked_sub(1)?)?;
                beyond(last).then(|| (mark.items, mark.state.clone()))
            }
            None => self
                .cancelled
                .frontier_ms
                .is_none()
                .then(|| (0, VisitState::default())),
        }
    }
}
