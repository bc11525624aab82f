//! The rules of docs/specs/json-mapping.md and of the shipped mapping.

use crate::transform_support::*;
use serde_json::json;
use wardline_bridge::map::json::mapping::JsonMapping;
use wardline_bridge::map::{Mapped, map};
use wardline_model::Body;

const TS: &str = "\"ts\":\"2026-03-01T10:00:00+01:00\"";

fn device(metric: &str, members: &str) -> wardline_model::Event {
    mqtt(
        &format!("devices/ICU/pump-7/{metric}"),
        &format!("{{{TS},{members}}}"),
    )
}

fn refused(event: &wardline_model::Event) -> (String, String, String) {
    let record = sidelined(event);
    assert_eq!(record.mapping, "devices@1");
    let why = record.why;
    (
        why.cause.into_owned(),
        why.place.into_owned(),
        why.rule.into_owned(),
    )
}

#[test]
fn j9_a_state_is_a_device_record() {
    let out = record(&device(
        "state",
        "\"value\":\"in-use\",\"seq\":12,\"type\":\"pump\",\"patient\":\"CANARY\"",
    ));
    assert_eq!((out.topic, key(&out).as_str()), ("fhir.device", "pump-7"));
    let value = value(&out);
    assert_eq!(value["resourceType"], "Device");
    assert_eq!(value["identifier"][0]["system"], "urn:wardline:device");
    assert_eq!(value["identifier"][0]["value"], "pump-7");
    assert_eq!(value["type"]["text"], "pump");
    assert_eq!(
        value["extension"],
        json!([
            {"url": "urn:wardline:device-state", "valueCode": "in-use"},
            {"url": "urn:wardline:department", "valueString": "ICU"}
        ])
    );
    for (name, expected) in [
        ("event-type", "mqtt"),
        ("event-time", "2026-03-01T10:00:00+01:00"),
        ("event-time-from", "ts"),
        ("event-time-precision-ms", "1000"),
        ("recorded", "2026-03-01T10:00:00+01:00"),
        ("received", "2026-03-01T09:00:05Z"),
        ("mapping", "devices@1"),
        ("site", "st-mary"),
        ("fhir-version", "4.0.1"),
        ("device-seq", "12"),
        ("metric", "state"),
        ("event-id", "gw-1/00000000000000ab/7"),
    ] {
        assert_eq!(header(&out, name), expected, "{name}");
    }
    assert!(!shown(&out, 0).to_string().contains("CANARY"));
}

#[test]
fn j10_states_are_the_words_of_the_mapping() {
    for state in ["in-use", "ready", "cleaning", "repair", "off"] {
        let out = record(&device("state", &format!("\"value\":\"{state}\"")));
        assert_eq!(value(&out)["extension"][0]["valueCode"], state);
    }
    for bad in ["\"busy\"", "\"\"", "1", "true", "{}", "[\"off\"]"] {
        let event = device("state", &format!("\"value\":{bad}"));
        assert_eq!(
            refused(&event),
            why("json-value", "$.value", "J10"),
            "{bad}"
        );
    }
}

#[test]
fn j11_j13_numbers_are_checked_for_type_and_range() {
    let out = record(&device("battery", "\"value\":87,\"unit\":\"%\""));
    assert_eq!(
        value(&out)["extension"][0],
        json!({"url": "urn:wardline:battery-percent", "valueDecimal": 87.0})
    );
    for bad in ["\"87\"", "true", "[]"] {
        let event = device("battery", &format!("\"value\":{bad}"));
        assert_eq!(
            refused(&event),
            why("json-value", "$.value", "J11"),
            "{bad}"
        );
    }
    for bad in ["-1", "100.5", "1e300"] {
        let event = device("battery", &format!("\"value\":{bad}"));
        assert_eq!(
            refused(&event),
            why("json-range", "$.value", "J13"),
            "{bad}"
        );
    }
}

#[test]
fn j12_a_value_in_another_unit_is_never_relabelled() {
    for unit in ["\"Cel\"", "\"°C\"", "null"] {
        let out = record(&device(
            "temperature",
            &format!("\"value\":36.6,\"unit\":{unit}"),
        ));
        assert_eq!(value(&out)["valueQuantity"]["code"], "Cel");
    }
    for unit in ["\"[degF]\"", "\"\"", "7"] {
        let event = device("temperature", &format!("\"value\":36.6,\"unit\":{unit}"));
        assert_eq!(refused(&event), why("json-unit", "$.unit", "J12"), "{unit}");
    }
}

