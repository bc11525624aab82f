//! Device: what one message of a device says about the device itself: its state, its battery or its place.

use fhir_sdk::r4b::resources::Device;
use fhir_sdk::r4b::types::{CodeableConcept, Extension, ExtensionValue};
use wardline_model::record::{
    EXTENSION_BATTERY, EXTENSION_DEPARTMENT, EXTENSION_DEVICE_STATE, SYSTEM_DEVICE,
};

use super::{FhirError, Place, ResourceIds};

/// One value of one device.
#[derive(Debug)]
pub enum DeviceValue<'a> {
    State(&'a str),
    Battery(f64),
    Location(Place),
}

#[derive(Debug)]
pub struct DeviceFact<'a> {
    pub device: &'a str,
    pub department: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub value: DeviceValue<'a>,
}

pub fn write(fact: &DeviceFact<'_>, ids: &ResourceIds) -> Result<Vec<u8>, FhirError> {
    let mut extensions = Vec::with_capacity(2);
    match &fact.value {
        DeviceValue::State(state) => extensions.push(extension(
            EXTENSION_DEVICE_STATE,
            ExtensionValue::Code((*state).to_owned()),
        )?),
        DeviceValue::Battery(percent) => extensions.push(extension(
            EXTENSION_BATTERY,
            ExtensionValue::Decimal(*percent),
        )?),
        DeviceValue::Location(_) => {}
    }
    if let Some(department) = fact.department {
        extensions.push(extension(
            EXTENSION_DEPARTMENT,
            ExtensionValue::String(department.to_owned()),
        )?);
    }
    let mut device = Device::builder()
        .id(ids.device(fact.device))
        .extension(extensions)
        .identifier(vec![Some(super::identifier(SYSTEM_DEVICE, fact.device)?)]);
    if let Some(kind) = fact.kind {
        device = device.r#type(CodeableConcept::builder().text(kind.to_owned()).build()?);
    }
    if let DeviceValue::Location(place) = &fact.value {
        device = device.location(super::place_reference(place, ids)?);
    }
    super::to_json(&device.build()?)
}

fn extension(url: &str, value: ExtensionValue) -> Result<Extension, FhirError> {
    Ok(Extension::builder()
        .url(url.to_owned())
        .value(value)
        .build()?)
}
