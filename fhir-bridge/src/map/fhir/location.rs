//! Location: what one A20 says about one bed.

use fhir_sdk::r4b::codes::LocationMode;
use fhir_sdk::r4b::resources::Location;
use wardline_model::record::{SYSTEM_BED_CONDITION, SYSTEM_BED_STATUS, SYSTEM_LOCATION};

use super::{FhirError, Place, ResourceIds};

/// A reported bed status: HL7 table 0116, or the one word that the table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BedCondition {
    /// C, H, O, U, K or I.
    Table0116(&'static str),
    Cleaning,
}

impl BedCondition {
    pub fn parse(word: &str) -> Option<Self> {
        let code = match word {
            "C" => "C",
            "H" => "H",
            "O" => "O",
            "U" => "U",
            "K" => "K",
            "I" => "I",
            "cleaning" => return Some(Self::Cleaning),
            _ => return None,
        };
        Some(Self::Table0116(code))
    }

    fn coding(self) -> (&'static str, &'static str) {
        match self {
            Self::Table0116(code) => (SYSTEM_BED_STATUS, code),
            Self::Cleaning => (SYSTEM_BED_CONDITION, "cleaning"),
        }
    }
}

pub fn write(
    bed: &Place,
    condition: BedCondition,
    ids: &ResourceIds,
) -> Result<Vec<u8>, FhirError> {
    let (system, code) = condition.coding();
    let mut location = Location::builder()
        .id(ids.location(bed.as_str()))
        .identifier(vec![Some(super::identifier(
            SYSTEM_LOCATION,
            bed.as_str(),
        )?)])
        .operational_status(super::coding(system, code)?)
        .mode(LocationMode::Instance)
        .physical_type(super::physical_type(bed)?);
    if let Some(room) = bed.room() {
        location = location.part_of(super::place_reference(&room, ids)?);
    }
    super::to_json(&location.build()?)
}
