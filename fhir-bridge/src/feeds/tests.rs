use proptest::prelude::*;

use super::*;
use wardline_model::status::FeedKind;

const START: i64 = 1_772_355_600_000;

fn key(name: &str) -> FeedKey {
    FeedKey {
        agent: "gw-1".to_owned(),
        kind: FeedKind::Hl7,
        name: name.to_owned(),
    }
}

fn mapped(name: &str, at_ms: i64) -> Seen {
    let place = Some("ICU".to_owned());
    seen_as(name, at_ms, Became::Records { place })
}

fn aside(name: &str, at_ms: i64) -> Seen {
    let (reason, place) = ("hl7-no-visit".to_owned(), "PV1-19".to_owned());
    seen_as(name, at_ms, Became::Sidelined { reason, place })
}

fn seen_as(name: &str, at_ms: i64, became: Became) -> Seen {
    Seen {
        key: key(name),
        became,
        stamp_ms: at_ms + 77_000,
        logged_ms: at_ms,
    }
}

#[test]
fn fe3_a_feed_that_stops_is_silent_after_three_of_its_intervals_and_not_before() {
    let mut feeds = Feeds::default();
    for n in 0..20 {
        feeds.note(mapped("HIS", START + n * 40_000));
    }
    let last = START + 19 * 40_000;
    let silent = |feeds: &mut Feeds, ms| feeds.status(last + ms, false).feeds[0].silent;
    assert!(!silent(&mut feeds, 2 * 40_000));
    assert!(silent(&mut feeds, 4 * 40_000));
    // While events wait to be mapped, nobody can know.
    assert!(!feeds.status(last + 400_000, true).feeds[0].silent);
    feeds.note(mapped("HIS", last + 500_000));
    assert!(!feeds.status(last + 501_000, false).feeds[0].silent);
}

#[test]
fn fe3_a_census_of_many_messages_at_once_is_no_rhythm() {
    let mut feeds = Feeds::default();
    for n in 0..500 {
        feeds.note(mapped("HIS", START + n * 5));
    }
    for n in 1..=8 {
        feeds.note(mapped("HIS", START + 3_000 + n * 30_000));
    }
    let last = START + 3_000 + 8 * 30_000;
    assert!(!feeds.status(last + 45_000, false).feeds[0].silent);
    assert!(feeds.status(last + 100_000, false).feeds[0].silent);
}

#[test]
fn fe5_what_is_set_aside_is_counted_by_reason_and_place_and_in_a_row() {
    let mut feeds = Feeds::default();
    feeds.note(mapped("HIS", START));
    for n in 1..=12 {
        feeds.note(aside("HIS", START + n));
    }
    let status = feeds.status(START + 60_000, false);
    let feed = &status.feeds[0];
    assert_eq!(
        (feed.received, feed.hour_sidelined, feed.sidelined_in_row),
        (13, 12, 12)
    );
    let reason = &status.reasons[0];
    assert_eq!(
        (reason.reason.as_str(), reason.place.as_str(), reason.total),
        ("hl7-no-visit", "PV1-19", 12)
    );
    let later = feeds.status(START + 2 * 3_600_000, false);
    assert_eq!(
        (
            later.reasons[0].total,
            later.reasons[0].hour,
            later.feeds[0].hour_received
        ),
        (12, 0, 0)
    );
    feeds.note(mapped("HIS", START + 20));
    assert_eq!(feeds.status(START + 30, false).feeds[0].sidelined_in_row, 0);
}

#[test]
fn fe2_a_feed_of_which_everything_is_filtered_does_not_count() {
    let mut feeds = Feeds::default();
    let (reason, place) = ("no-mapping".to_owned(), "foo/bar".to_owned());
    feeds.note(seen_as("foo", START, Became::Filtered { reason, place }));
    feeds.note(aside("HIS", START));
    let status = feeds.status(START, false);
    let counts: Vec<(&str, bool)> = status
        .feeds
        .iter()
        .map(|f| (f.name.as_str(), f.counts))
        .collect();
    assert_eq!(counts, [("HIS", true), ("foo", false)]);
}

#[test]
fn p7_feeds_and_reasons_are_bounded_and_what_the_views_rest_on_stays() {
    let mut feeds = Feeds::default();
    feeds.note(mapped("HIS", START));
    for n in 0..2 * FEEDS_MAX {
        let (reason, place) = ("no-mapping".to_owned(), n.to_string());
        let at_ms = START + i64::try_from(n).unwrap();
        feeds.note(seen_as(
            &format!("noise-{n}"),
            at_ms,
            Became::Filtered { reason, place },
        ));
    }
    let status = feeds.status(START, false);
    assert!(status.feeds.len() <= FEEDS_MAX && status.reasons.len() <= REASONS_MAX);
    assert!(status.feeds.iter().any(|feed| feed.name == "HIS"));
}

#[test]
fn fe6_a_restart_forgets_nothing_that_was_saved() {
    let mut feeds = Feeds::default();
    for n in 0..9 {
        feeds.note(mapped("HIS", START + n * 30_000));
        feeds.note(aside("LAB", START + n * 5_000));
    }
    let json = serde_json::to_vec(&feeds.saved()).unwrap();
    assert_eq!(
        Feeds::restored(serde_json::from_slice(&json).unwrap()),
        feeds
    );
}

proptest! {
    /// The sender's clock decides nothing: only differences of it are looked at, and none that is no gap.
    #[test]
    fn p13_no_stamp_makes_a_feed_silent_or_keeps_it_from_being_so(stamps in proptest::collection::vec(any::<i64>(), 1..40)) {
        let mut feeds = Feeds::default();
        for n in 0..30 {
            feeds.note(mapped("HIS", START + n * 10_000));
        }
        for stamp_ms in stamps {
            feeds.note(Seen { stamp_ms: stamp_ms / 4, ..mapped("HIS", START + 300_000) });
        }
        prop_assert!(!feeds.status(START + 301_000, false).feeds[0].silent);
    }
}
