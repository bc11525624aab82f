//! What the mapping needs to know about its site. Nothing in it changes while the bridge runs.

use jiff::tz::TimeZone;
use wardline_model::SiteName;

use super::mappings::MappingSet;
use crate::fhir::{Pseudonyms, ResourceIds};
use crate::site_key::SiteKey;

#[derive(Debug, Clone)]
pub struct SiteContext {
    pub site: SiteName,
    /// For messages that carry no zone, and for how times are written.
    pub zone: TimeZone,
    pub pseudonyms: Pseudonyms,
    pub ids: ResourceIds,
    pub mappings: MappingSet,
    /// The log commits an `append_many` as a whole (the embedded engine). Then outputs and position move together;
    /// otherwise outputs go first, and a crash between the two repeats them byte for byte.
    pub one_commit: bool,
}

impl SiteContext {
    pub fn new(
        site: SiteName,
        zone: TimeZone,
        key: &SiteKey,
        mappings: MappingSet,
        one_commit: bool,
    ) -> Self {
        Self {
            ids: ResourceIds::new(&site),
            pseudonyms: Pseudonyms::new(key),
            site,
            zone,
            mappings,
            one_commit,
        }
    }
}
