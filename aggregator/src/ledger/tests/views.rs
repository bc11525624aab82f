//! B34 to B36: rows, ages, moments, explanations.

use super::*;
use BedStatus::*;

#[test]
fn b34_the_eight_states_add_up_and_listed_departments_are_always_there() {
    let ledger = fold([
        condition(1, 1, A1, "U"),
        condition(2, 1, A2, "K"),
        said("A01", 3, 10).in_(A3).fact(),
        said("A01", 4, 11).of("v2").in_("A^9^9").fact(),
    ]);
    let rows = ledger.departments(View::at(20 * MINUTE), &|_, name| {
        (name == "Ward A").then_some(0.5)
    });
    let names: Vec<&str> = rows.iter().map(|row| row.department.as_str()).collect();
    assert_eq!(
        names,
        ["A", "Emergency", "Ward A", "Ward B"],
        "an unlisted bed is in its unit"
    );
    for row in &rows {
        let sum = row.occupied
            + row.available
            + row.reserved
            + row.dirty
            + row.cleaning
            + row.blocked
            + row.closed
            + row.unknown;
        assert_eq!(row.beds, sum, "{row:?}");
    }
    let ward = rows.iter().find(|row| row.department == "Ward A").unwrap();
    assert_eq!(
        (
            ward.beds,
            ward.staffed,
            ward.occupied,
            ward.available,
            ward.blocked
        ),
        (3, 2, 1, 1, 1)
    );
    // The taken bed has no staff, so it is in no share.
    assert_eq!((ward.occupied, ward.occupied_unstaffed), (1, 1));
    assert_eq!((ward.occupancy, ward.coverage), (Some(0.0), Some(0.5)));
    assert_eq!(rows[3].age_s, None, "nothing heard is not fresh");
}

#[test]
fn b35_ages_run_from_the_newest_event_and_since_from_the_last_change() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A08", 2, 50).in_(A1),
        said("A03", 3, 100),
    ]);
    let bed = row(&ledger, A1, 60);
    assert_eq!(
        (bed.since.as_deref(), bed.age_s),
        (Some("1970-01-01T00:10:00Z"), Some(600))
    );
    let ward = department(&ledger, "Ward A", 60);
    assert_eq!((ward.age_s, ward.oldest_dirty_s), (Some(600), None));
    let ward = department(&ledger, "Ward A", 130);
    assert_eq!((ward.age_s, ward.oldest_dirty_s), (Some(1800), Some(1800)));
}

#[test]
fn b35_what_an_event_said_that_was_taken_out_makes_nothing_fresh() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 50).in_(B1),
        said("A12", 3, 50).in_(A1).recorded(55),
    ]);
    assert_eq!(row(&ledger, A1, 60).age_s, Some(3000));
}

#[test]
fn b36_any_moment_can_be_asked_for() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1),
        said("A03", 3, 30),
    ]);
    for (minute, a, b) in [
        (9, Unknown, Unknown),
        (10, Occupied, Unknown),
        (19, Occupied, Unknown),
        (20, Dirty, Occupied),
        (30, Dirty, Dirty),
    ] {
        assert_beds(&ledger, minute, &[(A1, a), (B1, b)]);
    }
    assert_eq!(
        row(&ledger, A1, 15).since.as_deref(),
        Some("1970-01-01T00:10:00Z")
    );
}

#[test]
fn b36_known_uses_only_what_was_received_by_then() {
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A02", 2, 20).in_(B1).received(60),
        said("A12", 3, 20).in_(A1).recorded(90),
    ]);
    let seen = |known| {
        let view = View {
            at_ms: 25 * MINUTE,
            known_ms: Some(known * MINUTE),
        };
        (
            ledger.bed(A1, view).unwrap().status,
            ledger.bed(B1, view).unwrap().status,
        )
    };
    assert_eq!(seen(5), (Unknown, Unknown));
    assert_eq!(seen(30), (Occupied, Unknown));
    assert_eq!(seen(60), (Dirty, Occupied));
    assert_eq!(seen(90), (Occupied, Unknown));
    let view = View {
        at_ms: 25 * MINUTE,
        known_ms: Some(60 * MINUTE),
    };
    let rows = ledger.departments(view, &|_, _| None);
    assert_eq!(rows.iter().map(|row| row.occupied).sum::<u32>(), 1);
    assert_eq!(
        rows.iter()
            .find(|row| row.department == "Ward B")
            .unwrap()
            .occupied,
        1
    );
}

