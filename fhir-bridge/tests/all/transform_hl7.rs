//! The rules H1 to H19 of docs/specs/hl7-mapping.md: how a message is read.

use crate::transform_support::*;
use wardline_bridge::map::hl7::events::{self, Shape};
use wardline_bridge::map::{Mapped, map};
use wardline_model::Body;

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
    let other = text.replace('|', "$").replace('^', "*");
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
        assert_eq!(out.value, plain.value);
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
    assert_eq!(plain.value, dated.value);
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
        crate::transform_support::value(&record(&nobody.event()))
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
    let out = record(&Adt::new("A02").pv1(6, &at(81)).event());
    assert_eq!(header(&out, "flags"), "prior-location-unreadable");
    assert_eq!(places(&out).len(), 1);
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
        let (before, after) = text.split_once("PID|").unwrap();
        let second = fields("PID", 1, 39, &[3, 18]);
        let visit = format!("PV1||I|W^1^1{}V9", "|".repeat(16));
        let text = format!("{before}{second}\r{visit}\rPID|{after}");
        for out in match map(&hl7(&text), &id(7), &context()) {
            Mapped::Records(records) => records,
            Mapped::Filtered(_) => continue,
            Mapped::Sidelined(record) => {
                let record = aside(*record);
                let heads = format!("{:?}", record.headers);
                assert!(!heads.contains(canary), "{trigger}: {heads}");
                continue;
            }
        } {
            let shown = shown(&out, 0).to_string();
            assert!(
                !shown.contains(canary) && !shown.contains("Doe"),
                "{trigger}: {shown}"
            );
        }
    }
}
