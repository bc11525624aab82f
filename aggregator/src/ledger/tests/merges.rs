//! B30: two visits that are one.

use super::*;
use BedStatus::*;

#[test]
fn b30_the_merged_visit_goes_on_as_the_other() {
    for trigger in ["A42", "A35"] {
        let ledger = told([
            said("A05", 1, 5).in_(A2),
            said("A01", 2, 10).of("v2").in_(A1),
            said(trigger, 3, 20).merging("v2"),
            said("A02", 4, 30).in_(B1),
            said("A03", 5, 40),
        ]);
        assert_beds(&ledger, 25, &[(A1, Occupied)]);
        assert_eq!(
            department(&ledger, "Ward A", 25).pending_in,
            0,
            "active: nothing pending in"
        );
        assert_beds(&ledger, 35, &[(A1, Dirty), (B1, Occupied)]);
        assert_beds(&ledger, 45, &[(A1, Dirty), (B1, Dirty)]);
    }
}

#[test]
fn b30_events_under_the_old_number_go_on_too() {
    let ledger = told([
        said("A01", 1, 10).of("v2").in_(A1),
        said("A42", 2, 20).merging("v2"),
        said("A03", 3, 30).of("v2"),
    ]);
    assert_beds(&ledger, 35, &[(A1, Dirty)]);
}

#[test]
fn b30_a_cancel_finds_its_target_under_the_other_number() {
    let ledger = told([
        said("A01", 1, 10).of("v2").in_(A1),
        said("A03", 2, 15).of("v2"),
        said("A42", 3, 20).merging("v2"),
        said("A13", 4, 15).in_(A1).recorded(30),
    ]);
    assert_eq!(ledger.counters().cancels_without_target, 0);
    assert_beds(&ledger, 35, &[(A1, Occupied)]);
}

#[test]
fn b30_one_bed_twice_is_one_occupant_after_the_merge() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 11).of("v2").in_(A1),
        said("A42", 3, 20).merging("v2"),
    ]);
    assert_eq!(row(&ledger, A1, 15).conflict.len(), 2);
    assert!(row(&ledger, A1, 25).conflict.is_empty());
    let mut ledger = ledger;
    ledger.apply(said("A03", 4, 30).fact());
    assert_beds(&ledger, 31, &[(A1, Dirty)]);
}

#[test]
fn b30_two_beds_are_a_conflict_until_one_is_named() {
    let stay = [
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 11).of("v2").in_(B1),
        said("A42", 3, 20).merging("v2"),
    ];
    let ledger = told(stay.clone());
    for bed in [A1, B1] {
        let bed = row(&ledger, bed, 25);
        assert_eq!(bed.status, Occupied);
        assert_eq!(
            bed.conflict,
            ["gw-1/00000000000000ab/1", "gw-1/00000000000000ab/2"]
        );
        assert_eq!(bed.flags, ["merged visit in two beds"]);
    }
    assert_eq!(ledger.counters().beds_in_conflict, 2);
    for trigger in ["A02", "A08", "A01"] {
        let named = told(stay.iter().cloned().chain([said(trigger, 4, 30).in_(B1)]));
        assert_beds(&named, 31, &[(A1, Unknown), (B1, Occupied)]);
        assert!(row(&named, B1, 31).conflict.is_empty());
    }
    let elsewhere = told(stay.iter().cloned().chain([said("A02", 4, 30).in_(A2)]));
    assert_beds(&elsewhere, 31, &[(A1, Dirty), (B1, Dirty), (A2, Occupied)]);
}

#[test]
fn b30_merges_chain_and_may_come_in_any_order() {
    let stay = [
        said("A01", 1, 10).of("v3").in_(A1),
        said("A42", 2, 20).of("v2").merging("v3"),
        said("A42", 3, 30).merging("v2"),
        said("A02", 4, 40).in_(B1),
        // Merging what is one already, or a visit with itself, changes nothing.
        said("A42", 5, 50).of("v3").merging("v1"),
        said("A42", 6, 51).merging("v1"),
    ];
    let ledger = told(stay.clone());
    assert_beds(&ledger, 60, &[(A1, Dirty), (B1, Occupied)]);
    let backwards = told(stay.into_iter().rev());
    assert_eq!(ledger.digest(), backwards.digest());
}

#[test]
fn b30_pending_and_leave_go_on_the_newer_one_stays_open() {
    let ledger = told([
        said("A01", 1, 10).in_("A^^"),
        said("A15", 2, 11).to(ED1),
        said("A01", 3, 10).of("v2").in_(A1),
        said("A15", 4, 12).of("v2").to(B1),
        said("A21", 5, 13).of("v2"),
        said("A42", 6, 20).merging("v2"),
    ]);
    let pending = |name| department(&ledger, name, 25).pending_in;
    assert_eq!((pending("Ward B"), pending("Emergency")), (1, 0));
    assert_eq!(department(&ledger, "Ward A", 25).pending_out, 1);
    assert!(row(&ledger, A1, 25).on_leave);
}

#[test]
fn b30_a_cancelled_admission_voids_the_merged_events_too() {
    let ledger = told([
        said("A01", 1, 10).of("v2").in_(A1),
        said("A42", 2, 20).merging("v2"),
        said("A11", 3, 10).recorded(30),
    ]);
    assert_beds(&ledger, 35, &[(A1, Unknown)]);
    // Cancelled before the merge: only what it was then.
    let ledger = told([
        said("A01", 1, 10).in_(A2),
        said("A01", 2, 10).of("v2").in_(A1),
        said("A11", 3, 10).recorded(15),
        said("A42", 4, 20).merging("v2"),
    ]);
    assert_beds(&ledger, 35, &[(A1, Occupied), (A2, Unknown)]);
}
