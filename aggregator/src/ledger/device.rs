//! The device ledger: the newest state, battery and location of each device, and when it was last heard.
//!
//! A few facts are kept of each metric, chosen so that the choice is a function of the set of all facts ever seen:
//! the newest by the device's own time, and, for a device that numbers its messages, the last arrivals. What wins is
//! decided among the kept ones, so order, repetition and lateness on the way here change nothing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Ledger;
use super::fact::{DeviceSays, DeviceValue, Fact, Place, Subject};
use super::natural::natural;
use super::outcome::{Applied, Outcome, Touched};
use crate::limits::{DEVICE_ARRIVALS_MAX, DEVICE_WORD_OLD_MS};
use wardline_api::DeviceState;

/// What facts of one device are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    State,
    Battery,
    Location,
    Kind,
    Department,
    /// The last arrival, whatever it said.
    Heard,
}

#[derive(Debug, Default)]
pub(crate) struct Device {
    kept: BTreeMap<Purpose, Vec<Arc<Fact>>>,
}

/// What a device said that it is doing, by its own clock and by its agent's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SaidState {
    pub(crate) state: DeviceState,
    pub(crate) event_ms: i64,
    pub(crate) received_ms: i64,
    /// Its clock was ahead, and its receipt stands for its time.
    pub(crate) ahead: bool,
}

impl SaidState {
    /// The state, or why it is not of now: a word that was old when it came, or that is not due yet (P10, P13).
    pub(crate) fn current(&self) -> Result<DeviceState, &'static str> {
        let behind = self.received_ms.saturating_sub(self.event_ms);
        if behind > DEVICE_WORD_OLD_MS {
            return Err("clock-behind");
        }
        if self.ahead {
            return Err("clock-ahead");
        }
        Ok(self.state)
    }
}

/// What came of a device's fact.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) outcome: Outcome,
    pub(crate) keep: bool,
    /// Facts that nothing needs any more.
    pub(crate) dropped: Vec<Arc<Fact>>,
}

fn says(fact: &Fact) -> Option<&DeviceSays> {
    match &fact.subject {
        Subject::Device(says) => Some(says),
        _ => None,
    }
}

fn seq(fact: &Fact) -> Option<u64> {
    says(fact).and_then(|says| says.seq)
}

/// The order in which the agents took the messages in; within one agent's life its own numbering.
fn arrival(a: &Fact, b: &Fact) -> Ordering {
    a.received_ms
        .cmp(&b.received_ms)
        .then_with(|| natural(&a.id, &b.id))
        .then_with(|| a.cmp(b))
}

/// The newest: by the device's time, then by arrival.
fn newer(a: &Fact, b: &Fact) -> Ordering {
    a.event_ms.cmp(&b.event_ms).then_with(|| arrival(a, b))
}

fn purposes(says: &DeviceSays) -> Vec<Purpose> {
    let mut purposes = vec![Purpose::Heard];
    match says.value {
        DeviceValue::State(_) => purposes.push(Purpose::State),
        DeviceValue::Battery(_) => purposes.push(Purpose::Battery),
        DeviceValue::Location(_) => purposes.push(Purpose::Location),
        DeviceValue::Heard => {}
    }
    if says.kind.is_some() {
        purposes.push(Purpose::Kind);
    }
    if says.department.is_some() {
        purposes.push(Purpose::Department);
    }
    purposes
}

impl Device {
    pub(crate) fn apply(&mut self, fact: &Arc<Fact>) -> Change {
        let mut change = Change {
            outcome: Outcome::Superseded,
            keep: false,
            dropped: Vec::new(),
        };
        let Some(says) = says(fact) else {
            return change;
        };
        if self.holds(fact) {
            change.outcome = Outcome::Duplicate;
            return change;
        }
        let mut candidates = Vec::new();
        for purpose in purposes(says) {
            let kept = self.kept.entry(purpose).or_default();
            kept.push(fact.clone());
            candidates.extend(prune(purpose, kept));
            if winner(purpose, kept).is_some_and(|winner| winner.id == fact.id) {
                change.outcome = Outcome::Applied;
            }
        }
        change.keep = self.holds(fact);
        candidates.retain(|dropped| dropped.id != fact.id && !self.holds(dropped));
        candidates.sort_by(|a, b| a.id.cmp(&b.id));
        candidates.dedup_by(|a, b| a.id == b.id);
        change.dropped = candidates;
        change
    }

    fn holds(&self, fact: &Fact) -> bool {
        self.kept.values().flatten().any(|kept| kept.id == fact.id)
    }

    fn winner(&self, purpose: Purpose) -> Option<&Arc<Fact>> {
        winner(purpose, self.kept.get(&purpose)?)
    }

    fn says(&self, purpose: Purpose) -> Option<&DeviceSays> {
        self.winner(purpose).and_then(|fact| says(fact))
    }

    pub(crate) fn state(&self) -> Option<SaidState> {
        let fact = self.winner(Purpose::State)?;
        match says(fact)?.value {
            DeviceValue::State(state) => Some(SaidState {
                state,
                event_ms: fact.event_ms,
                received_ms: fact.received_ms,
                ahead: fact.clock_ahead_ms.is_some(),
            }),
            _ => None,
        }
    }

    /// In thousandths of a percent.
    pub(crate) fn battery(&self) -> Option<i64> {
        match self.says(Purpose::Battery)?.value {
            DeviceValue::Battery(charge) => Some(charge),
            _ => None,
        }
    }

