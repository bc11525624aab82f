use wardline_api::DeviceState;
use wardline_model::record::*;
use wardline_model::topic;

use super::*;
use crate::ledger::{BedSays, Condition, DeviceSays, DeviceValue, Place, Subject, VisitSays};

const HERE: origin::ReadFrom<'_> = origin::ReadFrom {
    site: "here",
    copies: false,
};

fn record(headers: &[(&str, &str)], value: &str) -> Record {
    let mut all: Vec<(&str, &str)> = vec![
        (EVENT_ID, "gw-1/00000000000000ab/7.2"),
        (EVENT_TIME, "2026-03-01T10:00:00+01:00"),
        (EVENT_TYPE, "ADT^A02"),
        (SITE, "st-mary"),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(own, _)| own == name));
    all.extend(headers);
    Record {
        key: None,
        value: Some(value.to_owned().into()),
        headers: all
            .iter()
            .filter(|(_, value)| *value != "-")
            .copied()
            .collect(),
        time_ms: 5,
    }
}

fn decode(topic: &str, headers: &[(&str, &str)], value: &str) -> Result<Fact, DecodeError> {
    let record = record(headers, value);
    fact(&HERE.origin(topic, 3, 9, &record), &record).map(|fact| fact.unwrap())
}

const ENCOUNTER: &str = r#"{"resourceType":"Encounter","id":"x","identifier":[{"system":"urn:wardline:visit","value":"v1"},
    {"use":"old","system":"urn:wardline:visit","value":"v0"}],"status":"in-progress","class":{"code":"IMP"},
    "location":[{"location":{"reference":"Location/1","identifier":{"system":"urn:wardline:location","value":"ICU^1^2"}},"status":"active"},
    {"location":{"identifier":{"system":"urn:wardline:location","value":"ED"}},"status":"completed"},
    {"location":{"identifier":{"system":"urn:wardline:location","value":"W^1^1"}},"status":"reserved"}]}"#;

#[test]
fn encounters_are_read() {
    let headers = [
        (EVENT_TIME_FROM, "EVN-6"),
        (EVENT_TIME_PRECISION_MS, "60000"),
        (RECORDED, "2026-03-01T09:30:00Z"),
        (RECEIVED, "2026-03-01T09:30:01.5Z"),
        (CONTROL_ID, "77"),
        (MESSAGE_KEY, "aa"),
        (MESSAGE_HASH, "bb"),
        (FLAGS, "dst-shifted, charset-replaced"),
        (MAPPING, "adt@3"),
    ];
    let fact = decode(topic::FHIR_ENCOUNTER, &headers, ENCOUNTER).unwrap();
    let place = |text: &str| Place::new(text);
    assert_eq!(
        fact.subject,
        Subject::Visit(VisitSays {
            visit: "v1".into(),
            merged: Some("v0".into()),
            active: place("ICU^1^2"),
            prior: place("ED"),
            reserved: place("W^1^1"),
            class: Some("IMP".into()),
        })
    );
    assert_eq!(
        (fact.part, fact.precision_ms, fact.from_evn6),
        (2, 60_000, true)
    );
    assert_eq!(fact.origin, "here/fhir.encounter/3/9");
    assert_eq!(fact.recorded_ms - fact.event_ms, 30 * 60_000);
    assert_eq!(fact.received_ms - fact.recorded_ms, 1500);
    assert_eq!(fact.flags, ["dst-shifted", "charset-replaced"]);
    assert_eq!(
        (fact.site.as_str(), fact.control_id.as_str()),
        ("here", "77")
    );
}

#[test]
fn p12_a_copy_is_of_the_site_that_replication_wrote_and_a_claim_counts_for_nothing() {
    let copied = [(ORIGIN, "st-john/fhir.encounter/0/4"), (SITE, "st-mary")];
    let record = record(&copied, ENCOUNTER);
    for (copies, site, position) in [
        (true, "st-john", "st-john/fhir.encounter/0/4"),
        (false, "here", "here/fhir.encounter/3/9"),
    ] {
        let from = origin::ReadFrom { copies, ..HERE };
        let origin = from.origin(topic::FHIR_ENCOUNTER, 3, 9, &record);
        let fact = fact(&origin, &record).unwrap().unwrap();
        assert_eq!((fact.site.as_str(), fact.origin.as_str()), (site, position));
        assert_eq!(origin::misnamed(&record, &origin), Some("st-mary"));
        assert_eq!(fact.received_ms, 5);
    }
}

