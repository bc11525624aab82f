//! Which events of a visit are taken out, by which cancel, and what cancels do besides.
//!
//! Cancels are judged in the order in which they were recorded, each against what the earlier ones left. The verdict
//! is a function of the set of events: a cancel that came before its target waits, and finds it once it is there.

use std::sync::Arc;

use super::event::{At, Event};
use super::group::{Item, run};
use super::kind::Kind;
use super::visit::{Act, Rules, Synth};

/// What the cancels of a group of visits come to. The vectors run along the group's events.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Which event took this one out.
    pub(crate) out: Vec<Option<usize>>,
    /// Which event used this one up as its target and let it stand.
    pub(crate) used: Vec<Option<usize>>,
    /// In order.
    pub(crate) synths: Vec<Synth>,
    /// Cancels that found no target yet.
    pub(crate) waiting: Vec<usize>,
    /// No cancel reaches an event later than this.
    pub(crate) frontier_ms: Option<i64>,
}

impl Verdict {
    pub(crate) fn is_out(&self, i: usize) -> bool {
        self.out.get(i).is_some_and(Option::is_some)
    }

    fn take_out(&mut self, i: usize, by: usize) {
        if let Some(out) = self.out.get_mut(i) {
            out.get_or_insert(by);
        }
    }

    fn is_used(&self, i: usize) -> bool {
        self.used.get(i).is_some_and(Option::is_some)
    }
}

/// One cancel under judgement.
struct Case<'a> {
    by: usize,
    event: &'a Arc<Event>,
    member: usize,
    /// The members that are one visit with the cancel's, at its recorded time.
    scope: Vec<bool>,
}

impl Case<'_> {
    fn concerns(&self, item: &Item) -> bool {
        self.scope.get(item.member).copied().unwrap_or(false)
    }
}

pub(crate) fn judge(rules: &Rules, names: &[Arc<str>], items: &[Item]) -> Verdict {
    let mut verdict = Verdict {
        out: vec![None; items.len()],
        used: vec![None; items.len()],
        ..Verdict::default()
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
        verdict.frontier_ms = Some(verdict.frontier_ms.map_or(reach, |known| known.max(reach)));
        if verdict.is_out(by) {
            continue;
        }
        let case = Case {
            by,
            event,
            member: item.member,
            scope: joined(names, items, item.member, event.recorded_ms),
        };
        decide(rules, names, items, &case, &mut verdict);
    }
    verdict
}

fn decide(
    rules: &Rules,
    names: &[Arc<str>],
    items: &[Item],
    case: &Case<'_>,
    verdict: &mut Verdict,
) {
    let target = target(items, case, verdict);
    if target.is_none() {
        verdict.waiting.push(case.by);
    }
    match (case.event.kind, target) {
        (Kind::CancelVisit, target) => {
            if let Some(target) = target {
                verdict.take_out(target, case.by);
            }
            void_visit(items, case, verdict);
        }
        (_, None) => {}
        (Kind::CancelTransfer, Some(target)) => {
            let elsewhere = elsewhere(rules, names, items, case, verdict, target);
            verdict.take_out(target, case.by);
            repeats(items, case, verdict, target);
            if let Some(bed) = elsewhere {
                add(verdict, case, Act::MoveTo(bed));
            }
        }
        (Kind::CancelDischarge, Some(target)) => {
            if let Some(bed) = elsewhere(rules, names, items, case, verdict, target) {
                if let Some(used) = verdict.used.get_mut(target) {
                    *used = Some(case.by);
                }
                add(verdict, case, Act::Reactivate(bed));
            } else {
                verdict.take_out(target, case.by);
            }
        }
        (_, Some(target)) => verdict.take_out(target, case.by),
    }
}

fn add(verdict: &mut Verdict, case: &Case<'_>, act: Act) {
    let synth = Synth {
        at: At::recorded(case.event),
        member: case.member,
        act,
    };
    let place = verdict.synths.partition_point(|known| known.at < synth.at);
    verdict.synths.insert(place, synth);
}

/// The event that a cancel takes back: by the time that its EVN-6 names, else the newest up to its recorded time.
fn target(items: &[Item], case: &Case<'_>, verdict: &Verdict) -> Option<usize> {
    let kinds = case.event.kind.targets();
    let candidates = || {
        items.iter().enumerate().rev().filter(|(i, item)| {
            kinds.contains(&item.event.kind)
                && case.concerns(item)
                && !verdict.is_out(*i)
                && !verdict.is_used(*i)
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

/// The bed that a cancel names, if it is not the one where the visit was just before the cancelled event.
fn elsewhere(
    rules: &Rules,
    names: &[Arc<str>],
    items: &[Item],
    case: &Case<'_>,
    verdict: &Verdict,
    target: usize,
) -> Option<Arc<str>> {
    let named = case.event.active.as_ref()?.bed()?;
    let (before, item) = (items.get(..target)?, items.get(target)?);
    let fold = run(rules, names, before, verdict, Some(&At::of(&item.event)));
    let was_there = fold
        .state(item.member)
        .is_some_and(|state| state.held.iter().any(|held| held.bed == *named));
    (!was_there).then(|| named.clone())
}

/// With a cancelled transfer go the updates that only repeat where it had put the visit.
fn repeats(items: &[Item], case: &Case<'_>, verdict: &mut Verdict, target: usize) {
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
            verdict.take_out(i, case.by);
        }
    }
}

/// A cancelled visit never was, up to the moment when it was cancelled; merges still say who is who.
fn void_visit(items: &[Item], case: &Case<'_>, verdict: &mut Verdict) {
    for (i, item) in items.iter().enumerate() {
        if item.event.event_ms > case.event.recorded_ms {
            break;
        }
        let stays = matches!(item.event.kind, Kind::Merge | Kind::CancelVisit);
        if !stays && i != case.by && case.concerns(item) {
            verdict.take_out(i, case.by);
        }
    }
    let out = &verdict.out;
    verdict
        .waiting
        .retain(|i| out.get(*i).is_some_and(Option::is_none));
    verdict.synths.retain(|synth| {
        synth.act == Act::End
            || synth.at.ms > case.event.recorded_ms
            || !case.scope.get(synth.member).copied().unwrap_or(false)
    });
    add(verdict, case, Act::End);
}

/// Which members are one visit with this one, by the merges up to a moment.
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
