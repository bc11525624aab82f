//! A list that a person moves through: what is chosen, and which rows pass the filter.

use wardline_api::{BedRow, DepartmentRow};

use super::App;
use crate::model::Aged;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// By name; the first row when it is gone.
    pub chosen: Option<String>,
    /// A row passes when it contains the text, in any case; with `!` before it, when it does not.
    pub filter: String,
}

impl List {
    pub(crate) fn place(&self, names: &[String]) -> usize {
        let chosen = self.chosen.as_deref();
        chosen
            .and_then(|chosen| names.iter().position(|name| name == chosen))
            .unwrap_or(0)
    }

    pub(super) fn go(&mut self, steps: isize, names: &[String]) {
        let last = names.len().saturating_sub(1);
        let place = self.place(names).saturating_add_signed(steps).min(last);
        self.chosen = names.get(place).cloned();
    }

    /// `words` are what a row shows.
    pub(crate) fn passes(&self, words: &[&str]) -> bool {
        let (inverse, wanted) = match self.filter.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, self.filter.as_str()),
        };
        if wanted.is_empty() {
            return true;
        }
        let wanted = wanted.to_lowercase();
        let found = words
            .iter()
            .any(|word| word.to_lowercase().contains(&wanted));
        found != inverse
    }
}

impl App {
    pub(crate) fn shown_departments(&self) -> impl Iterator<Item = &Aged<DepartmentRow>> {
        let rows = self.model.departments.iter().flat_map(|rows| rows.iter());
        rows.filter(|aged| self.departments.passes(&[&aged.row.department]))
    }

    pub(crate) fn shown_beds<'a>(
        &'a self,
        department: &'a str,
    ) -> impl Iterator<Item = &'a Aged<BedRow>> {
        let rows = self.model.beds.iter().flat_map(|rows| rows.iter());
        rows.filter(move |aged| {
            let bed = &aged.row;
            bed.department == department
                && self.beds.passes(&[
                    &bed.bed,
                    bed.class.as_str(),
                    bed.status.as_str(),
                    &crate::screens::notes(bed),
                ])
        })
    }
}
