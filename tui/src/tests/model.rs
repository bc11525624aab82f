use wardline_api::*;

use super::*;
use crate::fixture;

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

fn said(model: &Model, now: MonoMs) -> (Level, String) {
    let data = model.data(now);
    (data.level, data.word)
}

#[test]
fn p10_two_words_what_there_is_and_what_can_be_believed() {
    let model = fixture::hospital();
    let house = model.house().unwrap();
    assert_eq!(house.free_words(), "4");
    assert_eq!(house.taken_words(), "49 of 57 occupied (86 %)");
    assert_eq!((house.pending_in, house.pending_out), (1, 4));
    assert_eq!(said(&model, 0), (Level::Live, "live 2 feeds".to_owned()));
    assert!(model.attention(0).iter().all(|item| !item.degrades()));
}

#[test]
fn p10_no_house_of_unknown_beds_is_called_live() {
    let unknown = |n: u32| {
        with(|r| {
            for row in &mut r.departments.departments {
                *row = fixture::department(
                    &row.department,
                    row.staffed,
                    [
                        0,
                        row.beds - row.beds * n / 100,
                        0,
                        0,
                        0,
                        0,
                        0,
                        row.beds * n / 100,
                    ],
                );
            }
        })
    };
    let (level, word) = said(&unknown(100), 0);
    assert_eq!((level, word.as_str()), (Level::None, "none: no bed known"));
    assert_eq!(unknown(100).house().unwrap().free_words(), "?");
    assert_eq!(said(&unknown(50), 0).0, Level::Partly);
    assert_eq!(unknown(50).house().unwrap().free_words(), "30+");
    assert_eq!(said(&unknown(0), 0).0, Level::Live);
    let none = with(|r| r.departments.departments.clear());
    assert_eq!(said(&none, 0).0, Level::None);
}

#[test]
fn p10_a_silent_feed_and_one_that_is_set_aside_are_told() {
    let feed = |change: fn(&mut FeedRow, &mut bool)| {
        with(move |r| {
            let row = &mut got(&mut r.sources).sources[3];
            change(row.feed.as_mut().unwrap(), &mut row.connected);
        })
    };
    let silent = feed(|feed, connected| (feed.silent, *connected) = (true, false));
    assert_eq!(said(&silent, 0), (Level::Partly, "1/2 feeds".to_owned()));
    let long = &silent.attention(0)[0].long;
    assert!(
        long.contains("HIS@10.1.2.9")
            && long.contains("usually every 40 s")
            && long.contains("ED, ICU"),
        "{long}"
    );
    let share = feed(|feed, _| feed.hour.sidelined = [("hl7-no-visit".to_owned(), 5)].into());
    assert_eq!(
        said(&share, 0),
        (
            Level::Partly,
            "partly: feed HIS@10.1.2.9: 5 of 96 sidelined".to_owned()
        )
    );
    let few = feed(|feed, _| feed.hour.sidelined = [("hl7-no-visit".to_owned(), 4)].into());
    assert_eq!(said(&few, 0).0, Level::Live);
    let row = feed(|feed, _| feed.sidelined_in_row = 10);
    assert_eq!(said(&row, 0).0, Level::Partly);
    // Where everything is filtered the numbers do not rest on it.
    let idle =
        feed(|feed, connected| (feed.counts, feed.silent, *connected) = (false, true, false));
    assert_eq!(said(&idle, 0), (Level::Live, "live 1 feed".to_owned()));
}

#[test]
fn p10_a_start_is_no_fault_and_catching_up_is_said() {
    let starting = with(|r| {
        got(&mut r.about).up_s = 4;
        got(&mut r.sources).sources[0].connected = false;
    });
    assert_eq!(said(&starting, 0), (Level::Starting, "starting".to_owned()));
    assert!(
        starting
            .attention(0)
            .iter()
            .all(|item| !item.short.contains("silent"))
    );
    // Ten seconds after the start it is one.
    assert_eq!(said(&starting, 7_000).0, Level::Partly);
    let behind = with(|r| {
        r.departments.fresh.catching_up = Some(true);
        r.departments.fresh.lag_s = Some(75);
    });
    assert_eq!(
        said(&behind, 0),
        (Level::Starting, "catching up 1 min".to_owned())
    );
}