#[test]
fn bed_reports_are_read() {
    let bed = |system: &str, code: &str| {
        let value = format!(
            r#"{{"identifier":[{{"system":"urn:wardline:location","value":"A^1^1"}}],"operationalStatus":{{"system":"{system}","code":"{code}"}}}}"#
        );
        decode(topic::FHIR_LOCATION, &[(EVENT_TYPE, "ADT^A20")], &value).map(|fact| fact.subject)
    };
    let says = |condition| {
        Ok(Subject::Bed(BedSays {
            bed: "A^1^1".into(),
            condition,
        }))
    };
    assert_eq!(bed(SYSTEM_BED_STATUS, "H"), says(Condition::Housekeeping));
    assert_eq!(
        bed(SYSTEM_BED_CONDITION, "cleaning"),
        says(Condition::Cleaning)
    );
    assert_eq!(
        bed(SYSTEM_BED_STATUS, "Z").unwrap_err().place,
        "Location.operationalStatus"
    );
}

fn device(rest: &str) -> Result<DeviceSays, DecodeError> {
    let value = format!(
        r#"{{"identifier":[{{"system":"urn:wardline:device","value":"pump-7"}}],"type":{{"text":"pump"}}{rest}}}"#
    );
    decode(
        topic::FHIR_DEVICE,
        &[(EVENT_TYPE, "mqtt"), (DEVICE_SEQ, "12")],
        &value,
    )
    .map(|fact| match fact.subject {
        Subject::Device(says) => says,
        other => panic!("{other:?}"),
    })
}

#[test]
fn devices_are_read() {
    let state = device(r#","extension":[{"url":"urn:wardline:device-state","valueCode":"in-use"},{"url":"urn:wardline:department","valueString":"icu"}]"#).unwrap();
    assert_eq!(state.value, DeviceValue::State(DeviceState::InUse));
    assert_eq!(
        (
            state.department.as_deref(),
            state.kind.as_deref(),
            state.seq
        ),
        (Some("icu"), Some("pump"), Some(12))
    );
    let battery =
        device(r#","extension":[{"url":"urn:wardline:battery-percent","valueDecimal":71.25}]"#)
            .unwrap();
    assert_eq!(
        (battery.value, battery.metric.as_str()),
        (DeviceValue::Battery(71_250), "battery")
    );
    let location = device(
        r#","location":{"identifier":{"system":"urn:wardline:location","value":"ICU^1^2"}}"#,
    )
    .unwrap();
    assert_eq!(
        location.value,
        DeviceValue::Location(Place::new("ICU^1^2").unwrap())
    );
    assert!(
        device(r#","extension":[{"url":"urn:wardline:device-state","valueCode":"flying"}]"#)
            .is_err()
    );
    assert!(
        device(r#","extension":[{"url":"urn:wardline:battery-percent","valueDecimal":140}]"#)
            .is_err()
    );
}

#[test]
fn an_observation_is_a_sign_of_life() {
    let observation = r#"{"device":{"identifier":{"system":"urn:wardline:device","value":"mon-1"}},"valueQuantity":{"value":80}}"#;
    let fact = decode(
        topic::FHIR_OBSERVATION,
        &[(METRIC, "heart_rate")],
        observation,
    )
    .unwrap();
    assert!(matches!(
        fact.subject,
        Subject::Device(DeviceSays {
            value: DeviceValue::Heard,
            ..
        })
    ));
}

#[test]
fn p8_a_broken_record_says_what_and_where_and_not_what_it_held() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: [Case<'_>; 9] = [
        (
            topic::FHIR_ENCOUNTER,
            &[(EVENT_ID, "-")],
            ENCOUNTER,
            "header event-id",
        ),
        (
            topic::FHIR_ENCOUNTER,
            &[(EVENT_ID, "x")],
            ENCOUNTER,
            "header event-id",
        ),
        (
            topic::FHIR_ENCOUNTER,
            &[(EVENT_TIME, "-")],
            ENCOUNTER,
            "header event-time",
        ),
        (
            topic::FHIR_ENCOUNTER,
            &[(RECORDED, "soon")],
            ENCOUNTER,
            "header recorded",
        ),
        (
            topic::FHIR_ENCOUNTER,
            &[(EVENT_TYPE, "-")],
            ENCOUNTER,
            "header event-type",
        ),
        (
            topic::FHIR_ENCOUNTER,
            &[],
            r#"{"identifier":"SECRET"}"#,
            "value",
        ),
        (topic::FHIR_ENCOUNTER, &[], "SECRET", "value"),
        (topic::FHIR_ENCOUNTER, &[], "{}", "Encounter.identifier"),
        ("view.bed", &[], "{}", "topic"),
    ];
    for (topic, headers, value, place) in cases {
        let error = decode(topic, headers, value).unwrap_err();
        assert_eq!(error.place, place, "{error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}

#[test]
fn a_tombstone_says_nothing() {
    let record = Record {
        value: None,
        ..Record::default()
    };
    assert_eq!(
        fact(&HERE.origin(topic::FHIR_ENCOUNTER, 0, 0, &record), &record),
        Ok(None)
    );
}

#[test]
fn the_bridges_words_for_a_devices_state_are_those_of_the_views() {
    let shown: Vec<&str> = DeviceState::ALL
        .iter()
        .map(|state| state.as_str())
        .collect();
    assert_eq!(shown, DEVICE_STATES);
}
