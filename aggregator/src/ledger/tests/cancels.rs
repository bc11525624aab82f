//! B7 to B13 and B17: what cancels take out, and what they do besides.

use super::*;
use BedStatus::*;

#[test]
fn b7_each_cancel_takes_out_the_newest_of_its_kind() {
    let pending = |ledger: &Ledger| {
        let (a, b) = (
            department(ledger, "Ward A", 50),
            department(ledger, "Ward B", 50),
        );
        (a.pending_in + b.pending_in, a.pending_out + b.pending_out)
    };
    for (event, cancel, before) in [
        ("A05", "A38", (1, 0)),
        ("A05", "A27", (1, 0)),
        ("A14", "A27", (1, 0)),
        ("A15", "A26", (1, 1)),
        ("A16", "A25", (0, 1)),
    ] {
        let mut ledger = told([said("A01", 1, 5).in_(A1), said(event, 2, 10).in_(B1).to(B1)]);
        assert_eq!(pending(&ledger), before, "{event}");
        ledger.apply(said(cancel, 3, 10).recorded(20).fact());
        assert_eq!(pending(&ledger), (0, 0), "{event} {cancel}");
        assert_eq!(ledger.counters().cancels_without_target, 0);
    }
}

#[test]
fn b7_leave_and_return_can_be_cancelled() {
    let out = [said("A01", 1, 5).in_(A1), said("A21", 2, 10)];
    let back = [said("A22", 3, 20)];
    let cancel_out = said("A52", 4, 10).recorded(12);
    let cancel_back = said("A53", 5, 20).recorded(22);
    assert!(!row(&told(out.iter().cloned().chain([cancel_out])), A1, 30).on_leave);
    assert!(
        row(
            &told(out.iter().chain(&back).cloned().chain([cancel_back])),
            A1,
            30
        )
        .on_leave
    );
}

#[test]
fn b7_a_cancel_takes_back_its_own_kind_only() {
    let ledger = told([
        said("A01", 1, 5).in_(A1),
        said("A14", 2, 10).in_(B1),
        said("A38", 3, 10).recorded(20),
    ]);
    assert_eq!(department(&ledger, "Ward B", 30).pending_in, 1);
    assert_eq!(ledger.counters().cancels_without_target, 1);
}

#[test]
fn b8_the_time_of_a_cancel_names_its_target() {
    let stay = [
        said("A01", 1, 5).in_(A1),
        said("A02", 2, 10).in_(A2),
        said("A02", 3, 20).in_(A3),
    ];
    // The older transfer, by its time: the newer one stands.
    let ledger = told(
        stay.clone()
            .into_iter()
            .chain([said("A12", 4, 10).in_(A1).recorded(30)]),
    );
    assert_beds(&ledger, 15, &[(A1, Occupied), (A2, Unknown)]);
    assert_beds(&ledger, 40, &[(A1, Dirty), (A2, Unknown), (A3, Occupied)]);
    // Without EVN-6 the newest.
    let ledger = told(
        stay.into_iter()
            .chain([said("A12", 4, 30).in_(A2).no_evn6()]),
    );
    assert_beds(&ledger, 40, &[(A1, Dirty), (A2, Occupied), (A3, Unknown)]);
}

#[test]
fn b8_times_are_compared_at_the_coarser_precision() {
    let mut transfer = said("A02", 2, 10).in_(A2);
    transfer.fact.event_ms += 37_000;
    let newer = said("A02", 3, 20).in_(A3);
    let mut cancel = said("A12", 4, 10).in_(A1).recorded(30);
    cancel.fact.precision_ms = MINUTE;
    let ledger = told([said("A01", 1, 5).in_(A1), transfer, newer, cancel]);
    assert_beds(&ledger, 15, &[(A1, Occupied), (A2, Unknown)]);
    assert_beds(&ledger, 40, &[(A3, Occupied)]);
}

#[test]
fn b8_a_cancel_waits_for_its_target() {
    let cancel = said("A13", 3, 20).in_(A1).recorded(30);
    let mut ledger = told([said("A01", 1, 10).in_(A1), cancel.clone()]);
    assert_eq!(ledger.counters().cancels_without_target, 1);
    assert_beds(&ledger, 40, &[(A1, Occupied)]);
    ledger.apply(said("A03", 2, 20).in_(A1).fact());
    assert_eq!(ledger.counters().cancels_without_target, 0);
    assert_beds(&ledger, 40, &[(A1, Occupied)]);
    assert_eq!(
        row(&ledger, A1, 40).since.as_deref(),
        Some("1970-01-01T00:10:00Z")
    );
}

#[test]
fn b8_a_cancel_takes_no_event_that_happened_after_it_was_recorded() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A13", 2, 15).in_(A1).no_evn6(),
        said("A03", 3, 20),
    ]);
    assert_eq!(ledger.counters().cancels_without_target, 1);
    assert_beds(&ledger, 25, &[(A1, Dirty)]);
}

