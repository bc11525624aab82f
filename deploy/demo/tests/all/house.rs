//! What the simulated house keeps true, checked from its messages and its books.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::support::{Fold, MINUTE_MS, START_MS, config, hl7, live, step_all};
use wardline_demo::{BedStatus, Hospital, HospitalConfig, Message};

#[test]
fn same_seed_and_moments_give_the_same_bytes() {
    let said = |seed| live(&mut Hospital::new(config(seed, 30)), START_MS, 20, 250);
    assert_eq!(said(7), said(7));
    assert_ne!(said(7), said(8));
}

#[test]
fn hl7_does_not_depend_on_how_often_the_house_is_asked() {
    let said = |every| hl7(&live(&mut Hospital::new(config(3, 0)), START_MS, 30, every));
    assert_eq!(said(100), said(7_919));
}

#[test]
fn after_the_opening_no_bed_is_unknown_and_every_status_is_there() {
    let mut hospital = Hospital::new(config(1, 30));
    assert!(
        hospital
            .occupancy()
            .values()
            .all(|bed| bed.status == BedStatus::Unknown)
    );
    assert_eq!(hospital.next_due_ms(), None);
    let said = step_all(&mut hospital, START_MS);
    assert!(said.len() < 120, "{} messages", said.len());
    let statuses: BTreeSet<BedStatus> = hospital
        .occupancy()
        .values()
        .map(|bed| bed.status)
        .collect();
    for status in [
        BedStatus::Occupied,
        BedStatus::Available,
        BedStatus::Reserved,
        BedStatus::Dirty,
        BedStatus::Cleaning,
        BedStatus::Blocked,
        BedStatus::Closed,
    ] {
        assert!(statuses.contains(&status), "no bed is {status}");
    }
    assert!(!statuses.contains(&BedStatus::Unknown));
    assert!(hospital.occupancy().values().any(|bed| bed.on_leave));
}

#[test]
fn p6_the_books_agree_with_a_fold_of_the_messages_by_event_time() {
    for seed in 1..=6 {
        let mut hospital = Hospital::new(config(seed, 0));
        let mut said = Vec::new();
        for part in 0..20 {
            said.extend(hl7(&live(
                &mut hospital,
                START_MS + part * 7 * MINUTE_MS,
                7,
                1_000,
            )));
            let fold = Fold::of(&said);
            for (bed, truth) in hospital.occupancy() {
                let inside: BTreeSet<String> = truth.visits.iter().cloned().collect();
                let where_ = format!("seed {seed}, part {part}, bed {bed}");
                assert_eq!(inside, fold.inside(&bed), "{where_}");
                assert_eq!(truth.status.as_str(), fold.status(&bed), "{where_}");
                assert_eq!(truth.on_leave, fold.on_leave(&bed), "{where_}");
            }
        }
    }
}

#[test]
fn a_bed_has_two_patients_only_after_a_cancelled_discharge_and_not_for_long() {
    let mut hospital = Hospital::new(config(5, 0));
    let mut open: BTreeMap<String, i64> = BTreeMap::new();
    let mut conflicts = 0;
    for second in 0..12 * 3_600 {
        let now = START_MS + second * 1_000;
        let said = hl7(&step_all(&mut hospital, now));
        let truth = hospital.occupancy();
        let crowded: BTreeSet<&String> = truth
            .iter()
            .filter(|(_, t)| t.conflict)
            .map(|(bed, _)| bed)
            .collect();
        for bed in &crowded {
            if !open.contains_key(*bed) {
                conflicts += 1;
                assert!(
                    said.iter().any(|m| m.event == "A13" && m.bed == **bed),
                    "{bed} is taken twice"
                );
                open.insert((*bed).clone(), now);
            }
        }
        open.retain(|bed, _| crowded.contains(bed));
        for (bed, since) in &open {
            assert!(now - since < 10 * MINUTE_MS, "{bed} stays in conflict");
        }
        for truth in truth.values() {
            assert!(truth.visits.len() <= 2);
        }
    }
    assert!(
        (3..200).contains(&conflicts),
        "{conflicts} conflicts in 12 hours"
    );
}

