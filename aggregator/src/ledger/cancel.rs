//! Which events of a visit are taken out, by which cancel, and what cancels do besides.
//!
//! Cancels are judged in the order in which they were recorded, each against what the earlier ones left. The verdict
//! is a function of the set of events: a cancel that came before its target waits, and finds it once it is there.

use std::sync::Arc;

use super::bedlist::BedList;
use super::event::{At, Event};
use super::fold::{Cancelled, Item, run};
use super::kind::Kind;
use super::visit::{Correction, CorrectionKind};

/// One cancel under judgement.
struct PendingCancel<'a> {
    by: usize,
    event: &'a Arc<Event>,
    member: usize,
    /// The members that are one visit with the cancel's, at its recorded time.
    scope: Vec<bool>,
}

impl PendingCancel<'_> {
    fn concerns(&self, item: &Item) -> bool {
        self.scope.get(item.member).copied().unwrap_or(false)
    }
}

pub(crate) fn judge(list: &BedList, names: &[Arc<str>], items: &[Item]) -> Cancelled {
    let mut cancelled = Cancelled {
        out: vec![None; items.len()],
        used: vec![None; items.len()],
        ..Cancelled::default()
    };
    let mut cancels: Vec<(usize, &Item)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.event.kind.is_cancel())
        .collect();
    cancels.sort_by(|(_, a), (_, b)| a.event.recorded_order(&b.event));
    for (by, item) in cancels {
        let event = &item.event;
        let reach = event
            .recorded_ms
            .max(event.event_ms.saturating_add(event.precision_ms));
        cancelled.frontier_ms = Some(
            cancelled
                .frontier_ms
                .map_or(reach, |known| known.max(reach)),
        );
        if cancelled.is_out(by) {
            continue;
        }
        let case = PendingCancel {
            by,
            event,
            member: item.member,
            scope: joined(names, items, item.member, event.recorded_ms),
        };
        decide(list, names, items, &case, &mut cancelled);
    }
    cancelled
}

fn decide(
    list: &BedList,
    names: &[Arc<str>],
    items: &[Item],
    case: &PendingCancel<'_>,
    cancelled: &mut Cancelled,
) {
    let target = target(items, case, cancelled);
    if target.is_none() {
        cancelled.waiting.push(case.by);
    }
    match (case.event.kind, target) {
        // B9
        (Kind::CancelVisit, target) => {
            if let Some(target) = target {
                cancelled.take_out(target, case.by);
            }
            void_visit(items, case, cancelled);
        }
        // B8: it waits.
        (_, None) => {}
        // B11
        (Kind::CancelTransfer, Some(target)) => {
            let elsewhere = elsewhere(list, names, items, case, cancelled, target);
            cancelled.take_out(target, case.by);
            repeats(items, case, cancelled, target);
            if let Some(bed) = elsewhere {
                add(cancelled, case, CorrectionKind::MoveTo(bed));
            }
        }
        // B12
        (Kind::CancelDischarge, Some(target)) => {
            if let Some(bed) = elsewhere(list, names, items, case, cancelled, target) {
                if let Some(used) = cancelled.used.get_mut(target) {
                    *used = Some(case.by);
                }
                add(cancelled, case, CorrectionKind::Reactivate(bed));
            } else {
                cancelled.take_out(target, case.by);
            }
        }
        // B7
        (_, Some(target)) => cancelled.take_out(target, case.by),
    }
}

fn add(cancelled: &mut Cancelled, case: &PendingCancel<'_>, what: CorrectionKind) {
    let correction = Correction {
        at: At::recorded(case.event),
        member: case.member,
        what,
    };
    let place = cancelled
        .corrections
        .partition_point(|known| known.at < correction.at);
    cancelled.corrections.insert(place, correction);
}

