//! D1 to D6: devices.

use super::*;
use crate::limits::DEVICE_ARRIVALS_MAX;
use wardline_api::DeviceState;

fn device(n: u64, ts: i64, value: DeviceValue, seq: Option<u64>) -> Fact {
    let says = DeviceSays {
        device: "pump-7".into(),
        kind: Some("pump".into()),
        department: Some("ward a".into()),
        metric: "x".into(),
        value,
        seq,
    };
    Fact {
        event_type: "mqtt".into(),
        message_key: None,
        message_hash: None,
        event_ms: ts * 1000,
        received_ms: i64::try_from(n).unwrap() * 1000,
        subject: Subject::Device(says),
        ..said("A01", n, 0).fact
    }
}

fn state(n: u64, ts: i64, state: DeviceState, seq: Option<u64>) -> Fact {
    device(n, ts, DeviceValue::State(state), seq)
}

fn shown(ledger: &Ledger) -> Option<DeviceState> {
    ledger.devices(0).first().and_then(|row| row.state)
}

use DeviceState::*;

/// Every order of a few facts gives the same.
#[track_caller]
fn in_any_order(facts: &[Fact], expected: DeviceState) {
    let mut digests = std::collections::BTreeSet::new();
    for order in permutations(facts.len()) {
        let ledger = fold(order.iter().map(|i| facts[*i].clone()));
        assert_eq!(shown(&ledger), Some(expected), "{order:?}");
        digests.insert(ledger.digest());
    }
    assert_eq!(digests.len(), 1);
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(n - 1) {
        for place in 0..n {
            let mut one = shorter.clone();
            one.insert(place, n - 1);
            all.push(one);
        }
    }
    all
}

#[test]
fn d1_the_newest_by_its_own_time_wins() {
    in_any_order(
        &[
            state(1, 10, Ready, None),
            state(2, 30, InUse, None),
            state(3, 20, Off, None),
        ],
        InUse,
    );
}

#[test]
fn d1_at_the_same_time_the_later_arrival_wins() {
    in_any_order(
        &[state(9, 10, Ready, None), state(10, 10, InUse, None)],
        InUse,
    );
    let mut same_second = state(10, 10, InUse, None);
    same_second.received_ms = 9000;
    in_any_order(&[state(9, 10, Ready, None), same_second], InUse);
}

#[test]
fn d2_the_highest_sequence_number_wins_over_the_time() {
    // The clock was set back after number 11.
    in_any_order(
        &[
            state(1, 10, Ready, Some(10)),
            state(2, 90, Off, Some(11)),
            state(3, 20, InUse, Some(12)),
        ],
        InUse,
    );
    // A slightly lower number that comes later is an old message.
    in_any_order(
        &[
            state(1, 10, InUse, Some(100)),
            state(2, 11, Ready, Some(99)),
        ],
        InUse,
    );
}

#[test]
fn d2_a_much_lower_number_at_a_later_time_is_a_new_life() {
    in_any_order(
        &[
            state(1, 10, Ready, Some(5000)),
            state(2, 20, InUse, Some(1)),
        ],
        InUse,
    );
    in_any_order(
        &[
            state(1, 10, Ready, Some(255)),
            state(2, 20, InUse, Some(0)),
            state(3, 30, Off, Some(1)),
        ],
        Off,
    );
    // At an earlier time it is a message of before.
    in_any_order(
        &[
            state(1, 20, InUse, Some(5000)),
            state(2, 10, Ready, Some(3)),
        ],
        InUse,
    );
}

#[test]
fn d2_a_late_backlog_does_not_win_over_the_live_message() {
    let mut facts = vec![state(1, 100, InUse, Some(60))];
    facts
        .extend((0..40).map(|i| state(2 + i, 50 + i64::try_from(i).unwrap(), Ready, Some(10 + i))));
    assert_eq!(shown(&fold(facts.clone())), Some(InUse));
    let backwards = fold(facts.iter().rev().cloned());
    assert_eq!(backwards.digest(), fold(facts).digest());
}

#[test]
fn d3_the_department_is_that_of_the_last_location_else_that_of_the_topic() {
    let mut ledger = fold([state(1, 10, Ready, None)]);
    assert_eq!(
        ledger.devices(0)[0].department,
        "Ward A",
        "spelled as the list does"
    );
    let place = |text: &str| DeviceValue::Location(Place::new(text).unwrap());
    ledger.apply(device(2, 20, place("emergency^1^1"), None));
    let row = ledger.devices(0).remove(0);
    assert_eq!(
        (row.department.as_str(), row.location.as_deref()),
        ("Emergency", Some("emergency^1^1"))
    );
    ledger.apply(device(3, 15, place("Ward B^1^1"), None));
    assert_eq!(ledger.devices(0)[0].department, "Emergency");
}

#[test]
fn d4_a_device_that_says_nothing_is_silent_and_grows_old() {
    let mut ledger = fold([state(10, 8, Ready, None)]);
    let row = |ledger: &Ledger, now_s: i64| {
        let row = ledger.devices(now_s * 1000).remove(0);
        (row.silent, row.age_s, row.since)
    };
    assert_eq!(
        row(&ledger, 20),
        (false, Some(12), Some("1970-01-01T00:00:08Z".into()))
    );
    assert_eq!(
        row(&ledger, 310),
        (false, Some(302), Some("1970-01-01T00:00:08Z".into()))
    );
    assert!(row(&ledger, 311).0);
    // A measurement is a sign of life, and says nothing about the state.
    ledger.apply(device(300, 299, DeviceValue::Heard, None));
    assert_eq!(
        row(&ledger, 311),
        (false, Some(12), Some("1970-01-01T00:00:08Z".into()))
    );
}

