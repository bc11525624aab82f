//! One fact into the ledger: is it new, is it in time, whom does it concern.
//!
//! The answer says all that the shell has to do (what to store, what to delete, which rows may have changed), because only
//! the ledger knows which of several copies counts (B1) and what comes too late (B37). Applying a fact twice, or two facts
//! in the other order, leaves the same ledger.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::Ledger;
use super::event::{At, Event, Identity, Spot, Token};
use super::fact::{Fact, Subject};
use super::group::{Change, Group};
use super::kind::Kind;
use super::outcome::{Applied, Outcome, Touched};

/// Every message that is held, by the sender's identity. Only looked up; no order of it reaches a result.
#[derive(Default)]
pub(crate) struct Seen {
    events: HashMap<Token, SameIdentity>,
    len: usize,
    conflicts: u64,
}

/// The messages of one identity: one, or its parts, or what contradicts it.
enum SameIdentity {
    One(Arc<Event>),
    More(Vec<Arc<Event>>),
}

impl SameIdentity {
    fn all(&self) -> &[Arc<Event>] {
        match self {
            Self::One(event) => std::slice::from_ref(event),
            Self::More(events) => events,
        }
    }

    /// Whether they are more than one content.
    fn contradicts(&self) -> bool {
        let mut hashes = self.all().iter().map(|event| &event.identity.hash);
        let first = hashes.next();
        hashes.any(|hash| Some(hash) != first)
    }

    fn push(&mut self, event: &Arc<Event>) {
        match self {
            Self::One(first) => *self = Self::More(vec![first.clone(), event.clone()]),
            Self::More(events) => events.push(event.clone()),
        }
    }

    fn remove(&mut self, identity: &Identity) -> bool {
        if let Self::More(events) = self {
            events.retain(|event| event.identity != *identity);
            return events.is_empty();
        }
        true
    }
}

impl Seen {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Message identities that came with more than one content.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts
    }

    fn get(&self, identity: &Identity) -> Option<Arc<Event>> {
        let same = self.events.get(&identity.key)?;
        same.all()
            .iter()
            .find(|event| event.identity == *identity)
            .cloned()
    }

    /// Whether another message with the same identity is there. The event itself must not be.
    fn insert(&mut self, event: &Arc<Event>) -> bool {
        self.len += 1;
        match self.events.entry(event.identity.key.clone()) {
            Entry::Vacant(free) => {
                free.insert(SameIdentity::One(event.clone()));
                false
            }
            Entry::Occupied(mut taken) => {
                let before = taken.get().contradicts();
                taken.get_mut().push(event);
                let after = taken.get().contradicts();
                self.conflicts += u64::from(after && !before);
                after
            }
        }
    }

    pub(crate) fn remove(&mut self, event: &Event) {
        let Entry::Occupied(mut taken) = self.events.entry(event.identity.key.clone()) else {
            return;
        };
        self.len = self.len.saturating_sub(1);
        let before = taken.get().contradicts();
        let empty = taken.get_mut().remove(&event.identity);
        let after = !empty && taken.get().contradicts();
        self.conflicts = self.conflicts.saturating_sub(u64::from(before && !after));
        if empty {
            taken.remove();
        }
    }
}

impl Applied {
    fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            replaces: Vec::new(),
            store: None,
            touched: Touched::default(),
        }
    }
}

impl Ledger {
    /// Takes one fact in. Order, repetition and lateness make no difference to the state.
    pub fn apply(&mut self, fact: Fact) -> Applied {
        let fact = fact.checked();
        if matches!(fact.subject, Subject::Device(_)) {
            return self.apply_device(fact);
        }
        let Some(event) = Event::new(&fact, &mut self.names) else {
            return Applied::nothing(Outcome::Filtered);
        };
        self.apply_event(&Arc::new(event))
    }

