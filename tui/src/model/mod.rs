//! What the API says, with the age of every row, and how well it can be reached. Pure: the moment comes with the input.
//!
//! What was not said is `None`, never zero. When the API is gone the last picture stays, and says that it is stale.

mod census;
mod devices;
mod feed;
mod problem;
mod rows;
mod verdict;

use std::collections::BTreeMap;

use wardline_api::{About, Accounting, BedRow, Change, DepartmentRow, DeviceRow, SourceRow};

pub(crate) use census::{Census, at_least};
pub(crate) use feed::{Feed, Round, Section};
pub(crate) use problem::Health;
pub(crate) use rows::{Aged, Keyed, Moment, Rows};
pub(crate) use verdict::{Level, Verdict};

use crate::limits::STALE_AFTER_MS;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing was heard yet; why, if a try failed.
    Waiting {
        why: Option<String>,
    },
    Live,
    Lost {
        why: String,
    },
}

/// The API's times as milliseconds since 1970.
pub(crate) fn epoch_ms(time: &str) -> Option<i64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_millisecond())
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// The address that is asked.
    pub api: String,
    /// Only this department.
    pub only: Option<String>,
    pub link: Link,
    /// When the last full answer came.
    pub answered: Option<Moment>,
    pub departments: Option<Rows<DepartmentRow>>,
    pub beds: Option<Rows<BedRow>>,
    pub devices: Option<Rows<DeviceRow>>,
    pub sources: Option<Vec<Aged<SourceRow>>>,
    pub accounting: Option<Accounting>,
    pub about: Option<About>,
    /// Sections that the last round could not get, with the reason.
    pub missing: BTreeMap<&'static str, String>,
    /// The API's own time in milliseconds, and when it was heard.
    pub server: Option<(i64, Moment)>,
}

impl Model {
    pub(crate) fn new(api: &str, only: Option<String>) -> Self {
        Self {
            api: api.to_owned(),
            only,
            link: Link::Waiting { why: None },
            answered: None,
            departments: None,
            beds: None,
            devices: None,
            sources: None,
            accounting: None,
            about: None,
            missing: BTreeMap::new(),
            server: None,
        }
    }

    pub(crate) fn apply(&mut self, feed: Feed, now: Moment) {
        match feed {
            Feed::Round(round) => self.round(*round, now),
            Feed::Change(change) => self.change(change, now),
            Feed::Lost { why } => {
                self.link = match self.answered {
                    Some(_) => Link::Lost { why },
                    None => Link::Waiting { why: Some(why) },
                }
            }
        }
    }

    fn round(&mut self, round: Round, now: Moment) {
        let asked = round.asked;
        self.link = Link::Live;
        self.answered = Some(now);
        self.server = epoch_ms(&round.departments.as_of).map(|ms| (ms, now));
        replace(
            &mut self.departments,
            round.departments.departments,
            &self.only,
            asked,
            now,
        );
        if let Some(beds) = self.section("beds", round.beds) {
            replace(&mut self.beds, beds.beds, &self.only, asked, now);
        }
        if let Some(devices) = self.section("devices", round.devices) {
            replace(&mut self.devices, devices.devices, &self.only, asked, now);
        }
        if let Some(sources) = self.section("sources", round.sources) {
            self.sources = Some(
                sources
                    .sources
                    .into_iter()
                    .map(|row| Aged { row, heard: now })
                    .collect(),
            );
        }
        if let Some(accounting) = self.section("accounting", round.accounting) {
            self.accounting = Some(accounting);
        }
        if let Some(about) = self.section("about", round.about) {
            self.about = Some(about);
        }
    }

    fn section<T>(&mut self, name: &'static str, section: Section<T>) -> Option<T> {
        match section {
            Section::NotAsked => None,
            Section::Got(answer) => {
                self.missing.remove(name);
                Some(answer)
            }
            Section::Failed(why) => {
                self.missing.insert(name, why);
                None
            }
        }
    }

    /// A change is kept only beside a full answer: alone it would look like all there is.
    fn change(&mut self, change: Change, now: Moment) {
        match change {
            Change::Department(row) => put(&mut self.departments, row, &self.only, now),
            Change::Bed(row) => put(&mut self.beds, row, &self.only, now),
            Change::Device(row) => put(&mut self.devices, row, &self.only, now),
        }
    }

    /// How old the picture is, when it is no longer what the API says now.
    pub(crate) fn stale_s(&self, now: Moment) -> Option<i64> {
        let age = now.saturating_sub(self.answered?);
        let stale = matches!(self.link, Link::Lost { .. }) || age > STALE_AFTER_MS;
        stale.then(|| i64::try_from(age / 1_000).unwrap_or(i64::MAX))
    }

    /// What the API's clock shows now, as far as that is known.
    pub(crate) fn server_now_ms(&self, now: Moment) -> Option<i64> {
        let (at, heard) = self.server?;
        Some(at.saturating_add(i64::try_from(now.saturating_sub(heard)).unwrap_or(i64::MAX)))
    }
}

fn wanted<T: Keyed>(row: &T, only: &Option<String>) -> bool {
    only.as_deref().is_none_or(|only| row.department() == only)
}

fn replace<T: Keyed>(
    rows: &mut Option<Rows<T>>,
    mut new: Vec<T>,
    only: &Option<String>,
    asked: Moment,
    now: Moment,
) {
    new.retain(|row| wanted(row, only));
    rows.get_or_insert_default().replace(new, asked, now);
}

fn put<T: Keyed>(rows: &mut Option<Rows<T>>, row: T, only: &Option<String>, now: Moment) {
    if let Some(rows) = rows.as_mut().filter(|_| wanted(&row, only)) {
        rows.put(row, now);
    }
}

#[cfg(test)]
mod tests;
