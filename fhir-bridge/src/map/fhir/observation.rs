//! Observation: one measured value of one device. No patient is named: the device alone says where it was measured.

use fhir_sdk::r4b::codes::ObservationStatus;
use fhir_sdk::r4b::resources::{Observation, ObservationEffective, ObservationValue};
use fhir_sdk::r4b::types::{
    CodeableConcept, Coding, Extension, ExtensionValue, Quantity, Reference,
};
use wardline_model::record::{EXTENSION_DEPARTMENT, SYSTEM_DEVICE};

use super::{FhirError, ResourceIds};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";

#[derive(Debug)]
pub struct ObservationFact<'a> {
    pub event_id: &'a str,
    pub device: &'a str,
    pub department: Option<&'a str>,
    pub category: &'a str,
    /// LOINC code and its name.
    pub code: &'a str,
    pub display: &'a str,
    /// RFC 3339 with zone.
    pub time: &'a str,
    pub value: f64,
    /// UCUM.
    pub unit: &'a str,
}

pub fn write(fact: &ObservationFact<'_>, ids: &ResourceIds) -> Result<Vec<u8>, FhirError> {
    let mut observation = Observation::builder()
        .id(ids.observation(fact.event_id))
        .status(ObservationStatus::Final)
        .category(vec![Some(super::concept(super::coding(
            CATEGORY,
            fact.category,
        )?)?)])
        .code(code(fact)?)
        .effective(ObservationEffective::DateTime(super::date_time(fact.time)?))
        .value(ObservationValue::Quantity(quantity(fact)?))
        .device(device(fact, ids)?);
    if let Some(department) = fact.department {
        let extension = Extension::builder()
            .url(EXTENSION_DEPARTMENT.to_owned())
            .value(ExtensionValue::String(department.to_owned()))
            .build()?;
        observation = observation.extension(vec![extension]);
    }
    super::to_json(&observation.build()?)
}

fn code(fact: &ObservationFact<'_>) -> Result<CodeableConcept, FhirError> {
    let coding = Coding::builder()
        .system(LOINC.to_owned())
        .code(fact.code.to_owned())
        .display(fact.display.to_owned())
        .build()?;
    super::concept(coding)
}

fn quantity(fact: &ObservationFact<'_>) -> Result<Quantity, FhirError> {
    Ok(Quantity::builder()
        .value(fact.value)
        .unit(fact.unit.to_owned())
        .system(UCUM.to_owned())
        .code(fact.unit.to_owned())
        .build()?)
}

fn device(fact: &ObservationFact<'_>, ids: &ResourceIds) -> Result<Reference, FhirError> {
    Ok(Reference::builder()
        .reference(format!("Device/{}", ids.device(fact.device)))
        .identifier(super::identifier(SYSTEM_DEVICE, fact.device)?)
        .build()?)
}
