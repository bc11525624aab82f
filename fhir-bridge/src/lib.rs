//! MQTT -> log (ingest), log -> FHIR R4 -> log (transform).

pub mod fhir;
pub mod hl7;
pub mod json;
pub mod sideline;
pub mod site_key;
pub mod transform;
