//! Encounter: what one event says about one visit.
//!
//! The bridge keeps no state of visits, so a record holds only what its own message says: where the visit is (`active`
//! or `planned`), was (`completed`) and shall be (`reserved`). Readers fold many of them into a timeline.

use fhir_sdk::r4b::codes::{EncounterLocationStatus, EncounterStatus, IdentifierUse};
use fhir_sdk::r4b::resources::{Encounter, EncounterLocation};
use fhir_sdk::r4b::types::{Identifier, Period, Reference};
use wardline_model::record::{SYSTEM_PATIENT, SYSTEM_VISIT};

use super::{FhirError, Place, ResourceIds};

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// What an event says about one visit. `visit`, `merged` and `patient` are pseudonyms.
#[derive(Debug)]
pub struct EncounterFact<'a> {
    pub visit: &'a str,
    /// The visit that goes on as `visit` (A42, A35).
    pub merged: Option<&'a str>,
    pub patient: Option<&'a str>,
    pub status: EncounterStatus,
    /// v3-ActCode: IMP, AMB, EMER, PRENC...
    pub class: &'a str,
    pub places: &'a [(EncounterLocationStatus, Place)],
    pub start: Option<&'a str>,
    pub end: Option<&'a str>,
}

pub fn write(fact: &EncounterFact<'_>, ids: &ResourceIds) -> Result<Vec<u8>, FhirError> {
    let mut encounter = Encounter::builder()
        .id(fact.visit.to_owned())
        .identifier(identifiers(fact)?)
        .status(fact.status)
        .class(super::coding(ACT_CODE, fact.class)?);
    if let Some(patient) = fact.patient {
        let subject = Reference::builder()
            .r#type("Patient".to_owned())
            .identifier(super::identifier(SYSTEM_PATIENT, patient)?)
            .build()?;
        encounter = encounter.subject(subject);
    }
    if let Some(period) = period(fact)? {
        encounter = encounter.period(period);
    }
    if !fact.places.is_empty() {
        encounter = encounter.location(locations(fact.places, ids)?);
    }
    super::to_json(&encounter.build()?)
}

fn identifiers(fact: &EncounterFact<'_>) -> Result<Vec<Option<Identifier>>, FhirError> {
    let mut out = vec![Some(super::identifier(SYSTEM_VISIT, fact.visit)?)];
    if let Some(merged) = fact.merged {
        let old = Identifier::builder()
            .r#use(IdentifierUse::Old)
            .system(SYSTEM_VISIT.to_owned())
            .value(merged.to_owned())
            .build()?;
        out.push(Some(old));
    }
    Ok(out)
}

fn period(fact: &EncounterFact<'_>) -> Result<Option<Period>, FhirError> {
    if fact.start.is_none() && fact.end.is_none() {
        return Ok(None);
    }
    let mut period = Period::builder();
    if let Some(start) = fact.start {
        period = period.start(super::date_time(start)?);
    }
    if let Some(end) = fact.end {
        period = period.end(super::date_time(end)?);
    }
    Ok(Some(period.build()?))
}

fn locations(
    places: &[(EncounterLocationStatus, Place)],
    ids: &ResourceIds,
) -> Result<Vec<Option<EncounterLocation>>, FhirError> {
    places
        .iter()
        .map(|(status, place)| {
            let location = EncounterLocation::builder()
                .location(super::place_reference(place, ids)?)
                .status(*status)
                .physical_type(super::physical_type(place)?)
                .build()?;
            Ok(Some(location))
        })
        .collect()
}
