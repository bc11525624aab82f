//! The rules of docs/specs/hl7-mapping.md, one by one.

mod transform_support;

use transform_support::*;
use wardline_bridge::hl7::events::{self, Shape};
use wardline_bridge::transform::{Mapped, map};
use wardline_model::Body;

fn cause(event: &wardline_model::Event) -> (String, String, String) {
    let record = sidelined(event);
    assert!(!record.detail.is_empty());
    assert_eq!(record.mapping, "hl7@1");
    (
        record.cause.to_owned(),
        record.place.to_string(),
        record.rule.to_owned(),
    )
}

fn why(cause: &str, place: &str, rule: &str) -> (String, String, String) {
    (cause.to_owned(), place.to_owned(), rule.to_owned())
}

#[test]
fn h1_wrong_bytes_in_a_name_are_replaced_and_flagged() {
    let mut raw = Adt::new("A01").text().into_bytes();
    let at = raw.windows(4).position(|w| w == b"Jane").unwrap();
    raw[at] = 0xff;
    let out = record(&hl7_bytes(raw, RECEIVED));
    assert_eq!(header(&out, "flags"), "charset-replaced");
    let text = Adt::new("A01").text().replace("UNICODE UTF-8", "KS X 1001");
    assert_eq!(cause(&hl7(&text)), why("hl7-charset", "MSH-18", "H1"));
}

#[test]
fn h2_no_header_and_unknown_delimiters_are_sidelined() {
    let text = Adt::new("A01").text();
    assert_eq!(
        cause(&hl7("PID|1||4711")),
        why("hl7-no-header", "MSH", "H2")
    );
    assert_eq!(cause(&hl7("")), why("hl7-no-header", "MSH", "H2"));
    for bad in ["MSH|^^\\&|", "MSH|AB\\&|"] {
        let text = text.replace("MSH|^~\\&|", bad);
        assert_eq!(cause(&hl7(&text)), why("hl7-delimiters", "MSH-2", "H2"));
    }
    let other = text
        .replace('|', "$")
        .replace('^', "*")
        .replace("*~\\&", "*~\\&");
    assert_eq!(places(&record(&hl7(&other)))[0].1, "ICU^1^2");
}

#[test]
fn h3_any_line_end_unknown_segments_and_versions_are_understood() {
    let text = Adt::new("A01").and("ZZZ|1|secret").text();
    let plain = record(&hl7(&text));
    for other in [
        text.replace('\r', "\n"),
        text.replace('\r', "\r\n"),
        format!("\u{feff}{text}\r"),
        text.replace("|P|2.5|", "|P|9.9|"),
    ] {
        let out = record(&hl7(&other));
        assert_eq!(out.record.value, plain.record.value);
    }
}

#[test]
fn h4_the_type_is_msh_9_and_of_old_senders_evn_1() {
    let text = Adt::new("A01").text();
    let old = record(&hl7(&text.replace("ADT^A01", "ADT")));
    assert_eq!(header(&old, "event-type"), "ADT^A01");
    let differs = record(&hl7(&text.replace("EVN|A01", "EVN|A08")));
    assert_eq!(header(&differs, "event-type"), "ADT^A01");
    let structured = record(&hl7(&text.replace("ADT^A01", "ADT^A01^ADT_A01")));
    assert_eq!(header(&structured, "event-type"), "ADT^A01");
    assert_eq!(
        cause(&hl7(&text.replace("ADT^A01", ""))),
        why("hl7-no-type", "MSH-9", "H4")
    );
}

#[test]
fn h5_unknown_events_are_sidelined() {
    for trigger in [
        "A36",
        "A41",
        "A44",
        "A45",
        "A50",
        "A99",
        "Z01",
        "",
        "much too long",
    ] {
        let event = Adt::new(trigger).evn("EVN||20260301100001").event();
        assert_eq!(
            cause(&event),
            why("hl7-unknown-event", "MSH-9.2", "H5"),
            "{trigger}"
        );
    }
}

