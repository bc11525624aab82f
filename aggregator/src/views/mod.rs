//! From rows of the ledger to what is published: which rows changed, and how they stand in the view topics.
//!
//! A row is published when anything but its age changed: ages grow by themselves, and a reader adds them up from `as_of`.
//! Keys are site and name, `st-mary/ICU^1^2`; a row that is gone becomes a tombstone. Nothing here can hold a patient.

pub(crate) mod publish;

use std::collections::BTreeMap;

use serde::Serialize;
use wardline_api::{BedRow, Change, DepartmentRow, DeviceRow};
use wardline_model::time::rfc3339;
use wardline_model::topic::{VIEW_BED, VIEW_DEPARTMENT, VIEW_DEVICE};

use crate::store::{OutboxKey, OutboxRow};

/// The three view topics.
pub(crate) const TOPICS: [&str; 3] = [VIEW_BED, VIEW_DEPARTMENT, VIEW_DEVICE];

/// What can be a row of a view.
trait Row: Clone + PartialEq + Serialize {
    const TOPIC: &'static str;
    /// `site/name`: no site's name holds a `/`.
    fn key(&self) -> String;
    /// The row without what changes by itself.
    fn still(&self) -> Self;
    fn change(self) -> Change;
}

impl Row for BedRow {
    const TOPIC: &'static str = VIEW_BED;
    fn key(&self) -> String {
        format!("{}/{}", self.site, self.bed)
    }
    fn still(&self) -> Self {
        Self {
            age_s: None,
            ..self.clone()
        }
    }
    fn change(self) -> Change {
        Change::Bed(self)
    }
}

impl Row for DepartmentRow {
    const TOPIC: &'static str = VIEW_DEPARTMENT;
    fn key(&self) -> String {
        format!("{}/{}", self.site, self.department)
    }
    fn still(&self) -> Self {
        Self {
            age_s: None,
            oldest_dirty_s: None,
            ..self.clone()
        }
    }
    fn change(self) -> Change {
        Change::Department(self)
    }
}

impl Row for DeviceRow {
    const TOPIC: &'static str = VIEW_DEVICE;
    fn key(&self) -> String {
        format!("{}/{}", self.site, self.device)
    }
    fn still(&self) -> Self {
        Self {
            age_s: None,
            ..self.clone()
        }
    }
    fn change(self) -> Change {
        Change::Device(self)
    }
}

#[derive(Serialize)]
struct Published<'a, T> {
    as_of: &'a str,
    #[serde(flatten)]
    row: &'a T,
}

/// Rows that were worked out at one moment: all there are, or some that may have changed.
#[derive(Default)]
pub(crate) struct Computed {
    pub(crate) at_ms: i64,
    pub(crate) beds: Vec<BedRow>,
    pub(crate) departments: Vec<DepartmentRow>,
    pub(crate) devices: Vec<DeviceRow>,
    /// Whether a row that is not here is gone.
    pub(crate) complete: bool,
}

/// What is published already, and what is to be.
#[derive(Default)]
pub(crate) struct Views {
    beds: BTreeMap<String, BedRow>,
    departments: BTreeMap<String, DepartmentRow>,
    devices: BTreeMap<String, DeviceRow>,
    seq: u64,
}

/// What changed, for the outbox and for those who listen.
#[derive(Default)]
pub(crate) struct Diff {
    pub(crate) outbox: BTreeMap<OutboxKey, OutboxRow>,
    pub(crate) changes: Vec<Change>,
}

impl Views {
    /// `seq`: the highest number that the outbox has used.
    pub(crate) fn new(seq: u64) -> Self {
        Self {
            seq,
            ..Self::default()
        }
    }

    pub(crate) fn diff(&mut self, computed: Computed) -> Diff {
        let mut diff = Diff::default();
        let as_of = rfc3339(computed.at_ms);
        let complete = computed.complete;
        let seq = &mut self.seq;
        compare(
            &mut self.beds,
            computed.beds,
            complete,
            &as_of,
            seq,
            &mut diff,
        );
        compare(
            &mut self.departments,
            computed.departments,
            complete,
            &as_of,
            seq,
            &mut diff,
        );
        compare(
            &mut self.devices,
            computed.devices,
            complete,
            &as_of,
            seq,
            &mut diff,
        );
        diff
    }
}

fn compare<T: Row>(
    known: &mut BTreeMap<String, T>,
    rows: Vec<T>,
    complete: bool,
    as_of: &str,
    seq: &mut u64,
    diff: &mut Diff,
) {
    if complete {
        let here: std::collections::BTreeSet<String> = rows.iter().map(Row::key).collect();
        let gone: Vec<String> = known
            .keys()
            .filter(|key| !here.contains(*key))
            .cloned()
            .collect();
        for key in gone {
            known.remove(&key);
            put(diff, T::TOPIC, key, None, seq);
        }
    }
    for row in rows {
        let still = row.still();
        let key = row.key();
        if known.get(&key) == Some(&still) {
            continue;
        }
        known.insert(key.clone(), still);
        let json = serde_json::to_vec(&Published { as_of, row: &row }).ok();
        put(diff, T::TOPIC, key, json, seq);
        diff.changes.push(row.change());
    }
}

fn put(diff: &mut Diff, topic: &str, key: String, json: Option<Vec<u8>>, seq: &mut u64) {
    *seq += 1;
    let key = OutboxKey {
        topic: topic.to_owned(),
        key,
    };
    diff.outbox.insert(key, OutboxRow { seq: *seq, json });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn department(name: &str, occupied: u32, age_s: i64) -> DepartmentRow {
        DepartmentRow {
            department: name.to_owned(),
            occupied,
            age_s: Some(age_s),
            ..DepartmentRow::default()
        }
    }

    fn computed(departments: Vec<DepartmentRow>) -> Computed {
        Computed {
            departments,
            complete: true,
            ..Computed::default()
        }
    }

    #[test]
    fn a_row_is_published_when_more_than_its_age_changed() {
        let mut views = Views::new(7);
        let first = views.diff(computed(vec![department("ICU", 1, 5)]));
        assert_eq!(first.changes.len(), 1);
        assert!(
            views
                .diff(computed(vec![department("ICU", 1, 9)]))
                .changes
                .is_empty()
        );
        let second = views.diff(computed(vec![department("ICU", 2, 9)]));
        let row = second.outbox.values().next().unwrap();
        assert_eq!(row.seq, 9);
        let json: serde_json::Value = serde_json::from_slice(row.json.as_ref().unwrap()).unwrap();
        assert_eq!(json["as_of"], "1970-01-01T00:00:00Z");
        assert_eq!(json["occupied"], 2);
    }

    #[test]
    fn a_row_that_is_gone_becomes_a_tombstone() {
        let mut views = Views::new(0);
        views.diff(computed(vec![department("ICU", 1, 5)]));
        let gone = views.diff(computed(Vec::new()));
        assert_eq!(gone.outbox.values().next().unwrap().json, None);
    }
}