#[test]
fn b8_two_cancels_take_two_targets_in_recorded_order() {
    let stay = [
        said("A01", 1, 5).in_(A1),
        said("A02", 2, 10).in_(A2),
        said("A02", 3, 20).in_(A3),
    ];
    let cancels = [
        said("A12", 4, 30).in_(A2).no_evn6(),
        said("A12", 5, 31).in_(A1).no_evn6(),
    ];
    let ledger = told(stay.into_iter().chain(cancels));
    assert_beds(&ledger, 40, &[(A1, Occupied), (A2, Unknown), (A3, Unknown)]);
}

#[test]
fn b9_a_cancelled_admission_never_was() {
    let mut ledger = fold([condition(9, 1, A1, "U")]);
    for said in [
        said("A01", 1, 10).in_(A1),
        said("A15", 2, 12).to(B1),
        said("A08", 3, 14).in_(A2),
        said("A11", 4, 10).in_(A1).recorded(20),
    ] {
        ledger.apply(said.fact());
    }
    assert_beds(&ledger, 15, &[(A1, Available), (A2, Unknown)]);
    assert_eq!(department(&ledger, "Ward B", 15).pending_in, 0);
    // Ended: an update does nothing, a new admission does.
    ledger.apply(said("A08", 5, 30).in_(A2).fact());
    assert_beds(&ledger, 35, &[(A2, Unknown)]);
    ledger.apply(said("A01", 6, 40).in_(A2).fact());
    assert_beds(&ledger, 45, &[(A2, Occupied)]);
}

#[test]
fn b9_it_voids_with_or_without_a_target_and_delete_visit_does_the_same() {
    for trigger in ["A11", "A23"] {
        let ledger = told([said("A08", 1, 10).in_(A1), said(trigger, 2, 5).recorded(20)]);
        assert_beds(&ledger, 15, &[(A1, Unknown)]);
        assert_eq!(ledger.counters().cancels_without_target, 1);
    }
}

#[test]
fn b9_of_a_swap_only_its_own_half_is_void() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 10).of("v2").in_(B1),
        said("A17", 3, 20).in_(B1),
        said("A17", 4, 20).of("v2").in_(A1),
        said("A11", 5, 10).recorded(30),
    ]);
    assert_beds(&ledger, 40, &[(A1, Occupied), (B1, Unknown)]);
}

#[test]
fn b9_a_cancel_of_something_void_has_no_target() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A03", 2, 15),
        said("A11", 3, 10).recorded(20),
        said("A13", 4, 15).in_(A2).recorded(30),
    ]);
    assert_beds(&ledger, 40, &[(A1, Unknown), (A2, Unknown)]);
}

#[test]
fn b10_the_bed_before_is_judged_without_events_that_earlier_cancels_took_out() {
    // A2 -> A3 cancelled first, then A1 -> A2: the bed before the second is A1.
    let ledger = told([
        said("A01", 1, 5).in_(A1),
        said("A02", 2, 10).in_(A2),
        said("A02", 3, 20).in_(A3),
        said("A12", 4, 10).in_(A1).recorded(30),
        said("A12", 5, 20).in_(A1).recorded(31),
    ]);
    let bed = row(&ledger, A1, 40);
    assert_eq!((bed.status, bed.flags.len()), (Occupied, 0), "{bed:?}");
    assert_eq!(bed.since.as_deref(), Some("1970-01-01T00:05:00Z"));
}

#[test]
fn b11_a_cancelled_transfer_never_was_and_nobody_departed() {
    for named in [A1, "", "A^^"] {
        let mut ledger = fold([condition(9, 1, B1, "U")]);
        for said in [
            said("A01", 1, 10).in_(A1),
            said("A15", 2, 15).to(B1),
            said("A02", 3, 20).in_(B1),
            said("A12", 4, 20).in_(named).recorded(30),
        ] {
            ledger.apply(said.fact());
        }
        assert_beds(&ledger, 25, &[(A1, Occupied), (B1, Reserved)]);
        // B13: the pending transfer is open again, because it was never closed.
        assert_eq!(department(&ledger, "Ward B", 40).pending_in, 1);
        assert!(row(&ledger, A1, 40).flags.is_empty());
    }
}

#[test]
fn b11_updates_that_repeat_the_cancelled_bed_go_with_the_transfer() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1),
        said("A08", 3, 22).in_(B1),
        said("A08", 4, 24).in_(B2),
        said("A12", 5, 20).in_(A1).recorded(30),
    ]);
    assert_beds(&ledger, 23, &[(A1, Occupied), (B1, Unknown)]);
    // The update that names another bed stands, and so does one after the cancel.
    assert_beds(&ledger, 40, &[(A1, Dirty), (B2, Occupied)]);
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1),
        said("A12", 3, 20).in_(A1).recorded(30),
        said("A08", 4, 35).in_(B1),
    ]);
    assert_beds(&ledger, 40, &[(A1, Dirty), (B1, Occupied)]);
}