#[test]
fn b36_an_explanation_names_every_event_its_rule_and_whether_it_counts() {
    let mut ledger = fold([condition(1, 1, A1, "U")]);
    for said in [
        said("A01", 2, 10).in_(A1),
        said("A02", 3, 20).in_(B1),
        said("A12", 4, 20).in_(A1).recorded(25),
        said("A03", 5, 40),
    ] {
        ledger.apply(said.fact());
    }
    let events = ledger.explain(A1, View::at(60 * MINUTE)).unwrap();
    let lines: Vec<(&str, &str, bool)> = events
        .iter()
        .map(|event| (event.event_type.as_str(), event.rule.as_str(), event.counts))
        .collect();
    assert_eq!(
        lines,
        [
            ("ADT^A20", "B29 says unoccupied", true),
            ("ADT^A01", "B18 occupies", true),
            ("ADT^A02", "B21 taken out by gw-1/00000000000000ab/4", false),
            ("ADT^A12", "B11 takes out gw-1/00000000000000ab/3", true),
            ("ADT^A03", "B22 departs", true),
        ]
    );
    assert_eq!(events[1].log_position, "s/fhir.encounter/0/2");
    assert_eq!(events[1].mapping, "adt@1");
    assert_eq!(ledger.explain(A1, View::at(15 * MINUTE)).unwrap().len(), 2);
    assert!(ledger.explain("Z^1^1", View::at(0)).is_none());
}

#[test]
fn p9_no_row_and_no_explanation_names_a_visit() {
    let ledger = told([
        said("A01", 1, 10).of("secret-visit").in_(A1),
        said("A01", 2, 11).of("secret-visit-2").in_(A1),
        said("A15", 3, 12).of("secret-visit").to(B1),
        said("A42", 4, 13)
            .of("secret-visit")
            .merging("secret-visit-2"),
    ]);
    let view = View::at(20 * MINUTE);
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        ledger.beds(view),
        ledger.departments(view, &|_, _| None),
        ledger.devices(0),
        ledger.explain(A1, view)
    );
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn touched_names_the_rows_that_may_have_changed() {
    let mut ledger = told([said("A01", 1, 10).in_(A1)]);
    let touched = ledger.apply(said("A02", 2, 20).in_(B1).fact()).touched;
    assert_eq!(touched.beds.iter().collect::<Vec<_>>(), [A1, B1]);
    assert_eq!(
        touched.departments.iter().collect::<Vec<_>>(),
        ["Ward A", "Ward B"]
    );
    let touched = ledger
        .apply(said("A05", 3, 20).of("v2").in_("OPD^^").fact())
        .touched;
    assert_eq!(touched.departments.iter().collect::<Vec<_>>(), ["OPD"]);
}

/// A discharge dated a year ahead happened when it was received; an admission an hour ahead stands, flagged.
#[test]
fn b39_p13_a_time_ahead_of_when_it_was_received_is_no_time_or_flagged() {
    let year = 365 * 24 * 60;
    let ledger = told([
        said("A01", 1, 10).in_(A1),
        said("A03", 2, year).received(20),
        said("A01", 3, 90).of("v2").in_(A2).received(30),
    ]);
    assert_beds(&ledger, 100, &[(A1, Dirty), (A2, Occupied)]);
    assert_eq!(row(&ledger, A2, 100).flags, ["clock-ahead"]);
}