#[test]
fn h6_an_adt_without_evn_is_sidelined() {
    for trigger in ["A01", "A03", "A08", "A20"] {
        let event = Adt::new(trigger).no_evn().event();
        assert_eq!(cause(&event), why("hl7-no-evn", "EVN", "H6"), "{trigger}");
    }
}

#[test]
fn h7_event_time_is_evn_6_else_evn_2_else_msh_7() {
    for (evn, time, from, recorded) in [
        (
            "EVN||20260301100001||||20260301095900",
            "2026-03-01T09:59:00+01:00",
            "EVN-6",
            "2026-03-01T10:00:01+01:00",
        ),
        (
            "EVN||20260301100001",
            "2026-03-01T10:00:01+01:00",
            "EVN-2",
            "2026-03-01T10:00:01+01:00",
        ),
        (
            "EVN|",
            "2026-03-01T10:00:02+01:00",
            "MSH-7",
            "2026-03-01T10:00:02+01:00",
        ),
        (
            "EVN|||20260401||||",
            "2026-03-01T10:00:02+01:00",
            "MSH-7",
            "2026-03-01T10:00:02+01:00",
        ),
        (
            "EVN|||||20260301|20260301095900",
            "2026-03-01T09:59:00+01:00",
            "EVN-6",
            "2026-03-01T10:00:02+01:00",
        ),
    ] {
        let out = record(&Adt::new("A02").evn(evn).event());
        let got = ["event-time", "event-time-from", "recorded"].map(|name| header(&out, name));
        assert_eq!(got, [time, from, recorded], "{evn}");
    }
    let out = record(
        &Adt::new("A02")
            .evn("EVN||20260301100001||||nonsense")
            .event(),
    );
    assert_eq!(header(&out, "event-time-from"), "EVN-2");
    assert_eq!(header(&out, "flags"), "occurred-unreadable");
}

#[test]
fn h7_without_any_usable_time_it_is_sidelined() {
    let text = Adt::new("A02").evn("EVN||2026||||x").text();
    let event = hl7(&text.replace("|20260301100002|", "|00000000|"));
    assert_eq!(cause(&event), why("hl7-no-time", "EVN-2", "H7"));
}

#[test]
fn h7_visit_times_of_pv1_are_never_event_time() {
    let plain = record(&Adt::new("A03").event());
    let dated = record(
        &Adt::new("A03")
            .pv1(44, "20200101")
            .pv1(45, "20200102")
            .event(),
    );
    assert_eq!(plain.record.value, dated.record.value);
    assert_eq!(value(&plain)["period"]["end"], "2026-03-01T10:00:00+01:00");
}

#[test]
fn h8_precision_is_carried() {
    for (text, precision) in [
        ("20260301", "86400000"),
        ("2026030110", "3600000"),
        ("202603011000", "60000"),
        ("20260301100000", "1000"),
        ("20260301100000.5", "1"),
    ] {
        let out = record(&Adt::new("A12").evn(&format!("EVN||||||{text}")).event());
        assert_eq!(header(&out, "event-time-precision-ms"), precision, "{text}");
    }
}

#[test]
fn h9_times_at_the_change_of_clocks() {
    let at = |evn: &str, received: &str| {
        let text = Adt::new("A02").evn(evn).text();
        let out = record(&hl7_bytes(text.into_bytes(), received));
        (
            header(&out, "event-time").to_owned(),
            header(&out, "flags").to_owned(),
        )
    };
    let double = "EVN||20261025023000";
    assert_eq!(
        at(double, "2026-10-25T00:30:01Z").0,
        "2026-10-25T02:30:00+02:00"
    );
    assert_eq!(
        at(double, "2026-10-25T01:30:01Z").0,
        "2026-10-25T02:30:00+01:00"
    );
    assert_eq!(at(double, "2026-10-25T01:30:01Z").1, "dst-double-hour");
    let missing = at("EVN||20260329023000", "2026-03-29T01:30:01Z");
    assert_eq!(
        missing,
        (
            "2026-03-29T03:30:00+02:00".to_owned(),
            "dst-shifted".to_owned()
        )
    );
    let stated = at("EVN||20261025023000+0200", "2026-10-27T00:00:00Z");
    assert_eq!(
        stated,
        ("2026-10-25T02:30:00+02:00".to_owned(), String::new())
    );
}

