//! From a record of a `fhir.*` topic to a fact of the ledger.
//!
//! What is about the event stands in headers, what is about the visit, bed or device in the resource; only the few
//! elements that the ledger uses are read, so nothing else of a resource can reach a view. A record that cannot be read
//! says what is wrong and where, and holds nothing up: the shell counts it and goes on.

use std::borrow::Cow;

use serde::Deserialize;
use wardline_log::Record;
use wardline_model::capacity::DeviceState;
use wardline_model::record::{
    CONTROL_ID, DEVICE_SEQ, EVENT_ID, EVENT_TIME, EVENT_TIME_FROM, EVENT_TIME_PRECISION_MS,
    EVENT_TYPE, EXTENSION_BATTERY, EXTENSION_DEPARTMENT, EXTENSION_DEVICE_STATE, FLAGS, MAPPING,
    MESSAGE_HASH, MESSAGE_KEY, METRIC, ORIGIN, RECEIVED, RECORDED, SITE, SYSTEM_BED_CONDITION,
    SYSTEM_BED_STATUS, SYSTEM_DEVICE, SYSTEM_LOCATION, SYSTEM_VISIT,
};
use wardline_model::time::parse_rfc3339;
use wardline_model::{EventId, topic};

use crate::ledger::{BedSays, Condition, DeviceSays, DeviceValue, Fact, Place, Subject, VisitSays};

/// What is wrong with a record, and where in it. Retrying does not help; the record is counted and set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct DecodeError {
    /// `header event-id`, `value`, `Encounter.location`.
    pub place: String,
    pub why: String,
}

impl DecodeError {
    fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            why: why.into(),
        }
    }
}

/// `Ok(None)` for a tombstone: it says nothing. `site`, `topic`, `partition` and `offset` are where the record was read;
/// a replicated record says itself where it came from.
pub fn fact(
    site: &str,
    topic: &str,
    partition: u32,
    offset: u64,
    record: &Record,
) -> Result<Option<Fact>, DecodeError> {
    let Some(value) = &record.value else {
        return Ok(None);
    };
    let subject = subject(topic, record, value)?;
    let id: EventId = required(record, EVENT_ID)?
        .parse()
        .map_err(|_| DecodeError::new("header event-id", "is not agent/incarnation/seq"))?;
    let event_ms = time(record, EVENT_TIME)?
        .ok_or_else(|| DecodeError::new("header event-time", "is missing"))?;
    let origin = match record.header_str(ORIGIN) {
        Some(origin) => origin.to_owned(),
        None => format!("{site}/{topic}/{partition}/{offset}"),
    };
    let site = record
        .header_str(SITE)
        .or_else(|| origin.split('/').next())
        .unwrap_or(site)
        .to_owned();
    let text = |name: &str| record.header_str(name).map(str::to_owned);
    let flags = record.header_str(FLAGS).unwrap_or_default().split(',');
    Ok(Some(Fact {
        part: id.part.unwrap_or_default(),
        id: id.to_string(),
        site,
        origin,
        mapping: text(MAPPING).unwrap_or_default(),
        event_type: required(record, EVENT_TYPE)?.to_owned(),
        event_ms,
        precision_ms: number(record, EVENT_TIME_PRECISION_MS)?
            .map_or(1, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
        from_evn6: record.header_str(EVENT_TIME_FROM) == Some("EVN-6"),
        recorded_ms: time(record, RECORDED)?.unwrap_or(event_ms),
        received_ms: time(record, RECEIVED)?.unwrap_or(record.time_ms),
        control_id: text(CONTROL_ID).unwrap_or_default(),
        message_key: text(MESSAGE_KEY),
        message_hash: text(MESSAGE_HASH),
        flags: flags
            .map(str::trim)
            .filter(|flag| !flag.is_empty())
            .map(str::to_owned)
            .collect(),
        subject,
    }))
}

fn required<'a>(record: &'a Record, name: &str) -> Result<&'a str, DecodeError> {
    record
        .header_str(name)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| DecodeError::new(format!("header {name}"), "is missing"))
}

fn time(record: &Record, name: &str) -> Result<Option<i64>, DecodeError> {
    let Some(text) = record.header_str(name) else {
        return Ok(None);
    };
    parse_rfc3339(text).map(Some).ok_or_else(|| {
        DecodeError::new(
            format!("header {name}"),
            "is not an RFC 3339 time with a zone",
        )
    })
}

fn number(record: &Record, name: &str) -> Result<Option<u64>, DecodeError> {
    let Some(text) = record.header_str(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| DecodeError::new(format!("header {name}"), "is not a whole number"))
}

fn subject(topic: &str, record: &Record, value: &[u8]) -> Result<Subject, DecodeError> {
    match topic {
        topic::FHIR_ENCOUNTER => visit(&json(value)?).map(Subject::Visit),
        topic::FHIR_LOCATION => bed(&json(value)?).map(Subject::Bed),
        topic::FHIR_DEVICE => device(record, &json(value)?).map(Subject::Device),
        topic::FHIR_OBSERVATION => heard(record, &json(value)?).map(Subject::Device),
        other => Err(DecodeError::new(
            "topic",
            format!("`{other}` is not a topic of the ledger"),
        )),
    }
}

