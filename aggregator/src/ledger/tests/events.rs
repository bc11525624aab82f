//! B14 and B18 to B33: what each event does to its visit and to beds.

use super::*;
use BedStatus::*;

#[test]
fn b14_naming_the_bed_it_has_moves_nobody() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 11).in_(A1),
        said("A02", 3, 12).in_(A1),
        said("A06", 4, 13).in_(A1),
        said("A08", 5, 14).in_(A1),
    ]);
    let bed = row(&ledger, A1, 20);
    assert_eq!(
        (bed.status, bed.since.as_deref()),
        (Occupied, Some("1970-01-01T00:10:00Z"))
    );
    assert!(bed.conflict.is_empty() && bed.flags.is_empty(), "{bed:?}");
}

#[test]
fn b18_an_admission_departs_the_bed_held_before() {
    let ledger = told([said("A01", 1, 10).in_(A1), said("A01", 2, 20).in_(B1)]);
    assert_beds(&ledger, 25, &[(A1, Dirty), (B1, Occupied)]);
    let ledger = told([said("A01", 1, 10).in_(A1), said("A06", 2, 20).in_("A^^")]);
    assert_beds(&ledger, 25, &[(A1, Dirty)]);
}

#[test]
fn b18_an_admission_closes_the_pending_one() {
    let ledger = told([said("A05", 1, 10).in_(A1), said("A01", 2, 20).in_(B1)]);
    assert_eq!(department(&ledger, "Ward A", 15).pending_in, 1);
    assert_eq!(department(&ledger, "Ward A", 25).pending_in, 0);
}

#[test]
fn b19_registering_takes_a_bed_only_in_the_emergency_department() {
    let ledger = told([
        said("A04", 1, 10).in_(ED1),
        said("A04", 2, 10).of("v2").in_(A1),
        said("A04", 3, 10).of("v3").in_("OPD^1^1"),
    ]);
    assert_beds(&ledger, 11, &[(ED1, Occupied), (A1, Unknown)]);
    assert!(
        ledger.bed("OPD^1^1", View::at(0)).is_none(),
        "an unlisted bed has no class"
    );
    // Registered and active: an update places.
    let ledger = told([said("A04", 1, 10).in_(A1), said("A08", 2, 11).in_(A1)]);
    let bed = row(&ledger, A1, 12);
    assert_eq!((bed.status, bed.flags.len()), (Occupied, 0));
}

#[test]
fn b20_a_planned_visit_reserves_and_never_occupies() {
    for trigger in ["A05", "A14"] {
        let mut ledger = told([said(trigger, 1, 10).in_(A1)]);
        ledger.apply(condition(2, 5, A1, "U"));
        assert_beds(&ledger, 11, &[(A1, Reserved)]);
        assert_eq!(department(&ledger, "Ward A", 11).pending_in, 1);
        // B24: an update does nothing to a planned visit.
        ledger.apply(said("A08", 3, 12).in_(A1).fact());
        assert_beds(&ledger, 13, &[(A1, Reserved)]);
    }
}

#[test]
fn b20_a_place_without_a_bed_is_pending_in_for_its_unit() {
    let ledger = told([
        said("A05", 1, 10).in_("OPD^^"),
        said("A14", 2, 10).of("v2").in_("ward b"),
    ]);
    assert_eq!(department(&ledger, "OPD", 11).pending_in, 1);
    assert_eq!(department(&ledger, "Ward B", 11).pending_in, 1);
}

#[test]
fn b21_a_transfer_departs_the_old_bed_and_occupies_the_new_one() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1).from(A1),
    ]);
    assert_beds(&ledger, 25, &[(A1, Dirty), (B1, Occupied)]);
    assert!(row(&ledger, B1, 25).flags.is_empty());
}

#[test]
fn b21_a_transfer_to_a_place_without_a_bed_empties_the_bed() {
    let ledger = told([said("A01", 1, 10).in_(A1), said("A02", 2, 20).in_("OR^^")]);
    assert_beds(&ledger, 25, &[(A1, Dirty)]);
}

#[test]
fn b21_a_prior_location_that_disagrees_is_flagged() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1).from(A2),
    ]);
    assert_eq!(row(&ledger, B1, 25).flags, ["prior location disagrees"]);
    assert_beds(&ledger, 25, &[(A1, Dirty), (A2, Unknown)]);
    // Nothing is known yet: nothing to disagree with.
    let ledger = told([said("A02", 2, 20).in_(B1).from(A2)]);
    assert_eq!(row(&ledger, B1, 25).flags, ["admission not seen"]);
}