#[test]
fn h11_the_visit_is_pv1_19_with_its_authority_else_pid_18() {
    let visit = |adt: Adt| key(&record(&adt.event()));
    let base = visit(Adt::new("A01"));
    assert_eq!(
        visit(Adt::new("A02").pv1(3, "W^1^1").pv1(19, "V1^5^M10^STM^VN")),
        base
    );
    assert_ne!(visit(Adt::new("A01").pv1(19, "V1^^^OTHER")), base);
    assert_ne!(visit(Adt::new("A01").pv1(19, "V1")), base);
    assert_ne!(visit(Adt::new("A01").pv1(19, "V2^^^STM")), base);
    let mut account = Adt::new("A01").pv1(19, "");
    account.pid18 = "V1^^^STM".to_owned();
    assert_eq!(visit(account.clone()), base);
    account.pv1.insert(19, "\"\"".to_owned());
    assert_eq!(visit(account.clone()), base);
    account.pid18 = String::new();
    assert_eq!(
        cause(&account.event()),
        why("hl7-no-visit", "PV1-19", "H11")
    );
}

#[test]
fn h11_every_visit_event_needs_a_visit() {
    for n in 1..=62 {
        let trigger = format!("A{n:02}");
        let event = Adt::new(&trigger).pv1(19, "").event();
        match events::shape(&trigger) {
            Some(Shape::Visit(_)) => assert_eq!(cause(&event).0, "hl7-no-visit", "{trigger}"),
            Some(Shape::Filtered) => assert_eq!(filtered(&event), "moves-no-bed", "{trigger}"),
            _ => {}
        }
    }
}

#[test]
fn h12_patients_and_visits_are_pseudonyms_only() {
    let out = record(&Adt::new("A01").event());
    let value = value(&out);
    let visit = value["identifier"][0]["value"].as_str().unwrap();
    assert_eq!(value["identifier"][0]["system"], "urn:wardline:visit");
    assert_eq!((visit.len(), value["id"].as_str()), (32, Some(visit)));
    assert_eq!(key(&out), visit);
    let subject = &value["subject"]["identifier"];
    assert_eq!(subject["system"], "urn:wardline:patient");
    assert_eq!(subject["value"].as_str().unwrap().len(), 32);
    let mut nobody = Adt::new("A01");
    nobody.pid3 = String::new();
    assert!(
        transform_support::value(&record(&nobody.event()))
            .get("subject")
            .is_none()
    );
}

#[test]
fn h13_the_finest_component_of_pv1_3_is_kept() {
    for (pl, place, kind) in [
        ("ICU^1^2", "ICU^1^2", "bd"),
        ("ICU^1^2^STM^^N^A^3", "ICU^1^2", "bd"),
        ("ICU^1", "ICU^1", "ro"),
        ("ED", "ED", "wa"),
        ("ED^^", "ED", "wa"),
        ("ICU^^2", "ICU^^2", "bd"),
        ("ICU&x^1^2", "ICU^1^2", "bd"),
        ("A\\T\\E^1^2", "A&E^1^2", "bd"),
        ("ICU^1^2~W^1^1", "ICU^1^2", "bd"),
    ] {
        let out = record(&Adt::new("A01").pv1(3, pl).event());
        let entry = &value(&out)["location"][0];
        assert_eq!(entry["location"]["identifier"]["value"], place, "{pl}");
        assert_eq!(entry["physicalType"]["coding"][0]["code"], kind, "{pl}");
        let reference = entry["location"]["reference"].as_str().unwrap();
        assert!(reference.starts_with("Location/") && reference.len() == 41);
    }
    for empty in ["", "^^", "\"\"", "^^^STM"] {
        assert_eq!(places(&record(&Adt::new("A08").pv1(3, empty).event())), []);
    }
}

