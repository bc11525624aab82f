//! P5 and P6 for whatever may come: order, repetition, lateness and restarts change nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::oracle::{Spec, cases, fact_of, specs};
use super::*;

const TRIGGERS: [&str; 24] = [
    "A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A08", "A11", "A12", "A13", "A14",
    "A15", "A16", "A17", "A20", "A21", "A22", "A25", "A26", "A42", "A35", "A23",
];

fn facts(specs: &[Spec]) -> Vec<Fact> {
    specs
        .iter()
        .enumerate()
        .map(|(n, spec)| fact_of(n, spec))
        .collect()
}

/// Facts, each perhaps a second time as a copy that was received later, in two orders.
fn two_orders() -> impl Strategy<Value = (Vec<Fact>, Vec<Fact>)> {
    (
        specs(TRIGGERS.to_vec()),
        proptest::collection::vec(any::<bool>(), 18),
    )
        .prop_flat_map(|(specs, twice)| {
            let mut all = facts(&specs);
            let copies: Vec<Fact> = all
                .iter()
                .zip(twice)
                .filter(|(_, twice)| *twice)
                .map(|(fact, _)| copy(fact))
                .collect();
            all.extend(copies);
            (Just(all.clone()), Just(all).prop_shuffle())
        })
}

/// The sender never saw the acknowledgement and sends the same bytes again.
fn copy(fact: &Fact) -> Fact {
    let n: u64 = fact.control_id.parse().unwrap();
    Fact {
        id: format!("gw-1/00000000000000ab/{}", n + 1000),
        received_ms: fact.received_ms + 3 * MINUTE,
        ..fact.clone()
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn p6_order_and_repetition_change_nothing((one, other) in two_orders()) {
        let (one, other) = (fold(one), fold(other));
        prop_assert_eq!(one.canonical_text(), other.canonical_text());
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert_eq!(one.counters(), other.counters());
    }

    #[test]
    fn p6_step_by_step_equals_from_scratch((one, _) in two_orders()) {
        let mut ledger = ledger();
        for (n, fact) in one.iter().enumerate() {
            ledger.apply(fact.clone());
            let scratch = fold(one[..=n].iter().rev().cloned());
            prop_assert_eq!(ledger.canonical_text(), scratch.canonical_text());
            for minute in [3, 12, 40] {
                let view = View::at(minute * MINUTE);
                prop_assert_eq!(ledger.beds(view), scratch.beds(view));
                prop_assert_eq!(ledger.departments(view, &|_, _| None), scratch.departments(view, &|_, _| None));
            }
        }
    }

    #[test]
    fn p5_what_was_stored_rebuilds_the_same_state((_, facts) in two_orders()) {
        let mut ledger = ledger();
        let mut storage: BTreeMap<String, Fact> = BTreeMap::new();
        for fact in facts {
            let applied = ledger.apply(fact.clone());
            for key in applied.replaces {
                prop_assert!(storage.remove(&key).is_some());
            }
            if let Some(key) = applied.store {
                prop_assert_eq!(&key, &Ledger::fact_key(&fact));
                storage.insert(key, fact);
            }
        }
        prop_assert_eq!(u64::try_from(storage.len()).unwrap(), ledger.counters().facts);
        prop_assert_eq!(fold(storage.into_values()).canonical_text(), ledger.canonical_text());
    }

    #[test]
    fn p7_evicting_changes_no_row_as_it_is_now(specs in specs(TRIGGERS.to_vec()), horizon in 0..30_i64) {
        let mut ledger = fold(facts(&specs));
        let now = View::at(40 * MINUTE);
        let rows = |ledger: &Ledger| (ledger.beds(now), ledger.departments(now, &|_, _| None));
        let before = rows(&ledger);
        let facts_before = ledger.counters().facts;
        let gone = ledger.evict(horizon * MINUTE);
        prop_assert_eq!(rows(&ledger), before);
        prop_assert_eq!(ledger.counters().facts + u64::try_from(gone.len()).unwrap(), facts_before);
    }

    #[test]
    fn b14_a_visit_is_in_one_bed_at_most_without_merges(
        specs in specs(TRIGGERS.iter().copied().filter(|trigger| !matches!(*trigger, "A42" | "A35")).collect())
    ) {
        let ledger = fold(facts(&specs));
        for minute in 0..30 {
            let occupants: usize = ledger
                .beds(View::at(minute * MINUTE))
                .iter()
                .filter(|bed| bed.status == BedStatus::Occupied)
                .map(|bed| bed.conflict.len().max(1))
                .sum();
            prop_assert!(occupants <= 3, "three visits are in {occupants} beds at {minute}");
        }
    }

    #[test]
    fn b34_the_states_of_a_department_add_up(specs in specs(TRIGGERS.to_vec()), minute in 0..40_i64) {
        let ledger = fold(facts(&specs));
        for row in ledger.departments(View::at(minute * MINUTE), &|_, _| None) {
            let sum = row.occupied + row.available + row.reserved + row.dirty + row.cleaning + row.blocked + row.closed + row.unknown;
            prop_assert_eq!(row.beds, sum);
            prop_assert!(row.on_leave <= row.occupied && row.conflicts <= row.occupied);
        }
    }

    #[test]
    fn p6_known_views_equal_a_ledger_of_those_facts((one, _) in two_orders(), known in 0..30_i64) {
        let whole = fold(one.iter().cloned());
        let part = fold(one.into_iter().filter(|fact| fact.received_ms <= known * MINUTE));
        prop_assert_eq!(whole.known(known * MINUTE).canonical_text(), part.canonical_text());
    }
}

/// Long visits take short cuts for late repetitions: they end where a fold in order does.
#[test]
fn p6_thousands_of_updates_in_any_order_give_one_state() {
    let place = |i: u64| if i.is_multiple_of(97) { A2 } else { A1 };
    let mut facts: Vec<Fact> = (1..1500_u64)
        .map(|i| {
            said("A08", i, i64::try_from(i).unwrap())
                .in_(place(i))
                .fact()
        })
        .collect();
    facts.push(said("A01", 2000, 0).in_(A1).fact());
    facts.push(said("A12", 2001, 30).in_(A2).recorded(700).fact());
    facts.push(said("A02", 2002, 30).in_(B1).fact());
    let in_order = fold(facts.iter().cloned());
    for step in [7_usize, 331, 1201] {
        let shuffled: Vec<Fact> = (0..facts.len())
            .map(|i| facts[(i * step) % facts.len()].clone())
            .collect();
        assert_eq!(fold(shuffled).digest(), in_order.digest(), "{step}");
    }
    assert_eq!(
        fold(facts.iter().rev().cloned()).digest(),
        in_order.digest()
    );
}

/// What a rebuild meets: one topic far ahead of the other, so that every visit comes before reports that are known already.
#[test]
fn p6_reports_that_are_far_ahead_of_visits_give_the_same_beds_settled_often_or_once() {
    let mut facts: Vec<Fact> = (0..200_u64)
        .map(|n| condition(n, i64::try_from(n).unwrap() * 100 + 50, A1, "U"))
        .collect();
    for n in 0..200_u64 {
        let (visit, at) = (format!("v{n}"), i64::try_from(n).unwrap() * 100);
        for (i, trigger, minute) in [(1, "A01", at), (2, "A08", at + 5), (3, "A03", at + 40)] {
            let id = 1000 + n * 10 + i;
            facts.push(said(trigger, id, minute).of(&visit).in_(A1).fact());
        }
    }
    let in_order = {
        let mut facts = facts.clone();
        facts.sort_by_key(|fact| fact.event_ms);
        fold(facts)
    };
    for every in [1, 7, usize::MAX] {
        let mut ledger = ledger();
        for (n, fact) in facts.iter().enumerate() {
            ledger.apply(fact.clone());
            if (n + 1).is_multiple_of(every) {
                ledger.settle();
            }
        }
        ledger.settle();
        assert_eq!(ledger.digest(), in_order.digest(), "{every}");
        for minute in [30, 45, 9_960, 19_999] {
            let view = View::at(minute * MINUTE);
            assert_eq!(ledger.beds(view), in_order.beds(view), "{minute}");
        }
    }
}