#[test]
fn b21_a_transfer_closes_the_pending_transfer_whatever_its_target() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A15", 2, 15).in_(A1).to(B1),
        said("A02", 3, 20).in_(B2),
    ]);
    assert_eq!(department(&ledger, "Ward B", 16).pending_in, 1);
    assert_eq!(department(&ledger, "Ward A", 16).pending_out, 1);
    assert_eq!(department(&ledger, "Ward B", 21).pending_in, 0);
}

#[test]
fn b22_a_discharge_departs_and_its_location_occupies_nothing() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A15", 2, 12).in_(A1).to(B1),
        said("A16", 3, 12).in_(A1),
        said("A21", 4, 13).in_(A1),
        said("A03", 5, 20).in_(A2),
    ]);
    assert_beds(&ledger, 21, &[(A1, Dirty), (A2, Unknown)]);
    assert_eq!(department(&ledger, "Ward B", 21).pending_in, 0);
    assert_eq!(department(&ledger, "Ward A", 21).pending_out, 0);
    assert_eq!(department(&ledger, "Ward A", 15).pending_out, 2);
    // B24: nothing after the end.
    let mut ledger = ledger;
    ledger.apply(said("A08", 6, 30).in_(A1).fact());
    assert_beds(&ledger, 31, &[(A1, Dirty)]);
}

#[test]
fn b23_an_outpatient_leaves_the_bed_and_stays_active() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A15", 2, 12).in_(A1).to(B1),
        said("A07", 3, 20).in_(A1),
    ]);
    assert_beds(&ledger, 21, &[(A1, Dirty)]);
    assert_eq!(department(&ledger, "Ward B", 21).pending_in, 0);
    let mut ledger = ledger;
    ledger.apply(said("A08", 4, 30).in_(A2).fact());
    assert_beds(&ledger, 31, &[(A2, Occupied)]);
}

#[test]
fn b24_an_update_moves_an_active_visit_and_closes_nothing_pending() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A15", 2, 12).in_(A1).to(B1),
        said("A08", 3, 20).in_(A2),
        said("A08", 4, 21).in_("A^1^"),
        said("A08", 5, 22),
    ]);
    assert_beds(&ledger, 25, &[(A1, Dirty), (A2, Occupied)]);
    assert_eq!(department(&ledger, "Ward B", 25).pending_in, 1);
}

#[test]
fn b25_a_pending_transfer_reserves_its_target() {
    let mut ledger = fold([condition(1, 1, B1, "U")]);
    ledger.apply(said("A01", 2, 10).in_(A1).fact());
    ledger.apply(said("A15", 3, 12).in_(A1).to(B1).fact());
    assert_beds(&ledger, 13, &[(A1, Occupied), (B1, Reserved)]);
    // Inside one department it counts on both sides.
    let ledger = told([
        said("A01", 2, 10).in_(A1),
        said("A15", 3, 12).in_(A1).to(A2),
    ]);
    let ward = department(&ledger, "Ward A", 13);
    assert_eq!((ward.pending_in, ward.pending_out), (1, 1));
}

#[test]
fn b26_a_pending_discharge_counts_where_the_visit_is_now() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A16", 2, 12).in_(A1),
        said("A02", 3, 20).in_(B1),
    ]);
    assert_eq!(department(&ledger, "Ward A", 13).pending_out, 1);
    assert_eq!(department(&ledger, "Ward A", 21).pending_out, 0);
    assert_eq!(department(&ledger, "Ward B", 21).pending_out, 1);
    // Not in a bed: nowhere.
    let ledger = told([said("A01", 1, 10).in_("A^^"), said("A16", 2, 12).in_("A^^")]);
    assert!(
        ledger
            .departments(View::at(13 * MINUTE), &|_, _| None)
            .iter()
            .all(|row| row.pending_out == 0)
    );
}

