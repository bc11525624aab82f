//! B37: bounded memory that changes no present number (P7).

use super::*;
use crate::limits::ENDED_KEPT_MS;
use BedStatus::*;

fn stay(visit: &str, n: u64, from: i64, to: i64, bed: &str) -> Vec<Fact> {
    vec![
        said("A01", n, from).of(visit).in_(bed).fact(),
        said("A08", n + 1, from + 1).of(visit).in_(bed).fact(),
        said("A03", n + 2, to).of(visit).in_(bed).fact(),
    ]
}

fn statuses(ledger: &Ledger, minute: i64) -> Vec<(String, BedStatus)> {
    ledger
        .beds(View::at(minute * MINUTE))
        .into_iter()
        .map(|bed| (bed.bed, bed.status))
        .collect()
}

#[test]
fn b37_p7_ended_visits_go_and_no_present_number_changes() {
    let mut facts = stay("v1", 10, 10, 20, A1);
    facts.extend(stay("v2", 20, 30, 40, A1));
    facts.extend(stay("v3", 30, 50, 5000, A1));
    facts.push(said("A01", 40, 15).of("v4").in_(B1).fact());
    facts.push(condition(50, 25, A1, "U"));
    facts.push(condition(51, 5, A2, "K"));
    let mut ledger = fold(facts.clone());
    let before = statuses(&ledger, 6000);
    let mut keys = ledger.evict(1000 * MINUTE);
    assert_eq!(statuses(&ledger, 6000), before);
    assert_eq!(
        statuses(&ledger, 1000),
        statuses(&fold(facts.clone()), 1000)
    );
    keys.sort();
    // Of v1 only its end is kept, v2 is what the condition of the bed rests on at the horizon, v3 and v4 are newer or there.
    let gone: Vec<String> = [&facts[0], &facts[1], &facts[10]]
        .iter()
        .map(|fact| Ledger::fact_key(fact))
        .collect();
    assert_eq!(keys, {
        let mut gone = gone;
        gone.sort();
        gone
    });
    assert!(ledger.evict(1000 * MINUTE).is_empty(), "nothing more to do");
}

#[test]
fn b37_what_a_bed_is_like_never_goes_however_old_it_is() {
    let mut ledger = fold(stay("v1", 10, 10, 20, A1));
    ledger.apply(condition(51, 5, A2, "C"));
    ledger.evict(i64::MAX / 2);
    assert_beds(&ledger, 1000, &[(A1, Dirty), (A2, Closed)]);
}

#[test]
fn b37_a_late_update_does_not_bring_an_evicted_visit_back() {
    let mut facts = stay("v1", 10, 10, 20, A1);
    facts.push(condition(50, 25, A1, "U"));
    let mut ledger = fold(facts);
    assert!(!ledger.evict(1000 * MINUTE).is_empty());
    // Old news about it is late; new news finds it ended.
    let late = ledger.apply(said("A02", 60, 15).in_(B1).fact());
    assert_eq!((late.outcome, late.store), (Outcome::Late, None));
    ledger.apply(said("A08", 61, 2000).in_(B1).fact());
    assert_beds(&ledger, 3000, &[(A1, Available), (B1, Unknown)]);
    // And so it does in a ledger that was rebuilt from what is left.
    assert_eq!(ledger.counters().facts, 3);
}

#[test]
fn b37_in_the_end_the_end_goes_too() {
    let mut facts = stay("v1", 10, 10, 20, A1);
    facts.push(condition(50, 25, A1, "U"));
    let mut ledger = fold(facts);
    ledger.evict(1000 * MINUTE);
    assert_eq!(ledger.counters().visits, 1);
    let later = 1000 * MINUTE + ENDED_KEPT_MS;
    assert_eq!(ledger.evict(later).len(), 1);
    assert_eq!((ledger.counters().visits, ledger.counters().facts), (0, 1));
}

#[test]
fn b37_old_facts_of_visits_that_are_still_there_are_not_late() {
    let mut ledger = told([said("A02", 2, 20).in_(A1)]);
    ledger.evict(1000 * MINUTE);
    let applied = ledger.apply(said("A01", 1, 10).in_(B1).fact());
    assert_eq!(applied.outcome, Outcome::Applied);
    assert!(row(&ledger, A1, 30).flags.is_empty());
}