#[test]
fn d5_outcomes_and_storage_tell_what_is_kept() {
    let mut ledger = ledger();
    let first = state(1, 10, Ready, None);
    let applied = ledger.apply(first.clone());
    assert_eq!(
        (applied.outcome, applied.store),
        (Outcome::Applied, Some(Ledger::fact_key(&first)))
    );
    assert_eq!(
        applied.touched.devices.iter().collect::<Vec<_>>(),
        ["pump-7"]
    );
    let second = ledger.apply(state(2, 20, InUse, None));
    assert_eq!(
        (second.outcome, second.replaces),
        (Outcome::Applied, vec![Ledger::fact_key(&first)])
    );
    assert_eq!(
        ledger.apply(state(2, 20, InUse, None)).outcome,
        Outcome::Duplicate
    );
    let old = ledger.apply(first);
    assert_eq!((old.outcome, old.store), (Outcome::Superseded, None));
    assert_eq!(ledger.counters().facts, 1);
}

#[test]
fn d5_p7_what_is_kept_of_a_device_is_bounded_and_rebuilds_it() {
    let mut ledger = ledger();
    let mut storage = std::collections::BTreeMap::new();
    for n in 1..500_u64 {
        let ts = i64::try_from((n * 7919) % 1000).unwrap();
        let value = match n % 4 {
            0 => DeviceValue::State(if n % 3 == 0 { Ready } else { InUse }),
            1 => DeviceValue::Battery(i64::try_from(n).unwrap()),
            2 => DeviceValue::Location(Place::new("A^1^1").unwrap()),
            _ => DeviceValue::Heard,
        };
        let fact = device(n, ts, value, (n % 5 != 0).then_some(n * 3 % 700));
        let applied = ledger.apply(fact.clone());
        for key in applied.replaces {
            assert!(storage.remove(&key).is_some(), "{key} is not stored");
        }
        if let Some(key) = applied.store {
            storage.insert(key, fact);
        }
        assert_eq!(
            ledger.counters().facts,
            u64::try_from(storage.len()).unwrap()
        );
        assert!(storage.len() <= 3 * (2 * DEVICE_ARRIVALS_MAX + 1) + 3);
    }
    let rebuilt = fold(storage.into_values());
    assert_eq!(rebuilt.canonical_text(), ledger.canonical_text());
}

#[test]
fn d6_b37_a_device_that_was_not_heard_since_the_horizon_goes() {
    let mut ledger = fold([state(1, 10, Ready, None)]);
    assert!(ledger.evict(9000).is_empty());
    assert_eq!(ledger.evict(100_000).len(), 1);
    assert!(ledger.devices(0).is_empty());
    assert_eq!(
        ledger.apply(state(2, 20, Ready, None)).outcome,
        Outcome::Late
    );
}

/// Its own clock says that the word was 265 days old when it came: what the device does now nobody knows.
#[test]
fn p10_an_old_word_is_not_a_current_one() {
    let day = 24 * 3600;
    let row = |ledger: &Ledger| ledger.devices(266 * day * 1000).remove(0);
    let old = row(&fold([state(266 * 86_400, day, InUse, None)]));
    assert_eq!(
        (old.state, old.reason.as_deref(), old.silent),
        (None, Some("clock-behind"), false)
    );
    let lately = row(&fold([state(266 * 86_400, 266 * day - 600, InUse, None)]));
    assert_eq!((lately.state, lately.reason), (Some(InUse), None));
}

/// One message from 2031, then the true ones: the device is not frozen until then, and its clock is told.
#[test]
fn d7_p13_a_clock_that_is_ahead_decides_nothing_and_is_shown() {
    let year = 365 * 24 * 3600;
    let ahead = state(100, 5 * year, InUse, None);
    let mut ledger = fold([ahead.clone()]);
    let row = |ledger: &Ledger| ledger.devices(200_000).remove(0);
    assert_eq!(row(&ledger).since.as_deref(), Some("1970-01-01T00:01:40Z"));
    assert_eq!(row(&ledger).age_s, Some(100), "as old as its arrival");
    assert_eq!(row(&ledger).clock_ahead_s, Some(5 * year - 100));
    let said = (row(&ledger).state, row(&ledger).reason);
    assert_eq!(
        said,
        (None, Some("clock-ahead".to_owned())),
        "a word of the future is not of now"
    );
    ledger.apply(state(150, 149, Ready, None));
    assert_eq!(row(&ledger).state, Some(Ready));
    assert_eq!(row(&ledger).clock_ahead_s, None, "it is right again");
    in_any_order(&[ahead, state(150, 149, Ready, None)], Ready);
    // A clock that is a few minutes ahead is a clock.
    assert_eq!(
        row(&fold([state(100, 390, InUse, None)])).clock_ahead_s,
        None
    );
}
