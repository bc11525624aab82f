//! The rules of docs/specs/hl7-mapping.md from H20 on: what each event becomes.

use crate::transform_support::*;
use wardline_bridge::map::hl7::events::{self, Shape};

#[test]
fn h20_status_by_event() {
    for (status, triggers) in [
        ("in-progress", "A01 A02 A06 A07 A12 A13 A15 A16 A22 A25 A26"),
        ("finished", "A03"),
        ("arrived", "A04"),
        ("planned", "A05 A14"),
        ("unknown", "A08 A52 A53"),
        ("cancelled", "A11 A23 A27 A38"),
        ("onleave", "A21"),
    ] {
        for trigger in triggers.split(' ') {
            let out = record(&Adt::new(trigger).event());
            assert_eq!(out.topic, "fhir.encounter");
            assert_eq!(value(&out)["status"], status, "{trigger}");
            assert_eq!(header(&out, "event-type"), format!("ADT^{trigger}"));
            assert_eq!(header(&out, "event-id"), "gw-1/00000000000000ab/7");
        }
    }
}

#[test]
fn h21_only_events_that_begin_or_end_a_visit_give_its_period() {
    for (trigger, start, end) in [
        ("A01", true, false),
        ("A04", true, false),
        ("A03", false, true),
        ("A02", false, false),
        ("A13", false, false),
    ] {
        let value = value(&record(&Adt::new(trigger).event()));
        let has = |name: &str| value["period"].get(name).is_some();
        assert_eq!((has("start"), has("end")), (start, end), "{trigger}");
    }
}

fn swap(second: &str) -> wardline_model::Event {
    let one = Adt::new("A17");
    hl7(&format!("{}\r{second}", one.text()))
}

#[test]
fn h22_a_swap_gives_two_records_or_none() {
    let out = records(&swap(
        "PID|1||4712^^^STM\rPV1||I|ICU^1^3||||||||||||||||V2^^^STM",
    ));
    assert_eq!(out.len(), 2);
    let ids: Vec<_> = out.iter().map(|r| header(r, "event-id")).collect();
    assert_eq!(
        ids,
        ["gw-1/00000000000000ab/7.1", "gw-1/00000000000000ab/7.2"]
    );
    assert_eq!(places(&out[0])[0].1, "ICU^1^2");
    assert_eq!(places(&out[1])[0].1, "ICU^1^3");
    assert_ne!(key(&out[0]), key(&out[1]));
    assert_eq!(
        header(&out[0], "message-hash"),
        header(&out[1], "message-hash")
    );
    for (second, expected) in [
        ("ZZZ|1", why("hl7-swap-incomplete", "PV1", "H22")),
        ("PID|1||4712", why("hl7-swap-incomplete", "PV1", "H22")),
        (
            "PID|1||4712\rPV1||I|ICU^1^3||||||||||||||||V1^^^STM",
            why("hl7-swap-incomplete", "PV1-19", "H22"),
        ),
        (
            "PID|1||4712\rPV1||I|ICU^1^3",
            why("hl7-no-visit", "PV1-19", "H11"),
        ),
    ] {
        assert_eq!(cause(&swap(second)), expected, "{second}");
    }
}