#[test]
fn p10_only_beds_with_staff_are_in_the_share() {
    let truth = with(|r| {
        let mut or = fixture::department("OR", 0, [1, 0, 0, 0, 0, 0, 0, 0]);
        or.occupied_unstaffed = 1;
        r.departments.departments = vec![
            fixture::department("ICU", 2, [2, 0, 0, 0, 0, 0, 0, 0]),
            fixture::department("WARD", 1, [0, 0, 0, 1, 0, 0, 0, 0]),
            or,
        ];
    });
    let words = truth.house().unwrap().taken_words();
    assert_eq!(words, "2 of 3 occupied (67 %) +1 without staff");
    let unlisted = with(|r| {
        let mut row = fixture::department("ED", 0, [2, 1, 0, 0, 0, 0, 0, 0]);
        row.occupied_unstaffed = 2;
        r.departments.departments = vec![row];
    });
    let house = unlisted.house().unwrap();
    assert_eq!(
        (house.taken_words().as_str(), house.occupancy()),
        ("2 occupied", None)
    );
    assert_eq!(house.free_words(), "1");
}

proptest::proptest! {
    /// However departments are staffed: taken and staffed are counted over the same beds.
    #[test]
    fn p10_the_share_never_counts_a_bed_that_is_not_staffed(rows in proptest::collection::vec((0u32..20, 0u32..20, 0u32..20), 1..8)) {
        let model = with(|r| {
            let row = |(n, (taken, staff, free)): (usize, &(u32, u32, u32))| {
                let staffed = (taken + free).min(*staff);
                let mut row = fixture::department(&n.to_string(), staffed, [*taken, *free, 0, 0, 0, 0, 0, 0]);
                row.occupied_unstaffed = taken.saturating_sub(staffed);
                row
            };
            r.departments.departments = rows.iter().enumerate().map(row).collect();
        });
        let house = model.house().unwrap();
        proptest::prop_assert!(house.taken <= house.staffed);
        proptest::prop_assert!(house.occupancy().is_none_or(|share| share <= 1.0));
    }
}

#[test]
fn p4_p7_every_fault_of_the_pipeline_takes_the_word_live_and_names_itself() {
    let cases: Vec<(&str, Model)> = vec![
        (
            "partly: agent gw-1 silent",
            with(|r| got(&mut r.sources).sources[0].connected = false),
        ),
        (
            "partly: bridge silent",
            with(|r| got(&mut r.sources).sources[2].connected = false),
        ),
        (
            "partly: agent gw-1: clock jumped",
            with(|r| got(&mut r.sources).sources[0].problem = Some("clock jumped".into())),
        ),
        (
            "partly: agent gw-1 2 min behind",
            with(|r| got(&mut r.sources).sources[0].lag_s = Some(130)),
        ),
        (
            "partly: lost 1 event",
            with(|r| got(&mut r.sources).sources[1].gaps = 1),
        ),
        (
            "partly: lost 7 events",
            with(|r| got(&mut r.accounting).stages[1].evicted = 7),
        ),
        (
            "partly: unaccounted -2",
            with(|r| got(&mut r.accounting).unaccounted = -2),
        ),
        (
            "partly: 1 department not covered",
            with(|r| r.departments.departments[0].coverage = Some(0.5)),
        ),
        (
            "partly: no accounting",
            with(|r| r.accounting = Section::Failed("503".into())),
        ),
    ];
    for (word, model) in cases {
        assert_eq!(said(&model, 0), (Level::Partly, word.to_owned()));
    }
}

#[test]
fn p8_standing_facts_are_said_and_do_not_take_the_word() {
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
            "2 conflicts in ED",
            with(|r| r.departments.departments[0].conflicts = 2),
        ),
        (
            "API without TLS",
            with(|r| got(&mut r.about).warnings = vec!["API without TLS".into()]),
        ),
    ];
    for (short, model) in cases {
        assert_eq!(said(&model, 0).0, Level::Live, "{short}");
        assert!(
            model.attention(0).iter().any(|item| item.short == short),
            "{short}"
        );
    }
}

#[test]
fn p3_the_same_loss_is_counted_once() {
    let model = with(|r| {
        got(&mut r.sources).sources[0].gaps = 4;
        got(&mut r.accounting).stages[0].evicted = 4;
    });
    assert_eq!(model.pipeline(0).lost, Some(4));
}