#[test]
fn j14_a_location_is_a_bed() {
    let out = record(&device("location", "\"value\":\"ICU^1^2\""));
    let location = &value(&out)["location"];
    assert_eq!(
        location["identifier"],
        json!({"system": "urn:wardline:location", "value": "ICU^1^2"})
    );
    assert!(
        location["reference"]
            .as_str()
            .unwrap()
            .starts_with("Location/")
    );
    for bad in [
        "\"ICU\"",
        "\"ICU^^\"",
        "\"\"",
        "42",
        "\"a^b^c^d\"",
        "\"ICU^1^\\n\"",
    ] {
        let event = device("location", &format!("\"value\":{bad}"));
        assert_eq!(
            refused(&event),
            why("json-value", "$.value", "J14"),
            "{bad}"
        );
    }
}

#[test]
fn j17_measurements_are_observations() {
    for (metric, value_text, code, unit) in [
        ("heart_rate", "72", "8867-4", "/min"),
        ("spo2", "97.5", "59408-5", "%"),
        ("temperature", "36.6", "8310-5", "Cel"),
        ("respiratory_rate", "14", "9279-1", "/min"),
    ] {
        let out = record(&device(metric, &format!("\"value\":{value_text}")));
        let value = value(&out);
        assert_eq!(
            (out.topic, key(&out).as_str()),
            ("fhir.observation", "pump-7")
        );
        assert_eq!(value["status"], "final");
        assert_eq!(value["category"][0]["coding"][0]["code"], "vital-signs");
        assert_eq!(value["code"]["coding"][0]["system"], "http://loinc.org");
        assert_eq!(value["code"]["coding"][0]["code"], code);
        assert_eq!(value["effectiveDateTime"], "2026-03-01T10:00:00+01:00");
        assert_eq!(value["valueQuantity"]["code"], unit);
        assert_eq!(
            value["valueQuantity"]["value"].as_f64(),
            value_text.parse().ok()
        );
        assert_eq!(value["device"]["identifier"]["value"], "pump-7");
        assert!(value.get("subject").is_none());
        assert_eq!(header(&out, "metric"), metric);
    }
}

#[test]
fn j7_broken_json_is_sidelined_at_its_root() {
    for (payload, cause) in [
        ("", "json-syntax"),
        ("{", "json-syntax"),
        ("{\"ts\":1,}", "json-syntax"),
        ("\u{feff}{}", "json-syntax"),
        ("[1]", "json-shape"),
        ("7", "json-shape"),
        ("null", "json-shape"),
    ] {
        let event = mqtt("devices/ICU/pump-7/state", payload);
        assert_eq!(refused(&event), why(cause, "$", "J7"), "{payload}");
    }
    let mut event = mqtt("devices/ICU/pump-7/state", "");
    if let Body::Mqtt { payload, .. } = &mut event.body {
        *payload = b"{\"ts\":\"\xff\"}".to_vec().into();
    }
    assert_eq!(refused(&event).0, "json-syntax");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(
        refused(&mqtt("devices/ICU/pump-7/state", &deep)).0,
        "json-syntax"
    );
}

#[test]
fn j8_ts_is_rfc_3339_with_zone_or_epoch_milliseconds() {
    let at = |ts: &str| {
        let out = record(&mqtt(
            "devices/ICU/p/state",
            &format!("{{\"ts\":{ts},\"value\":\"off\"}}"),
        ));
        (
            header(&out, "event-time").to_owned(),
            header(&out, "event-time-precision-ms").to_owned(),
        )
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        at("\"2026-03-01T09:00:00Z\""),
        pair("2026-03-01T10:00:00+01:00", "1000")
    );
    assert_eq!(
        at("\"2026-03-01T09:00:00.25Z\""),
        pair("2026-03-01T10:00:00.250+01:00", "1")
    );
    assert_eq!(at("1772355600000"), pair("2026-03-01T10:00:00+01:00", "1"));
    for bad in [
        "\"2026-03-01T10:00:00\"",
        "\"yesterday\"",
        "\"\"",
        "true",
        "1.5",
        "1e30",
        "-9e15",
        "{}",
        "null",
        "\"0001-01-01T00:00:00Z\"",
        "99999999999999",
    ] {
        let event = mqtt(
            "devices/ICU/p/state",
            &format!("{{\"ts\":{bad},\"value\":\"off\"}}"),
        );
        assert_eq!(refused(&event), why("json-ts", "$.ts", "J8"), "{bad}");
    }
    let missing = mqtt("devices/ICU/p/state", "{\"value\":\"off\"}");
    assert_eq!(refused(&missing), why("json-ts", "$.ts", "J8"));
}

