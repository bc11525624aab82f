//! Records as a bridge writes them, by hand: the contract of docs/specs/fhir-records.md in the few forms tests need.

use serde_json::{Value, json};
use wardline_log::{Headers, Record};
use wardline_model::Incarnation;
use wardline_model::record::{
    CONTROL_ID, EVENT_ID, EVENT_TIME, EVENT_TIME_FROM, EVENT_TIME_PRECISION_MS, EVENT_TYPE,
    EXTENSION_BATTERY, EXTENSION_DEPARTMENT, EXTENSION_DEVICE_STATE, FHIR_VERSION, MAPPING,
    MESSAGE_HASH, MESSAGE_KEY, METRIC, RECEIVED, RECORDED, SITE, SYSTEM_BED_STATUS, SYSTEM_DEVICE,
    SYSTEM_LOCATION, SYSTEM_VISIT,
};
use wardline_model::status::{AgentStatus, BridgeStatus};
use wardline_model::time::rfc3339;
use wardline_model::topic::{FHIR_DEVICE, FHIR_ENCOUNTER, FHIR_LOCATION};

/// A topic and a record for it.
pub type Said = (&'static str, Record);

fn headers(seq: u64, agent: &str, event_type: &str, at_ms: i64) -> Headers {
    let text = |name: &'static str, value: String| (name, value);
    Headers::from_iter([
        text(EVENT_ID, format!("{agent}/00000000000000ab/{seq}")),
        text(EVENT_TIME, rfc3339(at_ms)),
        text(EVENT_TIME_FROM, "EVN-2".into()),
        text(EVENT_TIME_PRECISION_MS, "1000".into()),
        text(RECORDED, rfc3339(at_ms)),
        text(RECEIVED, rfc3339(at_ms + 500)),
        text(EVENT_TYPE, event_type.to_owned()),
        text(MAPPING, "hl7@1".into()),
        text(SITE, "st-mary".into()),
        text(FHIR_VERSION, "4.0.1".into()),
    ])
}

fn record(key: &str, json: &Value, headers: Headers, at_ms: i64) -> Record {
    Record {
        key: Some(key.to_owned().into()),
        value: Some(serde_json::to_vec(json).unwrap().into()),
        headers,
        time_ms: at_ms + 600,
    }
}

/// An ADT event of a visit; `bed` is PV1-3.
pub fn adt(seq: u64, event: &str, visit: &str, bed: &str, at_ms: i64) -> Said {
    adt_of("gw-1", seq, event, visit, bed, at_ms)
}

pub fn adt_of(agent: &str, seq: u64, event: &str, visit: &str, bed: &str, at_ms: i64) -> Said {
    let status = match event {
        "A03" => "finished",
        "A05" | "A14" => "planned",
        "A11" => "cancelled",
        _ => "in-progress",
    };
    let place_status = if status == "planned" {
        "planned"
    } else {
        "active"
    };
    let json = json!({
        "resourceType": "Encounter",
        "id": visit,
        "identifier": [{ "system": SYSTEM_VISIT, "value": visit }],
        "status": status,
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP" },
        "location": [{
            "location": {
                "reference": format!("Location/{}", bed.replace('^', "-")),
                "identifier": { "system": SYSTEM_LOCATION, "value": bed }
            },
            "status": place_status
        }]
    });
    let mut headers = headers(seq, agent, &format!("ADT^{event}"), at_ms);
    for (name, value) in [
        (MESSAGE_KEY, format!("key-{agent}-{seq}")),
        (MESSAGE_HASH, format!("hash-{agent}-{seq}")),
        (CONTROL_ID, format!("M{seq:06}")),
    ] {
        headers.push(name, value);
    }
    (FHIR_ENCOUNTER, record(visit, &json, headers, at_ms))
}

/// A20: a code of table 0116.
pub fn bed_status(seq: u64, bed: &str, code: &str, at_ms: i64) -> Said {
    let json = json!({
        "resourceType": "Location",
        "identifier": [{ "system": SYSTEM_LOCATION, "value": bed }],
        "mode": "instance",
        "operationalStatus": { "system": SYSTEM_BED_STATUS, "code": code }
    });
    let headers = headers(seq, "gw-1", "ADT^A20", at_ms);
    (FHIR_LOCATION, record(bed, &json, headers, at_ms))
}

/// A device's state as its topic names department and device.
pub fn device_state(
    seq: u64,
    department: &str,
    device: &str,
    state: &str,
    battery: Option<f64>,
    at_ms: i64,
) -> Said {
    let (metric, said) = match battery {
        Some(percent) => (
            "battery",
            json!({ "url": EXTENSION_BATTERY, "valueDecimal": percent }),
        ),
        None => (
            "state",
            json!({ "url": EXTENSION_DEVICE_STATE, "valueCode": state }),
        ),
    };
    let json = json!({
        "resourceType": "Device",
        "extension": [said, { "url": EXTENSION_DEPARTMENT, "valueString": department }],
        "identifier": [{ "system": SYSTEM_DEVICE, "value": device }],
        "type": { "text": "infusion pump" }
    });
    let mut headers = headers(seq, "gw-2", "mqtt", at_ms);
    headers.push(METRIC, metric);
    (FHIR_DEVICE, record(device, &json, headers, at_ms))
}

/// What nobody can read, in the middle of good records.
pub fn broken(seq: u64, how: usize) -> Said {
    let (topic, mut record) = adt(seq, "A01", "broken", "ICU^1^1", super::NOON);
    match how % 5 {
        0 => record.value = Some("{\"resourceType\":".into()),
        1 => record.value = Some(vec![0xff, 0xfe].into()),
        2 => record.headers = without(&record.headers, EVENT_ID),
        3 => {
            record.headers = without(&record.headers, EVENT_TIME);
            record.headers.push(EVENT_TIME, "yesterday");
        }
        _ => record.value = Some("{\"resourceType\":\"Patient\"}".into()),
    }
    (topic, record)
}

fn without(headers: &Headers, name: &str) -> Headers {
    headers.iter().filter(|(have, _)| *have != name).collect()
}

pub fn tombstone(key: &str) -> Said {
    let record = Record {
        key: Some(key.to_owned().into()),
        ..Record::default()
    };
    (FHIR_ENCOUNTER, record)
}

pub fn sidelined(seq: u64, raw: &str, time_ms: i64) -> Record {
    Record {
        key: Some("gw-1".into()),
        value: Some(raw.to_owned().into()),
        headers: Headers::from_iter([
            (EVENT_ID, &*format!("gw-1/00000000000000ab/{seq}")),
            ("cause", "hl7-no-visit"),
            ("where", "PV1-19"),
            ("rule", "H7"),
            (MAPPING, "hl7@1"),
            ("detail", "no visit number"),
        ]),
        time_ms,
    }
}

pub fn agent_status(name: &str, online: bool, next_seq: u64, backlog: u64, at_ms: i64) -> Record {
    let status = AgentStatus {
        v: 1,
        agent: name.to_owned(),
        incarnation: Incarnation(0xab),
        version: "0.1.0".into(),
        online,
        at_ms,
        next_seq,
        oldest_held: next_seq - backlog,
        backlog_events: backlog,
        backlog_bytes: 0,
        quota_bytes: 1 << 30,
        refused: 0,
        last_event_ms: Some(at_ms),
        clock_uncertainty_ms: Some(20),
        mqtt_connections: 1,
        mllp_connections: 1,
        insecure: false,
    };
    status_record(name, &serde_json::to_vec(&status).unwrap(), at_ms)
}

pub fn bridge_status(status: &BridgeStatus) -> Record {
    status_record("bridge", &serde_json::to_vec(status).unwrap(), status.at_ms)
}

fn status_record(name: &str, json: &[u8], at_ms: i64) -> Record {
    Record {
        key: Some(name.to_owned().into()),
        value: Some(json.to_vec().into()),
        headers: Headers::new(),
        time_ms: at_ms,
    }
}

/// A day of some visits, beds and devices: a fixed story that moves everything there is.
pub fn story() -> Vec<Said> {
    use super::{MINUTE, NOON};
    let at = |minute: i64| NOON + minute * MINUTE;
    vec![
        bed_status(1, "ICU^1^1", "U", at(-600)),
        bed_status(2, "ICU^1^2", "U", at(-599)),
        bed_status(3, "W1^1^1", "U", at(-598)),
        adt(4, "A01", "v1", "ICU^1^1", at(-500)),
        adt(5, "A01", "v2", "ICU^1^2", at(-480)),
        device_state(1, "icu", "pump-1", "in-use", None, at(-470)),
        device_state(2, "icu", "pump-1", "", Some(80.0), at(-460)),
        adt(6, "A02", "v1", "W1^1^1", at(-400)),
        adt(7, "A08", "v1", "W1^1^1", at(-390)),
        bed_status(8, "ICU^1^1", "U", at(-350)),
        adt(9, "A03", "v2", "ICU^1^2", at(-300)),
        adt(10, "A13", "v2", "ICU^1^2", at(-250)),
        adt(11, "A05", "v3", "ICU^1^1", at(-200)),
        device_state(3, "icu", "pump-1", "ready", None, at(-100)),
        device_state(4, "ward 1", "pump-2", "cleaning", None, at(-90)),
        adt(12, "A03", "v1", "W1^1^1", at(-60)),
    ]
}