#[test]
fn p10_missing_is_not_zero() {
    let model = with(|r| {
        r.sources = Section::Failed("x".into());
        r.accounting = Section::Failed("x".into());
    });
    assert_eq!(model.pipeline(0), Pipeline::default());
    assert_eq!(Model::new("x", None).house(), None);
    assert!(Model::new("x", None).device_counts().is_none());
}

#[test]
fn p10_stale_is_not_current() {
    let mut model = fixture::hospital();
    assert_eq!(said(&model, crate::limits::STALE_AFTER_MS).0, Level::Live);
    assert_eq!(
        said(&model, crate::limits::STALE_AFTER_MS + 1).0,
        Level::Stale
    );
    let why = "refused".to_owned();
    model.apply(Update::Lost { why }, 2_000);
    assert_eq!(said(&model, 2_500), (Level::Stale, "STALE 2 s".to_owned()));
    assert!(model.house().is_some() && model.attention(2_500)[0].long.contains("refused"));
    model.apply(Update::Round(Box::new(fixture::round(3_000))), 3_100);
    assert_eq!(said(&model, 3_200).0, Level::Live);
}

#[test]
fn p10_nothing_heard_says_so() {
    let mut model = Model::new("http://x:1", None);
    assert_eq!(said(&model, 0), (Level::Starting, "asking".to_owned()));
    let why = "refused".to_owned();
    model.apply(Update::Lost { why }, 1);
    assert_eq!(said(&model, 1), (Level::None, "no answer".to_owned()));
    // A change alone is not a picture.
    let row = fixture::department("ED", 4, [1, 3, 0, 0, 0, 0, 0, 0]);
    model.apply(fixture::changed(Change::Department(row)), 2);
    assert_eq!((said(&model, 3).0, model.house()), (Level::None, None));
}

#[test]
fn p10_a_snapshot_is_shown_with_its_time_and_never_as_now() {
    let mut model = Model::new(fixture::API, None);
    model.apply(Update::Snapshot(Box::new(fixture::round(0))), 5);
    let why = "refused".to_owned();
    model.apply(Update::Lost { why }, 6);
    assert_eq!(said(&model, 7), (Level::Stale, "SNAPSHOT".to_owned()));
    assert_eq!(model.as_of().unwrap(), "2026-03-01 11:00:00");
    assert_eq!(model.clock(7), None);
    model.apply(Update::Round(Box::new(fixture::round(10))), 11);
    assert_eq!(said(&model, 12).0, Level::Live);
    // One that comes late changes nothing.
    model.apply(Update::Snapshot(Box::new(fixture::round(0))), 13);
    assert_eq!(said(&model, 14).0, Level::Live);
}

#[test]
fn the_clock_is_the_sites() {
    let model = fixture::hospital();
    assert_eq!(model.clock(65_000).unwrap(), "11:01:05");
    assert_eq!(model.as_of().unwrap(), "11:00:00");
}

#[test]
fn p12_two_sites_may_have_equal_names() {
    let model = with(|r| {
        let mut other = fixture::department("ICU", 4, [4, 0, 0, 0, 0, 0, 0, 0]);
        other.site = "north".to_owned();
        r.departments.departments.push(other);
    });
    assert_eq!(model.departments.as_ref().unwrap().len(), 5);
    assert!(model.several_sites());
    assert_eq!(model.house().unwrap().taken, 53);
}

#[test]
fn only_one_department_is_kept_where_only_one_is_wanted() {
    let mut model = Model::new("x", Some("icu".to_owned()));
    model.apply(Update::Round(Box::new(fixture::round(0))), 0);
    model.apply(
        fixture::changed(Change::Department(fixture::department("NEW", 4, [1; 8]))),
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
    assert_eq!(model.house().unwrap().beds, 12);
}

#[test]
fn a_silent_device_is_silent_whatever_it_last_said() {
    let (all, kinds) = fixture::hospital().device_counts().unwrap();
    assert_eq!(all.total, 24);
    assert_eq!(kinds["pump"].facts(), ["in-use 7", "ready 4", "silent 1"]);
    assert_eq!(kinds["monitor"].facts(), ["in-use 6", "unknown 1"]);
}

#[test]
fn the_apis_clock_goes_on() {
    let model = fixture::hospital();
    let at = epoch_ms(fixture::AS_OF).unwrap();
    assert_eq!(model.server_now_ms(5_000), Some(at + 5_000));
}
