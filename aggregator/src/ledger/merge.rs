//! Merges: two visits that turn out to be one go on as one, from the event that says so.
//!
//! A merge takes nothing away: bed, leave and what is pending go on under the surviving number. What cannot be true
//! together, one visit in two beds, is shown as a conflict until an event settles it.

use std::sync::Arc;

use super::effect::{EffectKind, PendingKind};
use super::event::At;
use super::visit::{Fold, Opened, Status, VisitState};

impl Fold {
    /// B30: the other visit goes on as this one.
    pub(super) fn merge(&mut self, at: &At, m: usize, other: Option<usize>) {
        let Some(o) = other
            .map(|other| self.stands_for(other))
            .filter(|o| *o != m)
        else {
            return;
        };
        let (Some(gone), Some(from)) = (
            self.states.get_mut(o).map(std::mem::take),
            self.names.get(o).cloned(),
        ) else {
            return;
        };
        for stands in &mut self.stands {
            if *stands == o {
                *stands = m;
            }
        }
        self.merge_beds(at, m, &gone, &from);
        for slot in [
            PendingKind::Admission,
            PendingKind::Transfer,
            PendingKind::Discharge,
        ] {
            self.merge_slot(at, m, o, slot, gone.slot(slot).cloned());
        }
        let Some(state) = self.states.get_mut(m) else {
            return;
        };
        state.remarks |= gone.remarks;
        let rank = |status| match status {
            Status::Active => 3,
            Status::Planned => 2,
            Status::Ended => 1,
            Status::Unknown => 0,
        };
        if rank(gone.status) > rank(state.status) {
            state.status = gone.status;
        }
        if state.status == Status::Active {
            self.close(at, m, PendingKind::Admission);
        }
    }

    fn merge_beds(&mut self, at: &At, m: usize, gone: &VisitState, from: &Arc<str>) {
        for held in &gone.held {
            let both = self
                .states
                .get(m)
                .is_some_and(|state| state.holds(&held.bed));
            if both {
                // Two numbers for one patient in one bed: one occupant, not two.
                self.emit_as(at, Some(held.bed.clone()), from.clone(), EffectKind::Vacate);
            } else {
                self.emit(
                    at,
                    Some(held.bed.clone()),
                    m,
                    EffectKind::Renamed { from: from.clone() },
                );
                self.hold(m, held.clone());
            }
        }
        let Some(state) = self.states.get_mut(m) else {
            return;
        };
        let away = state.away || gone.away;
        state.away = away;
        let held = state.held.clone();
        for one in &held {
            if away {
                self.emit(at, Some(one.bed.clone()), m, EffectKind::Away(true));
            }
            if held.len() > 1 {
                let claims = held.iter().map(|held| held.arrived.clone()).collect();
                self.emit(at, Some(one.bed.clone()), m, EffectKind::Twice { claims });
            }
        }
    }

    /// B30, B32: the newer of two pending events of one sort stays open.
    fn merge_slot(&mut self, at: &At, m: usize, o: usize, slot: PendingKind, gone: Option<Opened>) {
        let Some(gone) = gone else { return };
        let newer = match self.states.get(m).and_then(|state| state.slot(slot)) {
            Some(own) => (&gone.at, gone.n) > (&own.at, own.n),
            None => true,
        };
        let place = gone.place.clone();
        if let Some(state) = self.states.get_mut(o) {
            *state.slot_mut(slot) = Some(gone);
        }
        self.close(at, o, slot);
        if newer {
            self.open(at, m, slot, place);
        }
    }
}