#[test]
fn j9_a_missing_value_is_sidelined() {
    for members in ["\"seq\":1", "\"value\":null"] {
        let event = device("state", members);
        assert_eq!(refused(&event), why("json-value", "$.value", "J9"));
    }
}

#[test]
fn j15_j16_optional_members_are_checked_when_given() {
    for bad in ["-1", "1.5", "\"1\"", "1e30"] {
        let event = device("state", &format!("\"value\":\"off\",\"seq\":{bad}"));
        assert_eq!(refused(&event), why("json-seq", "$.seq", "J15"), "{bad}");
    }
    for bad in [
        "7",
        "\"\"",
        "\"a\\u0007\"",
        &format!("\"{}\"", "x".repeat(65)),
    ] {
        let event = device("state", &format!("\"value\":\"off\",\"type\":{bad}"));
        assert_eq!(refused(&event), why("json-kind", "$.type", "J16"), "{bad}");
    }
}

#[test]
fn j5_topics_without_a_mapping_and_unknown_metrics_are_filtered() {
    for topic in [
        "",
        "x",
        "devices/ICU/pump-7",
        "devices/ICU/pump-7/state/x",
        "ward/panel",
    ] {
        assert_eq!(filtered(&mqtt(topic, "no json")), "no-mapping", "{topic}");
    }
    assert_eq!(
        filtered(&mqtt("devices/ICU/pump-7/mood", "no json")),
        "unknown-metric"
    );
    let long = format!("devices/ICU/{}/state", "x".repeat(81));
    assert_eq!(
        refused(&mqtt(&long, "{}")),
        why("mqtt-topic", "topic", "J5")
    );
}

#[test]
fn j18_wills_and_ledger_records_are_filtered() {
    let mut event = device("state", "\"value\":\"off\"");
    if let Body::Mqtt { will, .. } = &mut event.body {
        *will = true;
    }
    assert_eq!(filtered(&event), "will");
    event.body = Body::Loss(wardline_model::LossRecord::Refused {
        count: 1,
        since_ms: 0,
    });
    assert_eq!(filtered(&event), "loss");
}

#[test]
fn j18_the_retain_flag_changes_nothing() {
    let plain = device("state", "\"value\":\"off\"");
    let mut retained = plain.clone();
    if let Body::Mqtt { retain, .. } = &mut retained.body {
        *retain = true;
    }
    assert_eq!(record(&plain), record(&retained));
}

#[test]
fn j2_a_sites_own_mapping_reads_other_shapes() {
    let own = r#"
        [mapping]
        kind = "json"
        name = "beds"
        version = 3
        topic = "iot/+/{device}/{metric}"
        [fields]
        ts = "$.meta.at"
        value = "$.data[0].v"
        [metric.occupancy]
        record = "device-state"
        words = { busy = "in-use", free = "ready" }
    "#;
    let mut ctx = context();
    ctx.mappings
        .json
        .insert(0, JsonMapping::parse(own).unwrap());
    let event = mqtt(
        "iot/x/bed-1/occupancy",
        r#"{"meta":{"at":1772355600000},"data":[{"v":"busy"}]}"#,
    );
    let Mapped::Records(out) = map(&event, &id(1), &ctx) else {
        panic!("not mapped");
    };
    let value = value(&out[0]);
    assert_eq!(
        value["extension"],
        json!([{"url": "urn:wardline:device-state", "valueCode": "in-use"}])
    );
    assert_eq!(header(&out[0], "mapping"), "beds@3");
    assert_eq!(header(&out[0], "metric"), "state");
}
