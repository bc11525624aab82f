//! B1 to B6: what a message is, what a bed is, when something happened, and in which order.

use super::*;
use BedStatus::*;

#[test]
fn b1_the_same_message_twice_is_one_event() {
    let first = said("A01", 1, 10).in_(A1).fact();
    let mut again = said("A01", 1, 10).in_(A1).received(12).fact();
    again.id = "gw-1/00000000000000ab/9".into();
    let mut ledger = ledger();
    assert_eq!(ledger.apply(first.clone()).outcome, Outcome::Applied);
    let digest = ledger.digest();
    for copy in [again, first] {
        let applied = ledger.apply(copy);
        assert_eq!((applied.outcome, applied.store), (Outcome::Duplicate, None));
    }
    assert_eq!(ledger.digest(), digest);
    assert_eq!(ledger.counters().facts, 1);
}

#[test]
fn b1_of_several_copies_the_first_received_is_kept_whatever_comes_first() {
    let early = said("A01", 1, 10).in_(A1).received(11).fact();
    let mut late = said("A01", 1, 10).in_(A1).received(15).fact();
    late.id = "gw-1/00000000000000ab/9".into();
    let one = fold([early.clone(), late.clone()]);
    let mut other = ledger();
    other.apply(late.clone());
    let applied = other.apply(early.clone());
    assert_eq!(applied.outcome, Outcome::Duplicate);
    assert_eq!(applied.replaces, [Ledger::fact_key(&late)]);
    assert_eq!(applied.store, Some(Ledger::fact_key(&early)));
    assert_eq!(one.digest(), other.digest());
    let known = |ledger: &Ledger, minute| {
        ledger
            .bed(
                A1,
                View {
                    at_ms: 20 * MINUTE,
                    known_ms: Some(minute * MINUTE),
                },
            )
            .unwrap()
            .status
    };
    assert_eq!((known(&one, 10), known(&one, 11)), (Unknown, Occupied));
    assert_eq!((known(&other, 10), known(&other, 11)), (Unknown, Occupied));
}

#[test]
fn b1_the_same_identity_with_other_bytes_is_a_conflict_and_both_count() {
    let one = said("A01", 1, 10).in_(A1).fact();
    let mut other = said("A01", 1, 11).of("v2").in_(A2).fact();
    other.id = "gw-1/00000000000000ab/2".into();
    other.message_hash = Some("ff".into());
    let mut ledger = fold([one.clone()]);
    let applied = ledger.apply(other.clone());
    assert_eq!(applied.outcome, Outcome::Conflict);
    assert!(applied.store.is_some());
    assert_eq!(ledger.counters().message_conflicts, 1);
    assert_beds(&ledger, 12, &[(A1, Occupied), (A2, Occupied)]);
    assert_eq!(ledger.digest(), fold([other, one]).digest());
}

#[test]
fn b1_without_a_message_identity_the_event_id_is_the_identity() {
    let mut fact = said("A01", 1, 10).in_(A1).fact();
    fact.message_key = None;
    let mut ledger = fold([fact.clone()]);
    assert_eq!(ledger.apply(fact).outcome, Outcome::Duplicate);
}

#[test]
fn b1_the_parts_of_one_message_are_different_events() {
    let half = |n: u64, part: u16, visit: &str, bed: &str| {
        let mut fact = said("A17", n, 20).of(visit).in_(bed).fact();
        fact.id = format!("gw-1/00000000000000ab/9.{part}");
        (fact.message_key, fact.message_hash, fact.part) =
            (Some("9".into()), Some("9".into()), part);
        fact
    };
    let mut ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 10).of("v2").in_(B1),
    ]);
    assert_eq!(ledger.apply(half(3, 1, "v1", B1)).outcome, Outcome::Applied);
    assert_eq!(ledger.apply(half(4, 2, "v2", A1)).outcome, Outcome::Applied);
    assert_eq!(ledger.counters().message_conflicts, 0);
    assert!(row(&ledger, A1, 21).conflict.is_empty());
}