#[test]
fn h14_a_location_over_80_characters_is_sidelined() {
    let at = |n: usize| format!("{}^1^2", "x".repeat(n - 4));
    assert_eq!(records(&Adt::new("A01").pv1(3, &at(80)).event()).len(), 1);
    for trigger in ["A01", "A03", "A08"] {
        let event = Adt::new(trigger).pv1(3, &at(81)).event();
        assert_eq!(cause(&event), why("hl7-location-too-long", "PV1-3", "H14"));
    }
    let event = Adt::new("A15").pv1(42, &at(81)).event();
    assert_eq!(cause(&event), why("hl7-location-too-long", "PV1-42", "H14"));
    let event = Adt::new("A01").pv1(3, "A\\S\\B^1^2").event();
    assert_eq!(cause(&event), why("hl7-location", "PV1-3", "H14"));
}

#[test]
fn h15_the_class_is_pv1_2_else_the_events_own() {
    let class = |trigger: &str, pv1_2: &str| {
        let out = record(&Adt::new(trigger).pv1(2, pv1_2).event());
        let value = value(&out);
        assert!(
            value["class"]["system"]
                .as_str()
                .unwrap()
                .ends_with("v3-ActCode")
        );
        value["class"]["code"].as_str().unwrap().to_owned()
    };
    for (code, expected) in [
        ("I", "IMP"),
        ("O", "AMB"),
        ("E", "EMER"),
        ("P", "PRENC"),
        ("R", "AMB"),
    ] {
        assert_eq!(class("A01", code), expected);
    }
    for (trigger, expected) in [
        ("A01", "IMP"),
        ("A04", "AMB"),
        ("A05", "PRENC"),
        ("A06", "IMP"),
        ("A07", "AMB"),
    ] {
        assert_eq!(class(trigger, ""), expected, "{trigger}");
        assert_eq!(class(trigger, "free text"), expected, "{trigger}");
    }
}

#[test]
fn h16_each_location_says_what_it_is_to_the_visit() {
    let adt = |trigger| Adt::new(trigger).pv1(6, "ED^^").pv1(42, "WARD-A^101^1");
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect()
    };
    for (trigger, expected) in [
        ("A02", pairs(&[("active", "ICU^1^2"), ("completed", "ED")])),
        ("A05", pairs(&[("planned", "ICU^1^2"), ("completed", "ED")])),
        ("A14", pairs(&[("planned", "ICU^1^2"), ("completed", "ED")])),
        (
            "A15",
            pairs(&[
                ("active", "ICU^1^2"),
                ("completed", "ED"),
                ("reserved", "WARD-A^101^1"),
            ]),
        ),
        (
            "A26",
            pairs(&[
                ("active", "ICU^1^2"),
                ("completed", "ED"),
                ("reserved", "WARD-A^101^1"),
            ]),
        ),
        ("A12", pairs(&[("active", "ICU^1^2"), ("completed", "ED")])),
    ] {
        let out = record(&adt(trigger).event());
        assert_eq!(places(&out), expected, "{trigger}");
        assert_eq!(header(&out, "flags"), "prior-location-given", "{trigger}");
    }
}

#[test]
fn h17_a_message_can_be_told_from_its_repetition_and_its_conflict() {
    let text = Adt::new("A01").text();
    let heads = |text: &str| {
        let out = record(&hl7(text));
        ["message-key", "message-hash", "control-id"].map(|name| header(&out, name).to_owned())
    };
    let first = heads(&text);
    assert_eq!(first[2], "MSG77");
    assert_eq!(first, heads(&text));
    let changed = heads(&text.replace("Jane", "Joan"));
    assert_eq!((&changed[0], &changed[2]), (&first[0], &first[2]));
    assert_ne!(changed[1], first[1]);
    assert_ne!(heads(&text.replace("|STM|", "|XYZ|"))[0], first[0]);
    let odd = heads(&text.replace("MSG77", &format!("a\u{7}ü{}", "b".repeat(300))));
    assert_eq!(odd[2].len(), 199);
    let none = heads(&text.replace("MSG77", ""));
    assert_eq!((none[0].as_str(), none[2].as_str()), ("", ""));
}

