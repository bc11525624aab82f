//! Rows of one kind, in the order of the API's last full answer, each with the moment at which it was heard.
//!
//! A full answer replaces the list, except that a row that the stream changed after the question was asked is newer
//! than the answer and stays.

use std::collections::HashMap;

use wardline_api::{BedRow, DepartmentRow, DeviceRow};

use crate::limits::ROWS_MAX;

/// Milliseconds of a clock that only goes forward; where it starts does not matter.
pub(crate) type MonoMs = u64;

/// Whose it is and how it is called: names of two sites may be equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowName {
    pub site: String,
    pub name: String,
}

impl RowName {
    pub(crate) fn new(site: &str, name: &str) -> Self {
        Self {
            site: site.to_owned(),
            name: name.to_owned(),
        }
    }
}

pub(crate) trait Keyed {
    fn key(&self) -> RowName;
    fn department(&self) -> &str;
}

macro_rules! keyed {
    ($type:ty, $name:ident) => {
        impl Keyed for $type {
            fn key(&self) -> RowName {
                RowName::new(&self.site, &self.$name)
            }

            fn department(&self) -> &str {
                &self.department
            }
        }
    };
}

keyed!(DepartmentRow, department);
keyed!(BedRow, bed);
keyed!(DeviceRow, device);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aged<T> {
    pub row: T,
    pub heard: MonoMs,
}

impl<T> Aged<T> {
    /// Seconds that were true when the row was heard, as they are now.
    pub(crate) fn grown(&self, seconds: Option<i64>, now: MonoMs) -> Option<i64> {
        let passed = i64::try_from(now.saturating_sub(self.heard) / 1_000).unwrap_or(i64::MAX);
        seconds.map(|s| s.max(0).saturating_add(passed))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows<T> {
    rows: Vec<Aged<T>>,
    places: HashMap<RowName, usize>,
    /// Rows beyond the bound, which are not here.
    pub left_out: usize,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            places: HashMap::new(),
            left_out: 0,
        }
    }
}

impl<T: Keyed> Rows<T> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Aged<T>> {
        self.rows.iter()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn get(&self, key: &RowName) -> Option<&Aged<T>> {
        self.rows.get(*self.places.get(key)?)
    }

    /// A full answer to a question of `asked`.
    pub(crate) fn replace(&mut self, rows: Vec<T>, asked: MonoMs, now: MonoMs) {
        let mut before = std::mem::take(self);
        for row in rows {
            let newer = before
                .places
                .get(&row.key())
                .and_then(|place| before.rows.get_mut(*place));
            match newer {
                Some(kept) if kept.heard > asked => {
                    let Aged { row: kept, heard } =
                        std::mem::replace(kept, Aged { row, heard: asked });
                    self.put(kept, heard);
                }
                _ => self.put(row, now),
            }
        }
    }

    /// One row that changed.
    pub(crate) fn put(&mut self, row: T, heard: MonoMs) {
        if let Some(place) = self
            .places
            .get(&row.key())
            .and_then(|place| self.rows.get_mut(*place))
        {
            *place = Aged { row, heard };
        } else if self.rows.len() < ROWS_MAX {
            self.places.insert(row.key(), self.rows.len());
            self.rows.push(Aged { row, heard });
        } else {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, occupied: u32) -> DepartmentRow {
        DepartmentRow {
            department: name.to_owned(),
            occupied,
            ..DepartmentRow::default()
        }
    }

    #[test]
    fn p10_an_answer_does_not_overwrite_a_change_that_came_after_the_question() {
        let mut rows = Rows::default();
        rows.replace(vec![row("ED", 1), row("ICU", 1)], 0, 10);
        rows.put(row("ED", 2), 120);
        rows.replace(vec![row("ICU", 3), row("ED", 1)], 100, 130);
        let seen: Vec<(&str, u32, MonoMs)> = rows
            .iter()
            .map(|r| (r.row.department.as_str(), r.row.occupied, r.heard))
            .collect();
        assert_eq!(seen, [("ICU", 3, 130), ("ED", 2, 120)]);
        rows.replace(vec![row("ED", 4)], 140, 150);
        assert_eq!(
            (
                rows.len(),
                rows.get(&RowName::new("", "ED")).unwrap().row.occupied
            ),
            (1, 4)
        );
        assert!(rows.get(&RowName::new("", "ICU")).is_none());
    }

    #[test]
    fn p10_ages_grow_while_nothing_is_heard() {
        let aged = Aged {
            row: (),
            heard: 1_000,
        };
        assert_eq!(aged.grown(Some(3), 11_500), Some(13));
        assert_eq!(aged.grown(None, 11_500), None);
        assert_eq!(aged.grown(Some(-4), 0), Some(0));
    }

    #[test]
    fn p7_rows_are_bounded_and_what_is_left_out_is_counted() {
        let mut rows = Rows::default();
        for n in 0..ROWS_MAX + 3 {
            rows.put(row(&n.to_string(), 1), 0);
        }
        assert_eq!((rows.len(), rows.left_out), (ROWS_MAX, 3));
    }
}