#[test]
fn b2_a_location_without_a_bed_is_no_bed() {
    let ledger = told([
        said("A01", 1, 10).in_("ED^^"),
        said("A01", 2, 10).of("v2").in_("A^1^"),
    ]);
    assert!(
        ledger
            .beds(View::at(20 * MINUTE))
            .iter()
            .all(|bed| bed.status == Unknown && bed.listed)
    );
}

#[test]
fn b3_a_bed_that_the_list_does_not_name_is_discovered_in_its_unit() {
    let ledger = told([
        said("A01", 1, 10).in_("C^9^9"),
        said("A01", 2, 10).of("v2").in_("ward a^9^9"),
    ]);
    let found = row(&ledger, "C^9^9", 11);
    assert_eq!(
        (found.department.as_str(), found.listed, found.staffed),
        ("C", false, false)
    );
    assert_eq!(
        row(&ledger, "ward a^9^9", 11).department,
        "Ward A",
        "spelled as the list does"
    );
    assert_eq!(ledger.counters().unlisted_beds, 2);
    assert_eq!(
        department(&ledger, "C", 11).occupancy,
        None,
        "nothing staffed, no share"
    );
}

#[test]
fn b3_a_bed_that_only_a_cancelled_event_names_is_not_there() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_("TYPO^1^1"),
        said("A12", 3, 20).in_(A1).recorded(25),
    ]);
    assert!(ledger.bed("TYPO^1^1", View::at(30 * MINUTE)).is_none());
    assert_eq!(ledger.counters().unlisted_beds, 0);
}

#[test]
fn b5_ties_are_broken_by_recorded_time_then_by_message_number() {
    // Same minute; recorded later wins.
    let ledger = told([
        said("A02", 9, 10).in_(A2).recorded(12),
        said("A02", 10, 10).in_(A1).recorded(11),
    ]);
    assert_beds(&ledger, 13, &[(A2, Occupied), (A1, Dirty)]);
    // Same minute, recorded at once: 10 comes after 9.
    let ledger = told([said("A02", 10, 10).in_(A1), said("A02", 9, 10).in_(A2)]);
    assert_beds(&ledger, 13, &[(A1, Occupied), (A2, Dirty)]);
}

#[test]
fn b6_a_late_event_is_put_where_it_belongs() {
    let stay = [
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1),
        said("A03", 3, 30).in_(B1),
    ];
    let whole = told(stay.clone());
    let [admit, transfer, discharge] = stay;
    let ledger = told([admit, discharge, transfer]);
    assert_eq!(ledger.digest(), whole.digest());
    assert_beds(&ledger, 15, &[(A1, Occupied), (B1, Unknown)]);
    assert_beds(&ledger, 25, &[(A1, Dirty), (B1, Occupied)]);
    assert_beds(&ledger, 35, &[(A1, Dirty), (B1, Dirty)]);
}

#[test]
fn b31_events_that_move_nothing_are_filtered() {
    let mut ledger = told([said("A01", 1, 10).in_(A1)]);
    let digest = ledger.digest();
    for (n, trigger) in ["A09", "A10", "A28", "A31", "A34", "A40", "A60"]
        .into_iter()
        .enumerate()
    {
        let applied = ledger.apply(said(trigger, 100 + n as u64, 20).in_(A2).fact());
        assert_eq!(
            (applied.outcome, applied.store),
            (Outcome::Filtered, None),
            "{trigger}"
        );
    }
    assert_eq!(ledger.digest(), digest);
}

#[test]
fn b4_what_happened_counts_when_it_happened_not_when_it_was_written_down() {
    let ledger = told([
        said("A01", 1, 10).in_(A1).recorded(50),
        said("A02", 2, 20).in_(B1).recorded(21),
    ]);
    assert_beds(&ledger, 15, &[(A1, Occupied), (B1, Unknown)]);
    assert_beds(&ledger, 60, &[(A1, Dirty), (B1, Occupied)]);
}
