//! FHIR R4 resources as this bridge writes them: one file a resource, and the few pieces that they share.
//!
//! Built with the R4B model of fhir-sdk, which serialises our resources exactly as R4 4.0.1. Nothing is ever parsed
//! with it. Ids and bytes are functions of what is passed in: no clock, no randomness, one field order.
//! docs/specs/fhir-records.md has the numbered rules.

pub mod device;
pub mod encounter;
pub mod ids;
pub mod location;
pub mod observation;
pub mod place;

use fhir_sdk::BuilderError;
use fhir_sdk::r4b::types::{CodeableConcept, Coding, Identifier, Reference};
use serde::Serialize;

pub use ids::{Pseudonyms, ResourceIds};
pub use place::Place;

const PHYSICAL_TYPE: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";

/// A resource could not be built or written: a fault of this program, never of the input.
#[derive(Debug, thiserror::Error)]
pub enum FhirError {
    #[error("a required element was not given: {0}")]
    Build(#[from] BuilderError),
    #[error("the resource cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` is no FHIR time")]
    Time(String),
}

fn to_json(resource: &impl Serialize) -> Result<Vec<u8>, FhirError> {
    let mut bytes = Vec::with_capacity(768);
    serde_json::to_writer(&mut bytes, resource)?;
    Ok(bytes)
}

fn identifier(system: &str, value: &str) -> Result<Identifier, FhirError> {
    Ok(Identifier::builder()
        .system(system.to_owned())
        .value(value.to_owned())
        .build()?)
}

fn coding(system: &str, code: &str) -> Result<Coding, FhirError> {
    Ok(Coding::builder()
        .system(system.to_owned())
        .code(code.to_owned())
        .build()?)
}

fn concept(coding: Coding) -> Result<CodeableConcept, FhirError> {
    Ok(CodeableConcept::builder()
        .coding(vec![Some(coding)])
        .build()?)
}

fn physical_type(place: &Place) -> Result<CodeableConcept, FhirError> {
    concept(coding(PHYSICAL_TYPE, place.finest().code())?)
}

/// A reference that names a place by id and by its own words, so that a reader needs no second look-up.
fn place_reference(place: &Place, ids: &ResourceIds) -> Result<Reference, FhirError> {
    Ok(Reference::builder()
        .reference(format!("Location/{}", ids.location(place.as_str())))
        .identifier(identifier(
            wardline_model::record::SYSTEM_LOCATION,
            place.as_str(),
        )?)
        .build()?)
}

fn date_time(text: &str) -> Result<fhir_sdk::DateTime, FhirError> {
    text.parse()
        .map_err(|_| FhirError::Time(text.chars().take(40).collect()))
}
