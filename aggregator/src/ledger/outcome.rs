//! What came of a fact, for the accounting of the shell, and what it touched, for its outbox.

use std::collections::BTreeSet;

/// What came of one fact. `received = applied + conflict + duplicate + late + superseded + filtered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Applied,
    /// The same message, or the same event, was there already.
    Duplicate,
    /// Applied, but another message with the same identity and other bytes was there: both are kept.
    Conflict,
    /// Older than the history, and about nothing that is still known: not applied.
    Late,
    /// A device's value that is older than the one known.
    Superseded,
    /// Understood, and moves nothing.
    Filtered,
}

/// Rows of one site that may have changed, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub beds: BTreeSet<String>,
    pub departments: BTreeSet<String>,
    pub devices: BTreeSet<String>,
}

impl Touched {
    pub(crate) fn is_empty(&self) -> bool {
        self.beds.is_empty() && self.departments.is_empty() && self.devices.is_empty()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.beds.extend(other.beds);
        self.departments.extend(other.departments);
        self.devices.extend(other.devices);
    }
}

/// What the shell has to do after one fact: first delete `replaces`, then put the fact under `store`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub outcome: Outcome,
    /// Storage keys that this fact made superfluous.
    pub replaces: Vec<String>,
    /// Storage key of this fact, when it is to be kept.
    pub store: Option<String>,
    pub touched: Touched,
}

/// Counts that describe the state as it is, not its history: they fall again when a cause goes away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Facts held.
    pub facts: u64,
    pub visits: u64,
    pub devices: u64,
    /// Cancels that wait for their target.
    pub cancels_without_target: u64,
    /// Message identities that came with more than one content.
    pub message_conflicts: u64,
    pub beds_in_conflict: u64,
    /// Beds that events name and the hospital's list does not.
    pub unlisted_beds: u64,
}

impl Counters {
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            facts: self.facts + other.facts,
            visits: self.visits + other.visits,
            devices: self.devices + other.devices,
            cancels_without_target: self.cancels_without_target + other.cancels_without_target,
            message_conflicts: self.message_conflicts + other.message_conflicts,
            beds_in_conflict: self.beds_in_conflict + other.beds_in_conflict,
            unlisted_beds: self.unlisted_beds + other.unlisted_beds,
        }
    }
}