#[test]
fn a_patient_is_in_one_bed_at_most() {
    let mut hospital = Hospital::new(config(9, 0));
    for minute in 0..240 {
        step_all(&mut hospital, START_MS + minute * MINUTE_MS);
        let all: Vec<String> = hospital
            .occupancy()
            .into_values()
            .flat_map(|truth| truth.visits)
            .collect();
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}

#[test]
fn a_day_has_every_event_at_a_believable_occupancy_and_runs_fast() {
    let started = Instant::now();
    let mut hospital = Hospital::new(config(2, 0));
    let mut shares = Vec::new();
    let mut said = Vec::new();
    let mut missing: BTreeMap<BedStatus, u32> = BTreeMap::new();
    for minute in 0..24 * 60 {
        said.extend(hl7(&live(
            &mut hospital,
            START_MS + minute * MINUTE_MS,
            1,
            MINUTE_MS,
        )));
        let rows = hospital.census();
        let (occupied, staffed) = rows
            .values()
            .fold((0, 0), |(o, s), row| (o + row.occupied, s + row.staffed));
        shares.push(f64::from(occupied) / f64::from(staffed));
        for row in rows.values() {
            let sum = row.occupied
                + row.available
                + row.reserved
                + row.dirty
                + row.cleaning
                + row.blocked
                + row.closed;
            assert_eq!(sum + row.unknown, row.beds);
        }
        let statuses: BTreeSet<BedStatus> = hospital
            .occupancy()
            .values()
            .map(|bed| bed.status)
            .collect();
        for status in [
            BedStatus::Dirty,
            BedStatus::Cleaning,
            BedStatus::Reserved,
            BedStatus::Blocked,
            BedStatus::Closed,
        ] {
            *missing.entry(status).or_default() += u32::from(!statuses.contains(&status));
        }
    }
    let mean = shares.iter().sum::<f64>() / 1_440.0;
    let (least, most) = shares
        .iter()
        .fold((1.0_f64, 0.0_f64), |(l, m), s| (l.min(*s), m.max(*s)));
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &said {
        *kinds.entry(&message.event).or_default() += 1;
    }
    let figures = format!("mean {mean:.3}, {least:.3}..{most:.3}, missing {missing:?}, {kinds:?}");
    println!("{figures}, {} messages", said.len());
    assert!((0.75..0.92).contains(&mean), "{figures}");
    assert!(least > 0.65 && most < 0.97, "{figures}");
    let in_band = shares
        .iter()
        .filter(|share| (0.75..=0.92).contains(*share))
        .count();
    assert!(
        in_band > 1_440 * 85 / 100,
        "{in_band} minutes in the band: {figures}"
    );
    assert!(missing.values().all(|minutes| *minutes < 360), "{figures}");
    let every = "A01 A02 A03 A04 A05 A08 A11 A12 A13 A15 A16 A17 A20 A21 A22 A25 A26 A27 A38";
    assert!(
        every.split(' ').all(|event| kinds.contains_key(event)),
        "{figures}"
    );
    // Something changes every second or two.
    assert!(said.len() > 24 * 3_600 / 2, "{} messages", said.len());
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn duplicates_repeat_the_bytes_and_other_control_ids_are_distinct_and_rise() {
    let mut hospital = Hospital::new(config(4, 0));
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (mut duplicates, mut newest) = (0, String::new());
    for message in live(&mut hospital, START_MS, 120, 1_000) {
        let Message::Hl7(bytes) = message else {
            panic!("no devices were asked for")
        };
        let id = wardline_demo::client::control_id(&bytes).unwrap();
        if let Some(first) = seen.get(&id) {
            assert_eq!(*first, bytes);
            duplicates += 1;
            continue;
        }
        assert!(id > newest, "{id} after {newest}");
        newest.clone_from(&id);
        seen.insert(id, bytes);
    }
    assert!(duplicates > 0);
}

#[test]
fn late_events_come_now_and_then_and_nothing_is_told_before_it_happens() {
    let mut hospital = Hospital::new(config(4, 0));
    let mut late = 0;
    for minute in 0..120 {
        let now = START_MS + minute * MINUTE_MS;
        for message in hl7(&step_all(&mut hospital, now)) {
            assert!(message.occurred <= message.recorded && message.recorded <= now);
            let told_late = matches!(message.event.as_str(), "A02" | "A03")
                && message.occurred < message.recorded;
            late += usize::from(told_late);
        }
    }
    assert!((2..200).contains(&late), "{late} late events");
}

#[test]
fn houses_of_every_size_live() {
    for (beds, speed) in [
        (1, 60.0),
        (3, 1.0),
        (10, 1_000.0),
        (600, 60.0),
        (60, 100_000.0),
        (60, f64::NAN),
    ] {
        let config = HospitalConfig {
            beds,
            speed,
            ..config(1, beds / 2)
        };
        let mut hospital = Hospital::new(config);
        let said = live(&mut hospital, START_MS, 5, 1_000);
        assert!(
            said.len() >= usize::try_from(beds).unwrap(),
            "{beds} beds at speed {speed}"
        );
        hl7(&said);
        assert_eq!(hospital.occupancy().len(), usize::try_from(beds).unwrap());
        assert!(
            hospital
                .occupancy()
                .values()
                .all(|bed| bed.status != BedStatus::Unknown)
        );
    }
}

#[test]
fn p7_a_long_sleep_is_caught_up_in_bounded_steps_without_old_readings() {
    let mut hospital = Hospital::new(config(1, 30));
    step_all(&mut hospital, START_MS);
    let woke = START_MS + 12 * 60 * MINUTE_MS;
    let (mut readings, mut steps) = (0, 0);
    loop {
        let said = hospital.step(woke);
        assert!(said.len() < 5_000);
        readings += said
            .iter()
            .filter(|message| matches!(message, Message::Mqtt { .. }))
            .count();
        steps += 1;
        if hospital.next_due_ms().is_none_or(|due| due > woke) {
            break;
        }
    }
    assert!(steps > 1);
    assert!(readings < 1_000, "{readings} readings");
}

#[test]
fn devices_tell_the_shipped_metrics_under_their_department() {
    let mut hospital = Hospital::new(config(1, 30));
    let beds = hospital.beds_csv();
    let departments: BTreeSet<&str> = beds
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    for message in live(&mut hospital, START_MS, 60, 500) {
        let Message::Mqtt {
            client,
            topic,
            payload,
        } = message
        else {
            continue;
        };
        let parts: Vec<&str> = topic.split('/').collect();
        assert_eq!(
            (parts[0], parts[2], parts.len()),
            ("devices", client.as_str(), 4)
        );
        assert!(departments.contains(parts[1]), "{topic}");
        let reading: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let seq = reading["seq"].as_i64().unwrap();
        assert!(newest.insert(client, seq).is_none_or(|before| before < seq));
        assert!(["pump", "ventilator", "monitor"].contains(&reading["type"].as_str().unwrap()));
        let value = match &reading["value"] {
            serde_json::Value::String(text) => text.clone(),
            _ => String::new(),
        };
        if parts[3] == "location" {
            assert!(beds.contains(&format!("{value},{}", parts[1])), "{value}");
        }
        metrics
            .entry(parts[3].to_owned())
            .or_default()
            .insert(value);
    }
    let names: Vec<&str> = metrics.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "battery",
            "heart_rate",
            "location",
            "spo2",
            "state",
            "temperature"
        ]
    );
    let states: Vec<&str> = metrics["state"].iter().map(String::as_str).collect();
    assert_eq!(states, ["cleaning", "in-use", "off", "ready", "repair"]);
    assert_eq!(newest.len(), 30);
}
