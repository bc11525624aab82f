//! From rows of the ledger to what is published: which rows changed, and how they stand in the view topics.
//!
//! A row is published when anything but its age changed: ages grow by themselves, and a reader adds them up from `as_of`.
//! Keys are site and name, `st-mary/ICU^1^2`; a row that is gone becomes a tombstone. What is published is state: the
//! hash of each row is committed with the row, and a restart goes on from there. Nothing here can hold a patient.

pub(crate) mod line;
pub(crate) mod publish;
pub(crate) mod ring;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::mem::swap;

use serde::Serialize;
use wardline_api::{BedRow, Change, DepartmentRow, DeviceRow, Removed, RowKind};
use wardline_model::time::rfc3339;
use wardline_model::topic::{VIEW_BED, VIEW_DEPARTMENT, VIEW_DEVICE};

use crate::error::AggregatorError;
use crate::store::{RowKey, Store, ViewRow};
use ring::RowEvent;

/// The three view topics, in the order in which they are written: the fewest rows, and those most looked at, first.
pub(crate) const TOPICS: [&str; 3] = [VIEW_DEPARTMENT, VIEW_BED, VIEW_DEVICE];

/// What can be a row of a view.
trait Row: Serialize {
    const TOPIC: &'static str;
    const KIND: RowKind;
    /// `site/name`: no site's name holds a `/`.
    fn key(&self) -> String;
    /// Exchanges what changes by itself.
    fn swap_ages(&mut self, ages: &mut [Option<i64>; 2]);
    fn change(self) -> Change;
}

impl Row for BedRow {
    const TOPIC: &'static str = VIEW_BED;
    const KIND: RowKind = RowKind::Bed;
    fn key(&self) -> String {
        format!("{}/{}", self.site, self.bed)
    }
    fn swap_ages(&mut self, [age, _]: &mut [Option<i64>; 2]) {
        swap(&mut self.age_s, age);
    }
    fn change(self) -> Change {
        Change::Bed(self)
    }
}

impl Row for DepartmentRow {
    const TOPIC: &'static str = VIEW_DEPARTMENT;
    const KIND: RowKind = RowKind::Department;
    fn key(&self) -> String {
        format!("{}/{}", self.site, self.department)
    }
    fn swap_ages(&mut self, [age, dirty]: &mut [Option<i64>; 2]) {
        swap(&mut self.age_s, age);
        swap(&mut self.oldest_dirty_s, dirty);
    }
    fn change(self) -> Change {
        Change::Department(self)
    }
}

