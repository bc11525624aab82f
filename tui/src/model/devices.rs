//! Devices by what they are doing. A silent device is counted as silent, not as what it last said; one that never said
//! anything, or whose word is not of now, is unknown.

use std::collections::BTreeMap;

use wardline_api::{DeviceRow, DeviceState};

use super::Model;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeviceWord {
    Said(DeviceState),
    Silent,
    Unknown,
}

impl DeviceWord {
    pub(crate) fn of(row: &DeviceRow) -> Self {
        match row.state {
            _ if row.silent => DeviceWord::Silent,
            Some(state) => DeviceWord::Said(state),
            None => DeviceWord::Unknown,
        }
    }

    /// As the API says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            DeviceWord::Said(state) => state.as_str(),
            DeviceWord::Silent => "silent",
            DeviceWord::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeviceCounts {
    pub total: u64,
    pub by_word: BTreeMap<DeviceWord, u64>,
}

impl DeviceCounts {
    fn add(&mut self, word: DeviceWord) {
        self.total += 1;
        *self.by_word.entry(word).or_default() += 1;
    }

    /// `in-use 7`, `silent 1`: the states that occur, in a fixed order.
    pub(crate) fn facts(&self) -> Vec<String> {
        let words = self.by_word.iter();
        words
            .map(|(word, n)| format!("{} {n}", word.as_str()))
            .collect()
    }
}

impl Model {
    /// All devices, and each kind of them by name; `None` until they were heard.
    pub(crate) fn device_counts(&self) -> Option<(DeviceCounts, BTreeMap<String, DeviceCounts>)> {
        let mut all = DeviceCounts::default();
        let mut kinds: BTreeMap<String, DeviceCounts> = BTreeMap::new();
        for aged in self.devices.as_ref()?.iter() {
            let word = DeviceWord::of(&aged.row);
            let kind = aged.row.kind.as_deref().unwrap_or("of no kind");
            all.add(word);
            kinds.entry(kind.to_owned()).or_default().add(word);
        }
        Some((all, kinds))
    }
}