/// The place of a fault is told, never what stands there.
fn json<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(value).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Data => "is not the resource that the topic holds",
            _ => "is not JSON",
        };
        DecodeError::new(
            "value",
            format!("{why} (line {}, column {})", error.line(), error.column()),
        )
    })
}

type Text<'a> = Cow<'a, str>;

#[derive(Deserialize)]
struct Identifier<'a> {
    #[serde(borrow, default)]
    system: Option<Text<'a>>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    #[serde(borrow, default, rename = "use")]
    usage: Option<Text<'a>>,
}

impl Identifier<'_> {
    fn of(&self, system: &str) -> Option<&str> {
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        value.filter(|_| self.system.as_deref() == Some(system))
    }
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow, default)]
    identifier: Option<Identifier<'a>>,
}

impl Reference<'_> {
    fn place(&self) -> Option<Place> {
        Place::new(self.identifier.as_ref()?.of(SYSTEM_LOCATION)?)
    }
}

#[derive(Deserialize)]
struct Coding<'a> {
    #[serde(borrow, default)]
    system: Option<Text<'a>>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Concept<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct EncounterLocation<'a> {
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    location: Reference<'a>,
}

#[derive(Deserialize)]
struct Encounter<'a> {
    #[serde(borrow, default)]
    identifier: Vec<Identifier<'a>>,
    #[serde(borrow, default)]
    class: Option<Coding<'a>>,
    #[serde(borrow, default)]
    location: Vec<EncounterLocation<'a>>,
}

fn visit(encounter: &Encounter<'_>) -> Result<VisitSays, DecodeError> {
    let mut says = VisitSays::default();
    for identifier in &encounter.identifier {
        let Some(value) = identifier.of(SYSTEM_VISIT) else {
            continue;
        };
        if identifier.usage.as_deref() == Some("old") {
            says.merged.get_or_insert_with(|| value.to_owned());
        } else if says.visit.is_empty() {
            value.clone_into(&mut says.visit);
        }
    }
    if says.visit.is_empty() {
        return Err(DecodeError::new("Encounter.identifier", "names no visit"));
    }
    for location in &encounter.location {
        let place = location.location.place();
        let slot = match location.status.as_deref() {
            Some("completed") => &mut says.prior,
            Some("reserved") => &mut says.reserved,
            Some("active" | "planned") | None => &mut says.active,
            Some(other) => {
                let shown: String = other.chars().take(20).collect();
                return Err(DecodeError::new(
                    "Encounter.location.status",
                    format!("`{shown}` is not a status"),
                ));
            }
        };
        if slot.is_none() {
            *slot = place;
        }
    }
    says.class = encounter
        .class
        .as_ref()
        .and_then(|class| class.code.as_deref().map(str::to_owned));
    Ok(says)
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow, default)]
    identifier: Vec<Identifier<'a>>,
    #[serde(borrow, default, rename = "operationalStatus")]
    operational_status: Option<Coding<'a>>,
}

fn bed(location: &Location<'_>) -> Result<BedSays, DecodeError> {
    let named = location
        .identifier
        .iter()
        .find_map(|identifier| identifier.of(SYSTEM_LOCATION));
    let bed = named
        .and_then(Place::new)
        .and_then(|place| place.bed().map(str::to_owned))
        .ok_or_else(|| DecodeError::new("Location.identifier", "names no bed"))?;
    let condition = location
        .operational_status
        .as_ref()
        .filter(|coding| {
            matches!(
                coding.system.as_deref(),
                Some(SYSTEM_BED_STATUS | SYSTEM_BED_CONDITION)
            )
        })
        .and_then(|coding| Condition::from_code(coding.code.as_deref()?))
        .ok_or_else(|| DecodeError::new("Location.operationalStatus", "is no known bed status"))?;
    Ok(BedSays { bed, condition })
}

#[derive(Deserialize)]
struct Extension<'a> {
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow, default, rename = "valueCode")]
    code: Option<Text<'a>>,
    #[serde(borrow, default, rename = "valueString")]
    string: Option<Text<'a>>,
    #[serde(default, rename = "valueDecimal")]
    decimal: Option<f64>,
}

#[derive(Deserialize)]
struct Device<'a> {
    #[serde(borrow, default)]
    identifier: Vec<Identifier<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Concept<'a>>,
    #[serde(borrow, default)]
    location: Option<Reference<'a>>,
    #[serde(borrow, default)]
    extension: Vec<Extension<'a>>,
}

#[derive(Deserialize)]
struct Observation<'a> {
    #[serde(borrow, default)]
    device: Option<Reference<'a>>,
    #[serde(borrow, default)]
    extension: Vec<Extension<'a>>,
}