#[test]
fn b11_a_cancel_that_names_another_bed_puts_the_visit_there() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1),
        said("A12", 3, 20).in_(A2).recorded(30),
    ]);
    assert_beds(&ledger, 25, &[(A1, Occupied), (A2, Unknown), (B1, Unknown)]);
    assert_beds(&ledger, 31, &[(A1, Unknown), (A2, Occupied), (B1, Unknown)]);
    assert_eq!(row(&ledger, A2, 31).flags, ["cancel names another bed"]);
}

#[test]
fn b11_who_is_gone_is_not_put_into_a_bed() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1),
        said("A03", 3, 25),
        said("A12", 4, 20).in_(A2).recorded(30),
    ]);
    assert_beds(&ledger, 31, &[(A1, Dirty), (A2, Unknown), (B1, Unknown)]);
}

#[test]
fn b12_a_cancelled_discharge_never_was() {
    for named in [A1, "", "A^^"] {
        let ledger = told([
            said("A01", 1, 10).in_(A1),
            said("A16", 2, 15),
            said("A03", 3, 20).in_(A1),
            said("A13", 4, 20).in_(named).recorded(30),
        ]);
        assert_beds(&ledger, 25, &[(A1, Occupied)]);
        assert_eq!(department(&ledger, "Ward A", 40).pending_out, 1, "B13");
        assert!(row(&ledger, A1, 40).flags.is_empty());
    }
}

#[test]
fn b12_a_cancel_that_names_another_bed_lets_the_discharge_stand() {
    let stay = [
        said("A01", 1, 10).in_(A1),
        said("A03", 2, 20).in_(A1),
        said("A13", 3, 20).in_(A2).recorded(30),
    ];
    let ledger = told(stay.clone());
    assert_beds(&ledger, 25, &[(A1, Dirty), (A2, Unknown)]);
    assert_beds(&ledger, 31, &[(A1, Dirty), (A2, Occupied)]);
    assert_eq!(row(&ledger, A2, 31).flags, ["cancel names another bed"]);
    // The discharge is used up: a second cancel finds no target.
    let ledger = told(
        stay.into_iter()
            .chain([said("A13", 4, 20).in_(A1).recorded(40)]),
    );
    assert_eq!(ledger.counters().cancels_without_target, 1);
    assert_beds(&ledger, 50, &[(A1, Dirty), (A2, Occupied)]);
}

#[test]
fn b12_the_first_event_known_is_the_discharge() {
    let ledger = told([
        said("A03", 1, 20).in_(A1),
        said("A13", 2, 20).in_(A1).recorded(30),
    ]);
    assert_beds(&ledger, 25, &[(A1, Unknown)]);
    assert_beds(&ledger, 31, &[(A1, Occupied)]);
}

#[test]
fn b17_a13_into_taken_bed_is_conflict() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A03", 2, 20).in_(A1),
        said("A01", 3, 25).of("v2").in_(A1),
        said("A13", 4, 20).in_(A1).recorded(30),
    ]);
    let bed = row(&ledger, A1, 31);
    assert_eq!(bed.status, Occupied);
    assert_eq!(
        bed.conflict,
        ["gw-1/00000000000000ab/1", "gw-1/00000000000000ab/3"]
    );
    assert_eq!(department(&ledger, "Ward A", 31).conflicts, 1);
    assert_eq!(ledger.counters().beds_in_conflict, 1);
    // Both stay until one moves.
    let mut ledger = ledger;
    ledger.apply(said("A02", 5, 40).of("v2").in_(A2).fact());
    assert_beds(&ledger, 41, &[(A1, Occupied), (A2, Occupied)]);
    assert!(row(&ledger, A1, 41).conflict.is_empty());
}

#[test]
fn b17_a_conflict_ends_for_good_when_a_cancel_explains_it() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A01", 2, 20).of("v2").in_(A1),
        said("A11", 3, 20).of("v2").recorded(30),
    ]);
    assert!(row(&ledger, A1, 25).conflict.is_empty());
    assert_beds(&ledger, 31, &[(A1, Occupied)]);
}

#[test]
fn b13_what_a_cancelled_event_had_closed_is_open_again() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A21", 2, 12),
        said("A15", 3, 13).to(B1),
        said("A16", 4, 14),
        said("A03", 5, 20),
        said("A13", 6, 20).recorded(30),
    ]);
    assert!(row(&ledger, A1, 25).on_leave);
    assert_eq!(department(&ledger, "Ward B", 25).pending_in, 1);
    assert_eq!(department(&ledger, "Ward A", 25).pending_out, 2);
}