#[test]
fn h18_what_the_agent_did_not_understand_is_sidelined() {
    let mut event = Adt::new("A01").event();
    if let Body::Hl7 { understood, .. } = &mut event.body {
        *understood = false;
    }
    assert_eq!(cause(&event), why("hl7-not-understood", "MSH", "H18"));
    let mut event = hl7("no hl7 at all");
    if let Body::Hl7 { understood, .. } = &mut event.body {
        *understood = false;
    }
    assert_eq!(cause(&event), why("hl7-no-header", "MSH", "H2"));
}

#[test]
fn h19_no_canary_leaves_the_allow_list() {
    let canary = "CANARY";
    let fields = |name: &str, from: usize, to: usize, keep: &[usize]| {
        let fields: Vec<String> = (from..=to)
            .map(|n| {
                if keep.contains(&n) {
                    String::new()
                } else {
                    format!("{canary}{n}^{canary}&{canary}^{canary}")
                }
            })
            .collect();
        format!("{name}|{}", fields.join("|"))
    };
    for n in 1..=62 {
        let trigger = format!("A{n:02}");
        let mut adt = Adt::new(&trigger);
        adt.pid3 = format!("{canary}3^^^{canary}");
        adt.pid18 = format!("{canary}18");
        for field in (1..=52).filter(|f| ![2, 3, 6, 19, 42].contains(f)) {
            adt = adt.pv1(field, &format!("{canary}{field}^{canary}"));
        }
        adt = adt.pv1(19, &format!("{canary}^^^{canary}")).pv1(2, canary);
        for (name, last) in [
            ("PD1", 20),
            ("NK1", 39),
            ("DG1", 26),
            ("NTE", 9),
            ("OBX", 25),
            ("AL1", 6),
            ("IN1", 50),
            ("GT1", 50),
            ("ZPI", 30),
            ("PV2", 40),
            ("ROL", 12),
        ] {
            adt = adt.and(&fields(name, 1, last, &[]));
        }
        adt = adt.and(&fields("MRG", 1, 7, &[])).and("NPU|ICU^1^2|U");
        let text = adt.text();
        let at = text.find("PID").unwrap();
        let second = fields("PID", 1, 39, &[3, 18]);
        let text = format!(
            "{}{}\rPV1||I|W^1^1||||||||||||||||V9{}",
            &text[..at],
            second,
            "\r"
        ) + &text[at..];
        for out in match map(&hl7(&text), &id(7), &context()) {
            Mapped::Records(records) => records,
            Mapped::Filtered(_) => continue,
            Mapped::Sidelined(record) => {
                let record = record.into_record(0);
                let heads = format!("{:?}", record.headers);
                assert!(!heads.contains(canary), "{trigger}: {heads}");
                continue;
            }
        } {
            let shown = shown(out.topic, &out.record).to_string();
            assert!(
                !shown.contains(canary) && !shown.contains("Doe"),
                "{trigger}: {shown}"
            );
        }
    }
}

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
    let spec = include_str!("../../docs/specs/hl7-mapping.md");
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
                assert!(row.is_some_and(|row| row.contains("filtered")), "{trigger}")
            }
            Some(Shape::Swap) => assert!(
                row.is_some_and(|row| row.contains("two Encounters")),
                "{trigger}"
            ),
            Some(Shape::BedStatus) => {
                assert!(row.is_some_and(|row| row.contains("Location")), "{trigger}")
            }
            None => assert!(row.is_none(), "{trigger} is in the table, but has no rule"),
        }
    }
}
