//! Folds all events of visits that merges join, in order, with what cancels took out and what they do besides.
//!
//! Below the group, which keeps such events together, and below the cancels, which ask it where a visit was before.

use std::sync::Arc;

use super::bedlist::BedList;
use super::event::{At, Event};
use super::visit::{Correction, Fold};

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) event: Arc<Event>,
    pub(crate) member: usize,
    /// The member that a merge ends.
    pub(crate) other: Option<usize>,
}

/// What the cancels of a group of visits come to. The vectors run along the group's events.
#[derive(Debug, Default)]
pub(crate) struct Cancelled {
    /// Which event took this one out.
    pub(crate) out: Vec<Option<usize>>,
    /// Which event used this one up as its target and let it stand.
    pub(crate) used: Vec<Option<usize>>,
    /// In order.
    pub(crate) corrections: Vec<Correction>,
    /// Cancels that found no target yet.
    pub(crate) waiting: Vec<usize>,
    /// No cancel reaches an event later than this.
    pub(crate) frontier_ms: Option<i64>,
}

impl Cancelled {
    pub(crate) fn is_out(&self, i: usize) -> bool {
        self.out.get(i).is_some_and(Option::is_some)
    }

    pub(super) fn take_out(&mut self, i: usize, by: usize) {
        if let Some(out) = self.out.get_mut(i) {
            out.get_or_insert(by);
        }
    }

    pub(super) fn is_used(&self, i: usize) -> bool {
        self.used.get(i).is_some_and(Option::is_some)
    }
}

/// Folds events and what cancels do, in order; `until` leaves out what cancels do from there on.
pub(crate) fn run(
    list: &BedList,
    names: &[Arc<str>],
    items: &[Item],
    cancelled: &Cancelled,
    until: Option<&At>,
) -> Fold {
    let mut fold = Fold::new(names);
    let mut corrections = cancelled
        .corrections
        .iter()
        .filter(|correction| until.is_none_or(|until| correction.at < *until))
        .peekable();
    for (i, item) in items.iter().enumerate() {
        if corrections.peek().is_some() {
            let at = At::of(&item.event);
            while let Some(correction) = corrections.next_if(|correction| correction.at < at) {
                fold.settle(correction);
            }
        }
        if !cancelled.is_out(i) {
            fold.event(list, &item.event, item.member, item.other);
        }
        fold.mark(i + 1);
    }
    for correction in corrections {
        fold.settle(correction);
    }
    fold
}
