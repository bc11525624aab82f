//! B15, B16, B29: what a bed is like, and what is shown of it.

use super::*;
use BedStatus::*;

#[test]
fn b15_the_last_condition_said_is_shown() {
    for (code, status, reason) in [
        ("U", Available, None),
        ("H", Dirty, None),
        ("C", Closed, None),
        ("K", Blocked, Some("contaminated")),
        ("I", Blocked, Some("isolated")),
        ("cleaning", Cleaning, None),
    ] {
        let ledger = fold([condition(1, 1, A1, "C"), condition(2, 2, A1, code)]);
        let bed = row(&ledger, A1, 3);
        assert_eq!(
            (bed.status, bed.reason.as_deref()),
            (status, reason),
            "{code}"
        );
    }
    let ledger = ledger();
    assert_eq!(row(&ledger, A1, 3).status, Unknown, "unknown is not free");
    assert_eq!(row(&ledger, A1, 3).age_s, None);
}

#[test]
fn b15_nothing_said_yet_is_unknown_even_if_reserved() {
    let ledger = told([said("A05", 1, 10).in_(A1)]);
    assert_beds(&ledger, 11, &[(A1, Unknown)]);
}

#[test]
fn b15_only_a_free_bed_is_shown_as_reserved() {
    for (code, expected) in [("H", Dirty), ("C", Closed), ("K", Blocked), ("U", Reserved)] {
        let mut ledger = fold([condition(1, 1, A1, code)]);
        ledger.apply(said("A05", 2, 10).in_(A1).fact());
        assert_beds(&ledger, 11, &[(A1, expected)]);
    }
}

#[test]
fn b16_a_departure_that_empties_the_bed_makes_it_dirty_until_a_report() {
    let mut ledger = told([said("A01", 1, 10).in_(A1), said("A03", 2, 20)]);
    assert_beds(&ledger, 21, &[(A1, Dirty)]);
    ledger.apply(condition(3, 30, A1, "U"));
    assert_beds(&ledger, 31, &[(A1, Available)]);
    assert_beds(&ledger, 25, &[(A1, Dirty)]);
}

#[test]
fn b16_the_other_occupant_keeps_the_bed_from_being_dirty() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 15).of("v2").in_(A1),
        said("A03", 3, 20),
        said("A11", 4, 15).of("v2").recorded(30),
    ]);
    assert_beds(&ledger, 35, &[(A1, Dirty)]);
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 15).of("v2").in_(A1),
        said("A03", 3, 20),
        said("A17", 4, 25).of("v2").in_(B1),
    ]);
    assert_beds(&ledger, 30, &[(A1, Unknown)]);
}

#[test]
fn b16_a_condition_before_an_admission_comes_back_after_a_cancel() {
    let mut ledger = fold([condition(1, 1, A1, "U")]);
    ledger.apply(said("A01", 2, 10).in_(A1).fact());
    ledger.apply(said("A11", 3, 10).recorded(20).fact());
    assert_beds(&ledger, 30, &[(A1, Available)]);
}

#[test]
fn b29_an_occupied_bed_stays_occupied_and_the_report_becomes_its_condition() {
    let mut ledger = told([said("A01", 1, 10).in_(A1)]);
    ledger.apply(condition(2, 20, A1, "K"));
    assert_beds(&ledger, 21, &[(A1, Occupied)]);
    ledger.apply(said("A17", 3, 30).in_(B1).fact());
    assert_eq!(row(&ledger, A1, 31).reason.as_deref(), Some("contaminated"));
    // A departure says dirty whatever was said before.
    let mut ledger = told([said("A01", 1, 10).in_(A1), said("A03", 3, 30)]);
    ledger.apply(condition(2, 20, A1, "K"));
    assert_beds(&ledger, 31, &[(A1, Dirty)]);
}

#[test]
fn b29_occupied_only_confirms() {
    let ledger = fold([condition(1, 1, A1, "U"), condition(2, 5, A1, "O")]);
    let bed = row(&ledger, A1, 6);
    assert_eq!((bed.status, bed.age_s), (Available, Some(60)));
}

#[test]
fn b29_a_bed_beyond_the_list_has_conditions_too() {
    let ledger = fold([condition(1, 1, "X^1^1", "H")]);
    let bed = row(&ledger, "X^1^1", 2);
    assert_eq!(
        (bed.status, bed.listed, bed.department.as_str()),
        (Dirty, false, "X")
    );
}