impl Row for DeviceRow {
    const TOPIC: &'static str = VIEW_DEVICE;
    const KIND: RowKind = RowKind::Device;
    fn key(&self) -> String {
        format!("{}/{}", self.site, self.device)
    }
    fn swap_ages(&mut self, [age, _]: &mut [Option<i64>; 2]) {
        swap(&mut self.age_s, age);
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

/// What is published already, or waits for it: by topic and key a hash of what the row says.
#[derive(Default)]
pub(crate) struct Views {
    known: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Where rows are written to be hashed.
    buffer: Vec<u8>,
}

/// What changed, for the outbox and for those who listen.
#[derive(Default)]
pub(crate) struct Diff {
    pub(crate) rows: BTreeMap<RowKey, ViewRow>,
    pub(crate) changes: Vec<RowEvent>,
}

impl Views {
    /// As the last commit had it.
    pub(crate) fn restore(store: &Store) -> Result<Self, AggregatorError> {
        let mut views = Self::default();
        for topic in TOPICS {
            views.known.insert(topic, store.published(topic)?);
        }
        Ok(views)
    }

    pub(crate) fn diff(&mut self, computed: Computed) -> Diff {
        let mut diff = Diff::default();
        let as_of = rfc3339(computed.at_ms);
        let complete = computed.complete;
        self.compare(computed.beds, complete, &as_of, &mut diff);
        self.compare(computed.departments, complete, &as_of, &mut diff);
        self.compare(computed.devices, complete, &as_of, &mut diff);
        diff
    }

    fn compare<T: Row>(&mut self, rows: Vec<T>, complete: bool, as_of: &str, diff: &mut Diff) {
        let known = self.known.entry(T::TOPIC).or_default();
        if complete {
            let here: BTreeSet<String> = rows.iter().map(Row::key).collect();
            known.retain(|key, _| {
                let stays = here.contains(key);
                if !stays {
                    diff.gone(T::TOPIC, T::KIND, key);
                }
                stays
            });
        }
        for mut row in rows {
            let hash = hash(&mut row, &mut self.buffer);
            let key = row.key();
            match known.get_mut(&key) {
                Some(before) if *before == hash => continue,
                Some(before) => *before = hash,
                None => {
                    known.insert(key.clone(), hash);
                }
            }
            let json = serde_json::to_vec(&Published { as_of, row: &row }).ok();
            let said = ViewRow {
                hash,
                json,
                ..ViewRow::default()
            };
            diff.rows.insert((T::TOPIC, key), said);
            let change = Box::new(row.change());
            diff.changes.push(RowEvent::Row(change));
        }
    }
}

impl Diff {
    fn gone(&mut self, topic: &'static str, kind: RowKind, key: &str) {
        self.rows
            .insert((topic, key.to_owned()), ViewRow::default());
        let (site, name) = key.split_once('/').unwrap_or(("", key));
        self.changes.push(RowEvent::Gone(Removed {
            kind,
            site: site.to_owned(),
            name: name.to_owned(),
        }));
    }
}

/// Of the row as it is published, its ages left out. Another version of this program or of its compiler may come to
/// another number: then the rows are published once more, and nothing else happens.
fn hash<T: Row>(row: &mut T, buffer: &mut Vec<u8>) -> u64 {
    let mut ages = [None; 2];
    row.swap_ages(&mut ages);
    buffer.clear();
    // A row has string keys and no failing parts.
    serde_json::to_writer(&mut *buffer, row).ok();
    row.swap_ages(&mut ages);
    let mut hasher = DefaultHasher::new();
    hasher.write(buffer);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn department(name: &str, occupied: u32, age_s: i64) -> DepartmentRow {
        DepartmentRow {
            site: "a".to_owned(),
            department: name.to_owned(),
            occupied,
            age_s: Some(age_s),
            oldest_dirty_s: Some(age_s),
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
        let mut views = Views::default();
        let first = views.diff(computed(vec![department("ICU", 1, 5)]));
        assert_eq!(first.changes.len(), 1);
        let older = views.diff(computed(vec![department("ICU", 1, 9)]));
        assert!(older.changes.is_empty() && older.rows.is_empty());
        let second = views.diff(computed(vec![department("ICU", 2, 9)]));
        let row = second.rows.values().next().unwrap();
        let json: serde_json::Value = serde_json::from_slice(row.json.as_ref().unwrap()).unwrap();
        assert_eq!(json["as_of"], "1970-01-01T00:00:00Z");
        assert_eq!((&json["occupied"], &json["age_s"]), (&2.into(), &9.into()));
        assert_eq!(json["oldest_dirty_s"], 9);
    }

    #[test]
    fn a_row_that_is_gone_becomes_a_tombstone_and_is_told() {
        let mut views = Views::default();
        views.diff(computed(vec![department("ICU", 1, 5)]));
        let gone = views.diff(computed(Vec::new()));
        assert_eq!(gone.rows.values().next().unwrap().json, None);
        assert_eq!(
            gone.changes,
            [RowEvent::Gone(Removed {
                kind: RowKind::Department,
                site: "a".to_owned(),
                name: "ICU".to_owned(),
            })]
        );
        assert!(views.diff(computed(Vec::new())).rows.is_empty());
    }
}