/// B8: the event that a cancel takes back: by the time that its EVN-6 names, else the newest up to its recorded time.
fn target(items: &[Item], case: &PendingCancel<'_>, cancelled: &Cancelled) -> Option<usize> {
    let kinds = case.event.kind.targets();
    let candidates = || {
        items.iter().enumerate().rev().filter(|(i, item)| {
            kinds.contains(&item.event.kind)
                && case.concerns(item)
                && !cancelled.is_out(*i)
                && !cancelled.is_used(*i)
        })
    };
    if case.event.from_evn6 {
        let named = || candidates().filter(|(_, item)| case.event.same_time(&item.event));
        let known = named().find(|(_, item)| item.event.recorded_ms <= case.event.recorded_ms);
        if let Some((i, _)) = known.or_else(|| named().next_back()) {
            return Some(i);
        }
    }
    candidates()
        .find(|(_, item)| item.event.event_ms <= case.event.recorded_ms)
        .map(|(i, _)| i)
}

/// B10: the bed that a cancel names, if it is not the one where the visit was just before the cancelled event.
fn elsewhere(
    list: &BedList,
    names: &[Arc<str>],
    items: &[Item],
    case: &PendingCancel<'_>,
    cancelled: &Cancelled,
    target: usize,
) -> Option<Arc<str>> {
    let named = case.event.active.as_ref()?.bed()?;
    let (before, item) = (items.get(..target)?, items.get(target)?);
    let fold = run(list, names, before, cancelled, Some(&At::of(&item.event)));
    let was_there = fold
        .state(item.member)
        .is_some_and(|state| state.held.iter().any(|held| held.bed == *named));
    (!was_there).then(|| named.clone())
}

/// B11: with a cancelled transfer go the updates that only repeat where it had put the visit.
fn repeats(items: &[Item], case: &PendingCancel<'_>, cancelled: &mut Cancelled, target: usize) {
    let Some(place) = items
        .get(target)
        .and_then(|item| item.event.active.as_ref())
    else {
        return;
    };
    for (i, item) in items.iter().enumerate().skip(target + 1) {
        if item.event.event_ms > case.event.recorded_ms {
            break;
        }
        if item.event.kind == Kind::Update
            && case.concerns(item)
            && item.event.active.as_ref() == Some(place)
        {
            cancelled.take_out(i, case.by);
        }
    }
}

/// B9: a cancelled visit never was, up to the moment when it was cancelled; merges still say who is who.
fn void_visit(items: &[Item], case: &PendingCancel<'_>, cancelled: &mut Cancelled) {
    for (i, item) in items.iter().enumerate() {
        if item.event.event_ms > case.event.recorded_ms {
            break;
        }
        let stays = matches!(item.event.kind, Kind::Merge | Kind::CancelVisit);
        if !stays && i != case.by && case.concerns(item) {
            cancelled.take_out(i, case.by);
        }
    }
    let out = &cancelled.out;
    cancelled
        .waiting
        .retain(|i| out.get(*i).is_some_and(Option::is_none));
    cancelled.corrections.retain(|correction| {
        correction.what == CorrectionKind::End
            || correction.at.ms > case.event.recorded_ms
            || !case.scope.get(correction.member).copied().unwrap_or(false)
    });
    add(cancelled, case, CorrectionKind::End);
}

/// B30: which members are one visit with this one, by the merges up to a moment.
fn joined(names: &[Arc<str>], items: &[Item], member: usize, until_ms: i64) -> Vec<bool> {
    let mut stands: Vec<usize> = (0..names.len()).collect();
    if names.len() > 1 {
        for item in items
            .iter()
            .take_while(|item| item.event.event_ms <= until_ms)
        {
            let Some(other) = item.other else { continue };
            let (to, from) = (stands.get(item.member).copied(), stands.get(other).copied());
            for one in &mut stands {
                if Some(*one) == from {
                    *one = to.unwrap_or(*one);
                }
            }
        }
    }
    let own = stands.get(member).copied();
    stands.iter().map(|one| Some(*one) == own).collect()
}