    fn apply_event(&mut self, event: &Arc<Event>) -> Applied {
        let mut applied = Applied::nothing(Outcome::Applied);
        if let Some(known) = self.seen.get(&event.identity) {
            if !event.is_kept_before(&known) {
                return Applied::nothing(Outcome::Duplicate);
            }
            applied.outcome = Outcome::Duplicate;
            let (before, now) = (known.storage_key(&self.site), event.storage_key(&self.site));
            if before != now {
                applied.replaces.push(before);
            }
            self.forget(&known, &mut applied.touched);
        } else if self.too_late(event) {
            return Applied::nothing(Outcome::Late);
        }
        let conflict = self.insert(event, &mut applied.touched);
        if conflict && applied.outcome == Outcome::Applied {
            applied.outcome = Outcome::Conflict;
        }
        applied.store = Some(event.storage_key(&self.site));
        applied
    }

    /// Whether another message with the same identity is there.
    pub(crate) fn insert(&mut self, event: &Arc<Event>, touched: &mut Touched) -> bool {
        let conflict = self.seen.insert(event);
        match event.condition {
            Some(condition) => {
                let at = At::of(event);
                self.hospital
                    .put_condition(&self.list, at, condition, touched);
            }
            None => self.insert_visit(event, touched),
        }
        conflict
    }

    fn insert_visit(&mut self, event: &Arc<Event>, touched: &mut Touched) {
        let mut change = Change::default();
        let group_id = self.group_with(event, &mut change);
        for bed in [&event.active, &event.reserved]
            .into_iter()
            .flatten()
            .filter_map(Spot::bed)
        {
            self.hospital
                .bed(&self.list, bed)
                .mentions
                .insert(event.about.clone());
        }
        let Some(group) = self.groups.get_mut(&group_id) else {
            return;
        };
        let folded = group.insert(&self.list, event);
        // What was taken over from a merged group goes first: its effects come back under the new fold.
        self.hospital.change(&self.list, change, touched);
        self.hospital.change(&self.list, folded, touched);
    }

    /// The group that an event belongs to; a merge makes one of two.
    fn group_with(&mut self, event: &Event, change: &mut Change) -> u64 {
        let own = self.group_of.get(&event.about).copied();
        let other = match (event.kind, &event.merged) {
            (Kind::Merge, Some(merged)) => self.group_of.get(merged).copied(),
            _ => None,
        };
        let group_id = own.or(other).unwrap_or_else(|| {
            self.next_group += 1;
            self.groups.insert(self.next_group, Group::default());
            self.next_group
        });
        if let Some(other) = other.filter(|other| *other != group_id)
            && let Some(absorbed) = self.groups.remove(&other)
        {
            for name in &absorbed.names {
                self.group_of.insert(name.clone(), group_id);
            }
            if let Some(group) = self.groups.get_mut(&group_id) {
                change.removed = group.absorb(absorbed);
            }
        }
        if own.is_none() {
            self.group_of.insert(event.about.clone(), group_id);
        }
        if event.kind == Kind::Merge
            && let Some(merged) = &event.merged
        {
            self.group_of.insert(merged.clone(), group_id);
        }
        group_id
    }

    /// Takes an event out of the ledger again, as if it had never come.
    fn forget(&mut self, event: &Arc<Event>, touched: &mut Touched) {
        self.seen.remove(event);
        if event.condition.is_some() {
            self.hospital
                .take_condition(&self.list, &At::of(event), touched);
            return;
        }
        let Some(group) = self
            .group_of
            .get(&event.about)
            .and_then(|id| self.groups.get_mut(id))
        else {
            return;
        };
        let change = group.retain(&self.list, |_, have| have.identity != event.identity);
        self.hospital.change(&self.list, change, touched);
    }

    /// Older than the history, and about a visit that is known to be over and forgotten, or about a bed that has newer
    /// news. A visit that nobody knows may be somebody who is in the house since then: what is old is not late.
    fn too_late(&self, event: &Event) -> bool {
        let Some(horizon_ms) = self.horizon_ms.filter(|horizon| event.event_ms < *horizon) else {
            return false;
        };
        if event.condition.is_some() {
            let bed = self.hospital.beds.get(&event.about);
            let known =
                bed.and_then(|bed| bed.at(horizon_ms - 1).condition_at.as_ref().map(|at| at.ms));
            return known.is_some_and(|known| known >= event.event_ms);
        }
        let group = self
            .group_of
            .get(&event.about)
            .and_then(|id| self.groups.get(id));
        group.is_some_and(|group| group.is_remnant(horizon_ms))
    }
}
