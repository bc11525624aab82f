//! What is true of the whole site.

use std::path::PathBuf;

use wardline_model::SiteName;

use super::keys;
use crate::value::Zone;

keys! {
    /// the site, in topics and headers
    SITE_NAME: SiteName = "site.name", default "local", example "st-mary";
    /// for messages that carry no zone; `system` is that of this machine
    SITE_TIMEZONE: Zone = "site.timezone", default "system", example "Europe/Berlin";
    /// the hospital's own bed list (CSV: bed,department,class,staffed)
    SITE_BEDS: PathBuf = "site.beds", example "beds.csv";
}
