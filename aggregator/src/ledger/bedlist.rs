//! The hospital's own list of beds: `bed,department,class,staffed`.
//!
//! Every problem of the file is found in one pass, each with its line and column, so that a person corrects it once.
//! A bed stands at most once; without a list the ledger discovers beds and says of each that it is not listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use wardline_api::BedClass;

use super::fact::Place;
use crate::limits::{BED_LIST_ERRORS_MAX, BEDS_MAX};

const COLUMNS: [&str; 4] = ["bed", "department", "class", "staffed"];

/// What the list says of one bed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBed {
    pub department: Arc<str>,
    pub class: BedClass,
    pub staffed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BedList {
    beds: BTreeMap<Arc<str>, ListedBed>,
    /// By name in lower case: devices and people write `icu` for `ICU`.
    departments: BTreeMap<String, Arc<str>>,
}

/// One thing that is wrong with the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column `{column}`: {why}; allowed: {allowed}")]
pub struct BedListError {
    /// From 1, the header line included.
    pub line: usize,
    pub column: String,
    pub why: String,
    pub allowed: String,
}

impl BedList {
    pub fn empty() -> Self {
        Self::default()
    }

    pub fn parse(csv: &str) -> Result<Self, Vec<BedListError>> {
        let mut list = Self::default();
        let mut errors = Vec::new();
        let mut lines = csv
            .trim_start_matches('\u{feff}')
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        match lines.next() {
            Some((_, header)) if cells(header) == COLUMNS => {}
            other => {
                let line = other.map_or(1, |(at, _)| at + 1);
                return Err(vec![error(
                    line,
                    "header",
                    "is not the header line",
                    &COLUMNS.join(","),
                )]);
            }
        }
        for (at, line) in lines {
            if errors.len() >= BED_LIST_ERRORS_MAX {
                break;
            }
            list.row(at + 1, &cells(line), &mut errors);
        }
        if errors.is_empty() {
            Ok(list)
        } else {
            Err(errors)
        }
    }

    fn row(&mut self, line: usize, cells: &[&str], errors: &mut Vec<BedListError>) {
        let before = errors.len();
        let mut wrong = |column: &str, why: String, allowed: &str| {
            errors.push(error(line, column, &why, allowed));
        };
        let &[bed, department, class, staffed] = cells else {
            let why = format!("has {} cells", cells.len());
            wrong("bed", why, "four cells: bed,department,class,staffed");
            return;
        };
        if let Some((why, allowed)) = self.refuses(bed) {
            wrong("bed", why, &allowed);
        }
        if department.is_empty() {
            wrong("department", "is empty".to_owned(), "the department's name");
        }
        let class = class.parse::<BedClass>();
        if let Err(unknown) = &class {
            let why = format!("`{}` is no class", unknown.given);
            wrong("class", why, &unknown.allowed.join(" "));
        }
        if !matches!(staffed, "yes" | "no") {
            wrong("staffed", format!("`{staffed}` is neither"), "yes no");
        }
        if let (Ok(class), true) = (class, errors.len() == before) {
            let department = self.department_named(department);
            let staffed = staffed == "yes";
            let listed = ListedBed {
                department,
                class,
                staffed,
            };
            self.beds.insert(bed.into(), listed);
        }
    }

    fn refuses(&self, bed: &str) -> Option<(String, String)> {
        let is_bed = Place::new(bed).is_some_and(|place| place.bed() == Some(bed));
        if !is_bed {
            let allowed = "PoC^Room^Bed, all three valued".to_owned();
            return Some((format!("`{bed}` is no bed"), allowed));
        }
        if self.beds.contains_key(bed) {
            return Some((format!("`{bed}` stands twice"), "each bed once".to_owned()));
        }
        let full = self.beds.len() >= BEDS_MAX;
        full.then(|| ("is one too many".to_owned(), format!("{BEDS_MAX} beds")))
    }

    /// The spelling of its first line is the department's name.
    fn department_named(&mut self, name: &str) -> Arc<str> {
        self.departments
            .entry(name.to_lowercase())
            .or_insert_with(|| name.into())
            .clone()
    }

    pub fn get(&self, bed: &str) -> Option<&ListedBed> {
        self.beds.get(bed)
    }

    pub fn beds(&self) -> impl Iterator<Item = (&Arc<str>, &ListedBed)> {
        self.beds.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.beds.is_empty()
    }

    /// Its departments, as the list spells them.
    pub fn departments(&self) -> impl Iterator<Item = &Arc<str>> {
        self.departments.values()
    }

    /// The list's spelling of a department, whatever its case; else the name as given.
    pub fn spelling<'a>(&'a self, name: &'a str) -> &'a str {
        match self.departments.get(name) {
            Some(listed) => listed,
            None => self
                .departments
                .get(&name.to_lowercase())
                .map_or(name, |listed| listed),
        }
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split(',')
        .map(|cell| {
            let cell = cell.trim();
            cell.strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(cell)
                .trim()
        })
        .collect()
}

fn error(line: usize, column: &str, why: &str, allowed: &str) -> BedListError {
    BedListError {
        line,
        column: column.to_owned(),
        why: why.to_owned(),
        allowed: allowed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let list = BedList::parse("\u{feff}bed,department,class,staffed\r\nICU^1^1,ICU,icu,yes\r\n\n\"W^1^1\", Ward 1 ,ward,no\nW^1^2,WARD 1,ward,yes\n")
            .unwrap();
        let icu = list.get("ICU^1^1").unwrap();
        assert_eq!(
            (icu.class, icu.staffed, &*icu.department),
            (BedClass::Icu, true, "ICU")
        );
        assert_eq!(&*list.get("W^1^2").unwrap().department, "Ward 1");
        assert_eq!((list.spelling("icu"), list.spelling("OPD")), ("ICU", "OPD"));
        assert_eq!(list.departments().count(), 2);
    }

    #[test]
    fn every_problem_is_named_with_its_line_and_column() {
        let errors = BedList::parse("bed,department,class,staffed\nA^1,A,ward,yes\nA^1^1,,wrad,maybe\nA^1^2,A,ward,yes\nA^1^2,A,ward,yes\nA^1^3,A\n").unwrap_err();
        let got: Vec<(usize, &str)> = errors.iter().map(|e| (e.line, e.column.as_str())).collect();
        assert_eq!(
            got,
            [
                (2, "bed"),
                (3, "department"),
                (3, "class"),
                (3, "staffed"),
                (5, "bed"),
                (6, "bed")
            ]
        );
        assert!(errors[2].allowed.contains("neonatal"), "{:?}", errors[2]);
        assert_eq!(BedList::parse("bed;department\n").unwrap_err()[0].line, 1);
        assert_eq!(BedList::parse("").unwrap_err().len(), 1);
    }
}
