//! What a hospital may choose about its beds and devices.

use std::collections::BTreeMap;

use wardline_api::BedClass;

use super::limits::{DEVICE_SILENT_MS, ENDED_KEPT_MS};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether a departure that empties a bed of the class makes it dirty. A class that is not named: yes.
    pub dirty_after_departure: BTreeMap<BedClass, bool>,
    pub device_silent_ms: i64,
    /// See `limits::ENDED_KEPT_MS`.
    pub ended_kept_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            dirty_after_departure: BTreeMap::new(),
            device_silent_ms: DEVICE_SILENT_MS,
            ended_kept_ms: ENDED_KEPT_MS,
        }
    }
}

impl Policy {
    pub fn dirty_after_departure(&self, class: BedClass) -> bool {
        self.dirty_after_departure
            .get(&class)
            .copied()
            .unwrap_or(true)
    }
}
