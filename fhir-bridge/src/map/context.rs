//! What the mapping needs to know about its site. Nothing in it changes while the bridge runs.

use jiff::tz::TimeZone;
use wardline_model::SiteName;

use super::fhir::{Pseudonyms, ResourceIds};
use super::mappings::MappingSet;
use super::site_key::SiteKey;

#[derive(Debug, Clone)]
pub struct SiteContext {
    pub site: SiteName,
    /// For messages that carry no zone, and for how times are written.
    pub zone: TimeZone,
    pub pseudonyms: Pseudonyms,
    pub ids: ResourceIds,
    pub mappings: MappingSet,
}

impl SiteContext {
    pub fn new(site: SiteName, zone: TimeZone, key: &SiteKey, mappings: MappingSet) -> Self {
        Self {
            ids: ResourceIds::new(&site),
            pseudonyms: Pseudonyms::new(key),
            site,
            zone,
            mappings,
        }
    }
}