#[test]
fn b27_a_swap_changes_both_and_nobody_departs() {
    let half = |n: u64, visit: &str, bed: &str| said("A17", n, 20).of(visit).in_(bed);
    let before = [condition(1, 1, A1, "U"), condition(2, 1, B1, "U")];
    let stays = [
        said("A01", 3, 10).in_(A1),
        said("A01", 4, 10).of("v2").in_(B1),
    ];
    let halves = [half(5, "v1", B1), half(6, "v2", A1)];
    let mut ledger = fold(before.clone());
    stays
        .iter()
        .chain(&halves)
        .for_each(|said| drop(ledger.apply(said.clone().fact())));
    assert_beds(&ledger, 21, &[(A1, Occupied), (B1, Occupied)]);
    assert!(row(&ledger, A1, 21).conflict.is_empty());
    // Only one half is known yet: the other bed is free of its patient, not dirty.
    let mut ledger = fold(before);
    stays
        .iter()
        .chain(&halves[..1])
        .for_each(|said| drop(ledger.apply(said.clone().fact())));
    assert_beds(&ledger, 21, &[(A1, Available), (B1, Occupied)]);
    assert_eq!(row(&ledger, B1, 21).conflict.len(), 2);
}

#[test]
fn b28_on_leave_the_bed_stays_occupied_and_is_counted() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A21", 2, 20).in_(A1),
        said("A22", 3, 30).in_(A1),
    ]);
    let leave = |minute| {
        let (bed, ward) = (
            row(&ledger, A1, minute),
            department(&ledger, "Ward A", minute),
        );
        (bed.status, bed.on_leave, ward.occupied, ward.on_leave)
    };
    assert_eq!(leave(15), (Occupied, false, 1, 0));
    assert_eq!(leave(25), (Occupied, true, 1, 1));
    assert_eq!(leave(35), (Occupied, false, 1, 0));
}

#[test]
fn b28_a_bed_is_on_leave_only_if_all_its_occupants_are() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 11).of("v2").in_(A1),
        said("A21", 3, 20).in_(A1),
    ]);
    assert!(!row(&ledger, A1, 21).on_leave);
    let mut ledger = ledger;
    ledger.apply(said("A21", 4, 22).of("v2").in_(A1).fact());
    assert!(row(&ledger, A1, 23).on_leave);
}

#[test]
fn b28_a_transfer_does_not_end_a_leave() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A21", 2, 20),
        said("A02", 3, 25).in_(B1),
    ]);
    assert!(row(&ledger, B1, 26).on_leave);
}

#[test]
fn b32_a_newer_pending_event_replaces_the_older_and_its_cancel_opens_it_again() {
    let mut ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A15", 2, 11).to(B1),
        said("A15", 3, 12).to(ED1),
    ]);
    let pending = |ledger: &Ledger, name: &str| department(ledger, name, 20).pending_in;
    assert_eq!(
        (pending(&ledger, "Ward B"), pending(&ledger, "Emergency")),
        (0, 1)
    );
    ledger.apply(said("A26", 4, 12).recorded(15).fact());
    assert_eq!(
        (pending(&ledger, "Ward B"), pending(&ledger, "Emergency")),
        (1, 0)
    );
}

#[test]
fn b33_an_unknown_visit_is_active_where_an_event_puts_it() {
    for trigger in ["A02", "A08", "A22", "A17"] {
        let ledger = told([said(trigger, 1, 10).in_(A1)]);
        let bed = row(&ledger, A1, 11);
        assert_eq!(
            (bed.status, bed.flags),
            (Occupied, vec!["admission not seen".to_owned()]),
            "{trigger}"
        );
    }
    for trigger in ["A21", "A15", "A16", "A03", "A07"] {
        let ledger = told([said(trigger, 1, 10).in_(A1).to(A2)]);
        assert_beds(&ledger, 11, &[(A1, Unknown)]);
    }
    // Only an unknown visit is placed by a return from leave.
    let ledger = told([said("A01", 1, 10).in_(A1), said("A22", 2, 20).in_(B1)]);
    assert_beds(&ledger, 21, &[(A1, Occupied), (B1, Unknown)]);
}

#[test]
fn b33_the_flag_goes_once_the_admission_is_known() {
    let ledger = told([said("A02", 2, 20).in_(A1), said("A01", 1, 10).in_(B1)]);
    assert!(row(&ledger, A1, 25).flags.is_empty());
    // And stays with the visit when it moves on.
    let ledger = told([said("A02", 2, 20).in_(A1), said("A02", 3, 30).in_(B1)]);
    assert_eq!(row(&ledger, B1, 31).flags, ["admission not seen"]);
}