    pub(crate) fn location(&self) -> Option<&Place> {
        match &self.says(Purpose::Location)?.value {
            DeviceValue::Location(place) => Some(place),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> Option<&str> {
        self.says(Purpose::Kind)?.kind.as_deref()
    }

    /// The unit of its last location, else the department that its topic names.
    pub(crate) fn department(&self) -> Option<&str> {
        self.location()
            .and_then(Place::point_of_care)
            .or_else(|| self.says(Purpose::Department)?.department.as_deref())
    }

    /// When an agent last took something in from it.
    pub(crate) fn heard_ms(&self) -> Option<i64> {
        self.winner(Purpose::Heard).map(|fact| fact.received_ms)
    }

    /// How far its clock was ahead in the last message that an agent took in.
    pub(crate) fn clock_ahead_ms(&self) -> Option<i64> {
        self.winner(Purpose::Heard)?.clock_ahead_ms
    }

    /// The newest event time that a row of it rests on.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        self.kept
            .keys()
            .filter_map(|purpose| self.winner(*purpose))
            .map(|fact| fact.event_ms)
            .max()
    }

    /// The facts that its row rests on, each once, in order of id.
    pub(crate) fn facts(&self) -> Vec<&Arc<Fact>> {
        let mut seen = BTreeSet::new();
        let mut facts: Vec<&Arc<Fact>> = self
            .kept
            .values()
            .flatten()
            .filter(|fact| seen.insert(&fact.id))
            .collect();
        facts.sort_by(|a, b| natural(&a.id, &b.id));
        facts
    }
}

/// Keeps what can still matter, and gives back the rest.
fn prune(purpose: Purpose, kept: &mut Vec<Arc<Fact>>) -> Vec<Arc<Fact>> {
    let mut keep: Vec<Arc<Fact>> = Vec::with_capacity(kept.len());
    if purpose == Purpose::Heard {
        keep.extend(kept.iter().max_by(|a, b| arrival(a, b)).cloned());
    } else {
        keep.extend(kept.iter().max_by(|a, b| newer(a, b)).cloned());
    }
    if matches!(
        purpose,
        Purpose::State | Purpose::Battery | Purpose::Location
    ) {
        let mut numbered: Vec<&Arc<Fact>> =
            kept.iter().filter(|fact| seq(fact).is_some()).collect();
        numbered.sort_by(|a, b| newer(b, a));
        keep.extend(numbered.iter().take(DEVICE_ARRIVALS_MAX).copied().cloned());
        numbered.sort_by(|a, b| arrival(b, a));
        keep.extend(numbered.iter().take(DEVICE_ARRIVALS_MAX).copied().cloned());
        keep.sort_by(|a, b| arrival(a, b));
        keep.dedup_by(|a, b| Arc::ptr_eq(a, b));
    }
    let before = std::mem::replace(kept, keep);
    before
        .into_iter()
        .filter(|fact| !kept.iter().any(|have| Arc::ptr_eq(have, fact)))
        .collect()
}

/// The newest by (time, arrival); with sequence numbers the highest of the device's current life. A life begins with
/// a number under half of the highest one so far, at a later time: the device counts from the start again.
fn winner(purpose: Purpose, kept: &[Arc<Fact>]) -> Option<&Arc<Fact>> {
    if purpose == Purpose::Heard {
        return kept.iter().max_by(|a, b| arrival(a, b));
    }
    let newest = kept.iter().max_by(|a, b| newer(a, b))?;
    let numbered = matches!(
        purpose,
        Purpose::State | Purpose::Battery | Purpose::Location
    );
    if !numbered || seq(newest).is_none() {
        return Some(newest);
    }
    let mut in_order: Vec<(u64, &Arc<Fact>)> = kept
        .iter()
        .filter_map(|fact| seq(fact).map(|seq| (seq, fact)))
        .collect();
    in_order.sort_by(|a, b| arrival(a.1, b.1));
    in_order
        .into_iter()
        .reduce(later_in_life)
        .map(|(_, fact)| fact)
}

fn later_in_life<'a>(
    best: (u64, &'a Arc<Fact>),
    next: (u64, &'a Arc<Fact>),
) -> (u64, &'a Arc<Fact>) {
    let new_life = next.0 < best.0 / 2 && next.1.event_ms > best.1.event_ms;
    let higher = match next.0.cmp(&best.0) {
        Ordering::Greater => true,
        Ordering::Equal => newer(next.1, best.1) == Ordering::Greater,
        Ordering::Less => false,
    };
    if new_life || higher { next } else { best }
}

impl Ledger {
    pub(crate) fn apply_device(&mut self, fact: Fact) -> Applied {
        let mut applied = Applied {
            outcome: Outcome::Late,
            replaces: Vec::new(),
            store: None,
            touched: Touched::default(),
        };
        let Subject::Device(says) = &fact.subject else {
            return applied;
        };
        let name = self.names.shared(&says.device);
        let known = self.devices.contains_key(&name);
        let newest_ms = fact.event_ms.max(fact.received_ms);
        if !known && self.horizon_ms.is_some_and(|horizon| newest_ms < horizon) {
            return applied;
        }
        let device = self.devices.entry(name).or_default();
        let before = device.department().map(str::to_owned);
        let fact = Arc::new(fact);
        let change = device.apply(&fact);
        applied.outcome = change.outcome;
        if change.outcome == Outcome::Applied {
            applied.touched.devices.extend(says_name(&fact));
            let departments = [before.as_deref(), device.department()];
            let departments = departments.into_iter().flatten();
            applied
                .touched
                .departments
                .extend(departments.map(|name| self.list.spelling(name).to_owned()));
        }
        applied.replaces = change.dropped.iter().map(|fact| fact.key()).collect();
        self.device_facts += u64::from(change.keep);
        self.device_facts = self
            .device_facts
            .saturating_sub(u64::try_from(applied.replaces.len()).unwrap_or(0));
        applied.store = change.keep.then(|| fact.key());
        applied
    }
}

fn says_name(fact: &Fact) -> Option<String> {
    says(fact).map(|says| says.device.clone())
}