fn extension<'a>(extensions: &'a [Extension<'a>], url: &str) -> Option<&'a Extension<'a>> {
    extensions.iter().find(|extension| extension.url == url)
}

fn department(extensions: &[Extension<'_>]) -> Option<String> {
    extension(extensions, EXTENSION_DEPARTMENT)?
        .string
        .as_deref()
        .map(str::to_owned)
}

fn device(record: &Record, device: &Device<'_>) -> Result<DeviceSays, DecodeError> {
    let named = device
        .identifier
        .iter()
        .find_map(|identifier| identifier.of(SYSTEM_DEVICE));
    let name = named.ok_or_else(|| DecodeError::new("Device.identifier", "names no device"))?;
    let value = device_value(device)?;
    let metric = match (record.header_str(METRIC), &value) {
        (Some(metric), _) => metric,
        (None, DeviceValue::State(_)) => "state",
        (None, DeviceValue::Battery(_)) => "battery",
        (None, DeviceValue::Location(_)) => "location",
        (None, DeviceValue::Heard) => "heard",
    };
    Ok(DeviceSays {
        device: name.to_owned(),
        kind: device
            .kind
            .as_ref()
            .and_then(|kind| kind.text.as_deref().map(str::to_owned)),
        department: department(&device.extension),
        metric: metric.to_owned(),
        value,
        seq: number(record, DEVICE_SEQ)?,
    })
}

fn device_value(device: &Device<'_>) -> Result<DeviceValue, DecodeError> {
    if let Some(state) = extension(&device.extension, EXTENSION_DEVICE_STATE) {
        let word = state.code.as_deref().unwrap_or_default();
        let state: DeviceState = word.parse().map_err(|error| {
            DecodeError::new("Device.extension device-state", format!("{error}"))
        })?;
        return Ok(DeviceValue::State(state));
    }
    if let Some(battery) = extension(&device.extension, EXTENSION_BATTERY) {
        let percent = battery
            .decimal
            .filter(|percent| (0.0..=100.0).contains(percent));
        let percent = percent.ok_or_else(|| {
            DecodeError::new(
                "Device.extension battery-percent",
                "is not between 0 and 100",
            )
        })?;
        // Within 0 to 100,000.
        #[allow(clippy::cast_possible_truncation)]
        return Ok(DeviceValue::Battery((percent * 1000.0).round() as i64));
    }
    if let Some(location) = &device.location {
        let place = location
            .place()
            .ok_or_else(|| DecodeError::new("Device.location", "names no place"))?;
        return Ok(DeviceValue::Location(place));
    }
    Ok(DeviceValue::Heard)
}

/// Of a measurement only that it came is kept, never what it says.
fn heard(record: &Record, observation: &Observation<'_>) -> Result<DeviceSays, DecodeError> {
    let device = observation
        .device
        .as_ref()
        .and_then(|device| device.identifier.as_ref()?.of(SYSTEM_DEVICE));
    let name = device.ok_or_else(|| DecodeError::new("Observation.device", "names no device"))?;
    Ok(DeviceSays {
        device: name.to_owned(),
        kind: None,
        department: department(&observation.extension),
        metric: record.header_str(METRIC).unwrap_or("heard").to_owned(),
        value: DeviceValue::Heard,
        seq: number(record, DEVICE_SEQ)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
                .map(|(name, value)| ((*name).to_owned(), value.to_string().into()))
                .collect(),
            time_ms: 5,
        }
    }

    fn decode(topic: &str, headers: &[(&str, &str)], value: &str) -> Result<Fact, DecodeError> {
        fact("here", topic, 3, 9, &record(headers, value)).map(|fact| fact.unwrap())
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
            ("st-mary", "77")
        );
    }

    #[test]
    fn a_replicated_record_says_where_it_came_from() {
        let headers = [(ORIGIN, "st-john/fhir.encounter/0/4"), (SITE, "-")];
        let fact = decode(topic::FHIR_ENCOUNTER, &headers, ENCOUNTER).unwrap();
        assert_eq!(
            (fact.site.as_str(), fact.origin.as_str()),
            ("st-john", "st-john/fhir.encounter/0/4")
        );
        assert_eq!(fact.received_ms, 5);
    }

    #[test]
    fn beds_and_devices_are_read() {
        let bed = |system: &str, code: &str| {
            let value = format!(
                r#"{{"identifier":[{{"system":"urn:wardline:location","value":"A^1^1"}}],"operationalStatus":{{"system":"{system}","code":"{code}"}}}}"#
            );
            decode(topic::FHIR_LOCATION, &[(EVENT_TYPE, "ADT^A20")], &value)
                .map(|fact| fact.subject)
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

        let device = |rest: &str| {
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
        };
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
        let cases: [(&str, &[(&str, &str)], &str, &str); 9] = [
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
        assert_eq!(fact("s", topic::FHIR_ENCOUNTER, 0, 0, &record), Ok(None));
    }
}
