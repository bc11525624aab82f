use wardline_api::*;

use super::*;
use crate::fixture;

fn word(model: &Model, now: Moment) -> &'static str {
    model.verdict(now).level.word()
}

/// The hospital with one thing changed.
fn with(change: impl Fn(&mut Round)) -> Model {
    let mut round = fixture::round(0);
    change(&mut round);
    fixture::heard(round, 0)
}

fn got<T>(section: &mut Section<T>) -> &mut T {
    match section {
        Section::Got(answer) => answer,
        _ => panic!("not got"),
    }
}

#[test]
fn p10_well_is_one_sentence_with_the_loss_in_it() {
    let model = fixture::hospital();
    let expected = "OK: 60 beds, 49 of 57 staffed occupied (86 %), 4 available, nothing lost";
    let sentence = model.verdict(0).sentence(": ", ", ");
    assert_eq!(sentence, expected);
    assert!(model.problems(0).is_empty());
}

#[test]
fn p4_p7_every_fault_of_the_pipeline_degrades_the_verdict_and_names_itself() {
    let cases: Vec<(&str, Model)> = vec![
        (
            "agent gw-1 silent",
            with(|r| got(&mut r.sources).sources[0].connected = false),
        ),
        (
            "bridge silent",
            with(|r| got(&mut r.sources).sources[2].connected = false),
        ),
        (
            "agent gw-1: clock jumped",
            with(|r| got(&mut r.sources).sources[0].problem = Some("clock jumped".into())),
        ),
        (
            "agent gw-1 2 min behind",
            with(|r| got(&mut r.sources).sources[0].lag_s = Some(130)),
        ),
        (
            "lost 1 event",
            with(|r| got(&mut r.sources).sources[1].gaps = 1),
        ),
        (
            "lost 7 events",
            with(|r| got(&mut r.accounting).stages[1].evicted = 7),
        ),
        (
            "unaccounted -2",
            with(|r| got(&mut r.accounting).unaccounted = -2),
        ),
        (
            "1 department partly covered",
            with(|r| r.departments.departments[0].coverage = Some(0.5)),
        ),
        (
            "no sources",
            with(|r| r.sources = Section::Failed("503".into())),
        ),
    ];
    for (reason, model) in cases {
        let verdict = model.verdict(0);
        assert_eq!(
            (verdict.level.word(), verdict.reason.as_str()),
            ("DEGRADED", reason)
        );
    }
}

#[test]
fn p8_standing_facts_are_said_and_do_not_degrade_the_verdict() {
    let cases: Vec<(&str, Model)> = vec![
        (
            "agent gw-1 listens without TLS",
            with(|r| got(&mut r.sources).sources[0].insecure = true),
        ),
        (
            "5 sidelined",
            with(|r| got(&mut r.accounting).stages[2].sidelined = 5),
        ),
        (
            "API without TLS",
            with(|r| got(&mut r.about).warnings = vec!["API without TLS".into()]),
        ),
    ];
    for (reason, model) in cases {
        let verdict = model.verdict(0);
        assert_eq!(
            (verdict.level.word(), verdict.reason.as_str()),
            ("OK", reason)
        );
    }
}

#[test]
fn p3_the_same_loss_is_counted_once() {
    let model = with(|r| {
        got(&mut r.sources).sources[0].gaps = 4;
        got(&mut r.accounting).stages[0].evicted = 4;
    });
    assert_eq!(model.health(0).lost, Some(4));
    assert_eq!(
        model
            .verdict(0)
            .sentence(": ", ", ")
            .matches("lost")
            .count(),
        1
    );
}

#[test]
fn p10_missing_is_not_zero() {
    let model = with(|r| {
        r.sources = Section::Failed("x".into());
        r.accounting = Section::Failed("x".into());
    });
    assert_eq!(model.health(0), Health::default());
    assert_eq!(model.verdict(0).loss, "loss unknown");
    assert_eq!(Model::new("x", None).census(), None);
    assert!(Model::new("x", None).device_counts().is_none());
}

#[test]
fn p10_unknown_beds_make_the_occupancy_a_lower_bound() {
    let model = with(|r| {
        r.departments.departments[3].available = 0;
        r.departments.departments[3].unknown = 2;
    });
    let facts = model.census().unwrap().facts().join(", ");
    assert!(
        facts.contains("(≥86 %)") && facts.contains("2 available, 2 unknown"),
        "{facts}"
    );
}

#[test]
fn p10_stale_is_not_current() {
    let mut model = fixture::hospital();
    assert_eq!(word(&model, crate::limits::STALE_AFTER_MS), "OK");
    assert_eq!(word(&model, crate::limits::STALE_AFTER_MS + 1), "STALE");
    model.apply(
        Feed::Lost {
            why: "refused".into(),
        },
        2_000,
    );
    let verdict = model.verdict(2_500);
    assert_eq!(verdict.level, Level::Stale);
    assert_eq!(
        verdict.reason,
        "2 s — no answer from http://127.0.0.1:7070; retrying"
    );
    assert!(!verdict.census.is_empty());
    model.apply(Feed::Round(Box::new(fixture::round(3_000))), 3_100);
    assert_eq!(word(&model, 3_200), "OK");
}

#[test]
fn p10_nothing_heard_says_why() {
    let mut model = Model::new("http://x:1", None);
    assert_eq!(
        model.verdict(0).sentence(": ", ", "),
        "WAITING: asking http://x:1"
    );
    model.apply(
        Feed::Lost {
            why: "refused".into(),
        },
        1,
    );
    let expected = "WAITING: no answer from http://x:1 yet; retrying";
    assert_eq!(model.verdict(0).sentence(": ", ", "), expected);
    // A change alone is not a picture.
    let row = fixture::department("ED", 4, [1, 3, 0, 0, 0, 0, 0, 0]);
    model.apply(Feed::Change(Change::Department(row)), 2);
    assert_eq!((word(&model, 3), model.census()), ("WAITING", None));
}

#[test]
fn only_one_department_is_kept_where_only_one_is_wanted() {
    let mut model = Model::new("x", Some("ICU".to_owned()));
    model.apply(Feed::Round(Box::new(fixture::round(0))), 0);
    model.apply(
        Feed::Change(Change::Department(fixture::department("NEW", 4, [1; 8]))),
        1,
    );
    let names: Vec<&str> = model
        .departments
        .as_ref()
        .unwrap()
        .iter()
        .map(|a| a.row.department.as_str())
        .collect();
    assert_eq!(names, ["ICU"]);
    assert_eq!(model.beds.as_ref().unwrap().len(), 12);
    assert_eq!(model.census().unwrap().beds, 12);
}

#[test]
fn a_silent_device_is_silent_whatever_it_last_said() {
    let (all, kinds) = fixture::hospital().device_counts().unwrap();
    assert_eq!(all.total, 24);
    assert_eq!(kinds["pump"].facts(), ["in use 7", "ready 4", "silent 1"]);
    assert_eq!(kinds["monitor"].facts(), ["in use 6", "unknown 1"]);
}

#[test]
fn the_apis_clock_goes_on() {
    let model = fixture::hospital();
    let at = epoch_ms(fixture::AS_OF).unwrap();
    assert_eq!(model.server_now_ms(5_000), Some(at + 5_000));
}