#[test]
fn h23_a_bed_status_is_a_location_record() {
    for (code, system, expected) in [
        ("U", "http://terminology.hl7.org/CodeSystem/v2-0116", "U"),
        ("H", "http://terminology.hl7.org/CodeSystem/v2-0116", "H"),
        ("o", "http://terminology.hl7.org/CodeSystem/v2-0116", "O"),
        ("CLEANING", "urn:wardline:bed-condition", "cleaning"),
    ] {
        let out = record(&a20(&format!("NPU|ICU^1^2|{code}^text")));
        let value = value(&out);
        assert_eq!(
            (out.topic, key(&out).as_str()),
            ("fhir.location", "ICU^1^2")
        );
        assert_eq!(value["operationalStatus"]["system"], system);
        assert_eq!(value["operationalStatus"]["code"], expected);
        assert_eq!(value["identifier"][0]["value"], "ICU^1^2");
        assert_eq!(value["mode"], "instance");
        assert_eq!(value["physicalType"]["coding"][0]["code"], "bd");
        assert_eq!(value["partOf"]["identifier"]["value"], "ICU^1");
    }
    for (npu, expected) in [
        ("", why("hl7-no-npu", "NPU", "H23")),
        ("NPU|ICU^^|U", why("hl7-no-bed", "NPU-1", "H23")),
        ("NPU||U", why("hl7-no-bed", "NPU-1", "H23")),
        ("NPU|ICU^1^2|X", why("hl7-bed-status", "NPU-2", "H23")),
        ("NPU|ICU^1^2", why("hl7-bed-status", "NPU-2", "H23")),
    ] {
        assert_eq!(cause(&a20(npu)), expected, "{npu}");
    }
    let several = records(&a20("NPU|ICU^1^2|U\rNPU|ICU^1^3|H"));
    assert_eq!(header(&several[1], "event-id"), "gw-1/00000000000000ab/7.2");
    assert_eq!(cause(&a20(&"NPU|ICU^1^2|U\r".repeat(65))).0, "hl7-too-many");
}

#[test]
fn h24_a_merge_names_the_visit_that_goes_on() {
    let old = key(&record(&Adt::new("A01").pv1(19, "V9^^^STM").event()));
    for (trigger, mrg) in [
        ("A42", "MRG|P1||||V9^^^STM"),
        ("A35", "MRG|P1||A1||V9^^^STM"),
        ("A35", "MRG|P1||V9^^^STM"),
    ] {
        let out = record(&Adt::new(trigger).and(mrg).event());
        let identifier = &value(&out)["identifier"][1];
        assert_eq!(identifier["use"], "old", "{trigger}");
        assert_eq!(identifier["system"], "urn:wardline:visit");
        assert_eq!(identifier["value"].as_str().unwrap(), old);
    }
    for mrg in ["ZZZ", "MRG|P1"] {
        let event = Adt::new("A42").and(mrg).event();
        assert_eq!(cause(&event), why("hl7-no-merged-visit", "MRG-5", "H24"));
    }
    assert_eq!(
        value(&record(&Adt::new("A08").and("MRG|P1||||V9").event()))["identifier"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn h25_events_that_move_nobody_are_filtered() {
    for trigger in events::FILTERED {
        assert_eq!(
            filtered(&Adt::new(trigger).event()),
            "moves-no-bed",
            "{trigger}"
        );
    }
    for trigger in ["A09", "A10", "A28", "A31", "A34", "A40"] {
        assert!(events::FILTERED.contains(&trigger), "{trigger}");
    }
}

#[test]
fn h26_other_messages_are_filtered() {
    for kind in ["ORU^R01", "ACK", "SIU^S12", "MDM^T02"] {
        let text = Adt::new("A01").text().replace("ADT^A01", kind);
        assert_eq!(filtered(&hl7(&text)), "message-type", "{kind}");
    }
}

#[test]
fn h20_the_published_table_is_the_programs_table() {
    let spec = include_str!("../../../docs/specs/hl7-mapping.md");
    for n in 0..=99 {
        let trigger = format!("A{n:02}");
        let row = spec.lines().find(|line| {
            line.starts_with("| ")
                && line
                    .split('|')
                    .nth(1)
                    .unwrap()
                    .split_whitespace()
                    .any(|word| word == trigger)
        });
        match events::shape(&trigger) {
            Some(Shape::Visit(rule)) => {
                let status = serde_json::to_value(rule.status).unwrap();
                let row = row.unwrap_or_else(|| panic!("{trigger} is not in the table"));
                assert!(row.contains(status.as_str().unwrap()), "{trigger}: {row}");
            }
            Some(Shape::Filtered) => {
                assert!(row.is_some_and(|row| row.contains("filtered")), "{trigger}");
            }
            Some(Shape::Swap) => assert!(
                row.is_some_and(|row| row.contains("two Encounters")),
                "{trigger}"
            ),
            Some(Shape::BedStatus) => {
                assert!(row.is_some_and(|row| row.contains("Location")), "{trigger}");
            }
            None => assert!(row.is_none(), "{trigger} is in the table, but has no rule"),
        }
    }
}
