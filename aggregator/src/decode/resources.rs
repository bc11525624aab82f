//! The few elements of each resource that the ledger uses. Everything else is skipped unread.
//!
//! That is what keeps patients out of the views (P9): a name or diagnosis that a resource holds has no field here. What is
//! needed and missing or of another form is an error that names the element, never a default.

use std::borrow::Cow;

use serde::Deserialize;
use wardline_api::DeviceState;
use wardline_log::Record;
use wardline_model::record::{
    DEVICE_SEQ, EXTENSION_BATTERY, EXTENSION_DEPARTMENT, EXTENSION_DEVICE_STATE, METRIC,
    SYSTEM_BED_CONDITION, SYSTEM_BED_STATUS, SYSTEM_DEVICE, SYSTEM_LOCATION, SYSTEM_VISIT,
};
use wardline_model::topic;

use super::{DecodeError, number};
use crate::ledger::{BedSays, Condition, DeviceSays, DeviceValue, Place, Subject, VisitSays};

pub(super) fn subject(topic: &str, record: &Record, value: &[u8]) -> Result<Subject, DecodeError> {
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