/// A census at go-live: whoever is in a bed is shown there, however long ago the admission was, and in whatever order it
/// is told; before, the admission came too late and the bed was missing.
#[test]
fn b37_p10_an_admission_older_than_the_history_is_shown_whenever_it_comes() {
    let (day, now) = (24 * 60, 60 * 24 * 60);
    let admitted = said("A01", 1, 0).in_(A1).fact();
    let updated = said("A08", 2, 59 * day).in_(A1).fact();
    for facts in [[&admitted, &updated], [&updated, &admitted]] {
        let mut ledger = ledger();
        ledger.evict((now - 35 * day) * MINUTE);
        for fact in facts {
            assert_eq!(ledger.apply(fact.clone()).outcome, Outcome::Applied);
            ledger.evict((now - 35 * day) * MINUTE);
        }
        let shown = row(&ledger, A1, now);
        assert_eq!(shown.status, Occupied);
        assert_eq!(shown.since.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert!(shown.flags.is_empty(), "{:?}", shown.flags);
    }
}

/// What ended long ago and was never known is folded, leaves nothing behind but its end, and goes with the next step.
#[test]
fn b37_an_old_visit_that_turns_out_to_be_over_goes_again() {
    let mut ledger = ledger();
    ledger.evict(1000 * MINUTE);
    for fact in stay("v1", 10, 10, 20, A1) {
        assert_eq!(ledger.apply(fact).outcome, Outcome::Applied);
    }
    ledger.apply(condition(50, 25, A1, "U"));
    assert_eq!(ledger.evict(1000 * MINUTE).len(), 2);
    let again = ledger.apply(said("A01", 10, 10).in_(A1).fact());
    assert_eq!(again.outcome, Outcome::Late, "its end is known");
    assert_beds(&ledger, 2000, &[(A1, Available)]);
}

/// An interface that repeats each night that a bed is closed: it is closed since the first time.
#[test]
fn b37_forgetting_repeated_reports_keeps_since_when() {
    let mut ledger = fold([
        condition(1, 10, A1, "C"),
        condition(2, 500, A1, "C"),
        condition(3, 1500, A1, "C"),
    ]);
    let before = row(&ledger, A1, 2000);
    ledger.evict(1000 * MINUTE);
    assert_eq!(row(&ledger, A1, 2000), before);
    assert_eq!(before.since.as_deref(), Some("1970-01-01T00:10:00Z"));
}

#[test]
fn b37_an_old_report_about_a_bed_counts_if_nothing_newer_is_known() {
    let mut ledger = ledger();
    ledger.evict(1000 * MINUTE);
    assert_eq!(
        ledger.apply(condition(1, 10, A1, "C")).outcome,
        Outcome::Applied
    );
    assert_eq!(
        ledger.apply(condition(2, 5, A1, "U")).outcome,
        Outcome::Late
    );
    assert_beds(&ledger, 20, &[(A1, Closed)]);
}

#[test]
fn b37_outpatients_that_nobody_discharged_go_and_open_plans_stay() {
    let mut ledger = told([
        said("A04", 1, 10).in_("OPD^^"),
        said("A05", 2, 10).of("v2").in_(A1),
        said("A01", 3, 10).of("v3").in_(A2),
    ]);
    assert_eq!(ledger.evict(1000 * MINUTE).len(), 1);
    assert_eq!(department(&ledger, "Ward A", 2000).pending_in, 1);
    assert_beds(&ledger, 2000, &[(A2, Occupied)]);
}

#[test]
fn b37_evicting_once_or_step_by_step_leaves_the_same() {
    let mut facts = stay("v1", 10, 10, 20, A1);
    facts.extend(stay("v2", 20, 300, 400, A1));
    facts.extend(stay("v3", 30, 500, 600, B1));
    facts.push(condition(50, 25, A1, "U"));
    facts.push(condition(51, 450, A1, "U"));
    let (mut once, mut steps) = (fold(facts.clone()), ledger());
    for fact in facts {
        let horizon = fact.event_ms - 200 * MINUTE;
        steps.apply(fact);
        steps.evict(horizon);
    }
    once.evict(2000 * MINUTE);
    steps.evict(2000 * MINUTE);
    assert_eq!(once.digest(), steps.digest());
    assert_eq!(once.counters(), steps.counters());
}

#[test]
fn b37_what_is_left_in_storage_rebuilds_the_same_ledger() {
    let mut facts = stay("v1", 10, 10, 20, A1);
    facts.extend(stay("v2", 20, 30, 40, A1));
    facts.push(said("A42", 60, 45).of("v2").merging("v9").fact());
    facts.push(condition(50, 25, A1, "U"));
    facts.push(condition(51, 60, A1, "U"));
    let mut ledger = fold(facts.clone());
    let gone = ledger.evict(1000 * MINUTE);
    let left = facts
        .into_iter()
        .filter(|fact| !gone.contains(&Ledger::fact_key(fact)));
    let mut rebuilt = fold(left);
    rebuilt.resume(1000 * MINUTE);
    assert_eq!(rebuilt.canonical_text(), ledger.canonical_text());
    assert_eq!(rebuilt.counters(), ledger.counters());
    assert!(rebuilt.evict(1000 * MINUTE).is_empty());
}
