//! Bounded memory: what ended before the history is forgotten, in a way that changes no present number.
//!
//! A visit goes when it holds no bed, has nothing pending, and all its events are older than the horizon; of a visit
//! that ended, the event that ended it stays a while longer, so that a late update finds it ended instead of bringing it
//! back. Nothing goes that a bed's row still rests on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Ledger;
use super::bed::Point;
use super::effect::{EffectKind, PendingKind};
use super::event::{At, Event, Spot};
use super::group::{Change, Group};
use super::kind::Kind;
use super::outcome::Touched;
use crate::limits::ENDED_KEPT_MS;

impl Group {
    /// Whether nothing is left of it but the event that ended it, and who was merged into whom.
    pub(crate) fn is_remnant(&self, horizon_ms: i64) -> bool {
        self.newest_of_all_ms() < horizon_ms
            && self.ender().is_some_and(|ender| {
                self.items
                    .iter()
                    .enumerate()
                    .all(|(i, item)| i == ender || item.event.kind == Kind::Merge)
            })
    }

    fn newest_of_all_ms(&self) -> i64 {
        let newest = |event: &Event| event.event_ms.max(event.recorded_ms);
        self.items
            .iter()
            .map(|item| newest(&item.event))
            .max()
            .unwrap_or(i64::MIN)
    }

    /// Nothing is held; what is pending keeps a visit until `forgotten_ms`.
    fn can_go(&self, horizon_ms: i64, forgotten_ms: i64) -> bool {
        let newest_ms = self.newest_of_all_ms();
        let pending = [
            PendingKind::Admission,
            PendingKind::Transfer,
            PendingKind::Discharge,
        ];
        let idle = self.fold.states.iter().all(|state| {
            let open = pending.iter().any(|slot| state.slot(*slot).is_some());
            state.held.is_empty() && (!open || newest_ms < forgotten_ms)
        });
        idle && newest_ms < horizon_ms
    }
}

impl Ledger {
    /// Forgets what ended before the horizon, and says which facts to delete from storage.
    pub fn evict(&mut self, horizon_ms: i64) -> Vec<String> {
        self.resume(horizon_ms);
        let supports = self.supports(horizon_ms);
        let forgotten_ms = horizon_ms.saturating_sub(ENDED_KEPT_MS);
        let mut gone: Vec<Arc<Event>> = Vec::new();
        let candidates: Vec<u64> = self
            .groups
            .iter()
            .filter(|(_, group)| group.can_go(horizon_ms, forgotten_ms))
            .filter(|(_, group)| {
                !group
                    .items
                    .iter()
                    .any(|item| supports.contains(&At::of(&item.event)))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in candidates {
            self.evict_group(id, horizon_ms, forgotten_ms, &mut gone);
        }
        self.evict_conditions(horizon_ms, &supports, &mut gone);
        for event in &gone {
            self.seen.remove(event);
        }
        let mut keys: Vec<String> = gone
            .iter()
            .map(|event| event.storage_key(&self.site))
            .collect();
        keys.extend(self.evict_devices(horizon_ms));
        self.hospital.refresh();
        self.hospital
            .beds
            .retain(|_, bed| bed.exists() || !bed.mentions.is_empty());
        drop(gone);
        self.names.tidy();
        keys
    }

    /// The events that the row of a bed rests on, as it is at the horizon.
    fn supports(&self, horizon_ms: i64) -> BTreeSet<At> {
        let mut supports = BTreeSet::new();
        for bed in self.hospital.beds.values() {
            let state = bed.at(horizon_ms.saturating_sub(1));
            supports.extend(state.rests_on().map(|at| At::of(&at.event)));
        }
        supports
    }

    fn evict_group(
        &mut self,
        id: u64,
        horizon_ms: i64,
        forgotten_ms: i64,
        gone: &mut Vec<Arc<Event>>,
    ) {
        if self.steadies(id, horizon_ms) {
            return;
        }
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let ender = group.ender();
        let keep_ender = ender.is_some() && group.newest_of_all_ms() >= forgotten_ms;
        if keep_ender && group.is_remnant(horizon_ms) {
            return;
        }
        for item in &group.items {
            for bed in [&item.event.active, &item.event.reserved]
                .into_iter()
                .flatten()
                .filter_map(Spot::bed)
            {
                if let Some(bed) = self.hospital.beds.get_mut(bed) {
                    bed.mentions.remove(&item.event.about);
                }
            }
        }
        let change = if keep_ender {
            group.retain(&self.list, |i, event| {
                let keep = Some(i) == ender || event.kind == Kind::Merge;
                if !keep {
                    gone.push(event.clone());
                }
                keep
            })
        } else {
            gone.extend(group.items.iter().map(|item| item.event.clone()));
            Change {
                removed: std::mem::take(&mut group.fold.effects),
                added: Vec::new(),
            }
        };
        if !keep_ender {
            for name in &group.names {
                self.group_of.remove(name);
            }
            self.groups.remove(&id);
        }
        self.hospital
            .change(&self.list, change, &mut Touched::default());
    }

    /// Whether a visit that left a bed without a departure is why somebody else's departure did not empty it.
    fn steadies(&self, id: u64, horizon_ms: i64) -> bool {
        let Some(group) = self.groups.get(&id) else {
            return false;
        };
        let left = group
            .fold
            .effects
            .iter()
            .filter(|effect| effect.what == EffectKind::Vacate);
        let beds: BTreeSet<&Arc<str>> = left.filter_map(|effect| effect.bed.as_ref()).collect();
        beds.into_iter()
            .filter_map(|bed| self.hospital.beds.get(bed))
            .any(|bed| {
                let with = bed.condition_without(&[], horizon_ms);
                with != bed.condition_without(&group.names, horizon_ms)
            })
    }

    fn evict_conditions(
        &mut self,
        horizon_ms: i64,
        supports: &BTreeSet<At>,
        gone: &mut Vec<Arc<Event>>,
    ) {
        let mut old: Vec<At> = Vec::new();
        for bed in self.hospital.beds.values() {
            let points = bed
                .points
                .iter()
                .take_while(|((at, _), _)| at.ms < horizon_ms);
            old.extend(
                points
                    .filter(|((at, _), point)| {
                        matches!(point, Point::Condition(_)) && !supports.contains(at)
                    })
                    .map(|((at, _), _)| at.clone()),
            );
        }
        for at in old {
            self.hospital
                .take_condition(&self.list, &at, &mut Touched::default());
            gone.push(at.event);
        }
    }

    fn evict_devices(&mut self, horizon_ms: i64) -> Vec<String> {
        let mut keys = Vec::new();
        self.devices.retain(|_, device| {
            let newest = device.heard_ms().max(device.newest_ms());
            let keep = newest.is_some_and(|newest| newest >= horizon_ms);
            if !keep {
                keys.extend(device.facts().iter().map(|fact| fact.key()));
            }
            keep
        });
        self.device_facts = self
            .device_facts
            .saturating_sub(u64::try_from(keys.len()).unwrap_or(u64::MAX));
        keys
    }
}
