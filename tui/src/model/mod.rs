//! What the API says, with the age of every row, and how well it can be reached. Pure: the moment comes with the input.
//!
//! What was not said is `None`, never zero. When the API is gone the last picture stays, and says that it is stale.

mod attention;
mod clock;
mod data;
mod devices;
mod house;
mod order;
mod rows;
mod update;

use std::collections::BTreeMap;

use wardline_api::{
    About, Accounting, BedRow, Change, DepartmentRow, DeviceRow, Explanation, Freshness, ReasonRow,
    SourceRow,
};

pub(crate) use attention::{Attention, Pipeline, Topic, sum};
pub(crate) use data::Level;
pub(crate) use devices::{DeviceCounts, DeviceWord};
pub(crate) use house::{BedCounts, share};
pub(crate) use order::natural;
pub(crate) use rows::{Aged, Keyed, MonoMs, RowName, Rows};
pub(crate) use update::{Round, Section, Update};

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
    /// Nobody answered yet; this is what an earlier run saw last.
    Snapshot,
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
    pub answered: Option<MonoMs>,
    pub departments: Option<Rows<DepartmentRow>>,
    pub beds: Option<Rows<BedRow>>,
    pub devices: Option<Rows<DeviceRow>>,
    pub sources: Option<Vec<Aged<SourceRow>>>,
    pub accounting: Option<Accounting>,
    pub about: Option<About>,
    pub about_heard: Option<MonoMs>,
    pub reasons: Option<Vec<ReasonRow>>,
    /// Of the bed whose screen is open.
    pub explained: Option<Explanation>,
    /// How far the numbers reach, as far as the API says.
    pub fresh: Freshness,
    /// Sections that the last round could not get, with the reason.
    pub missing: BTreeMap<&'static str, String>,
    /// The API's own time in milliseconds, and when it was heard.
    pub server: Option<(i64, MonoMs)>,
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
            about_heard: None,
            reasons: None,
            explained: None,
            fresh: Freshness::default(),
            missing: BTreeMap::new(),
            server: None,
        }
    }

    pub(crate) fn apply(&mut self, update: Update, now: MonoMs) {
        match update {
            Update::Round(round) => self.round(*round, now),
            Update::Change(change) => self.change(*change, now),
            Update::Snapshot(round) if self.answered.is_none() => {
                self.round(*round, now);
                self.link = Link::Snapshot;
                self.answered = None;
            }
            Update::Snapshot(_) => {}
            Update::Lost { why } => {
                self.link = match (self.answered, &self.link) {
                    (Some(_), _) => Link::Lost { why },
                    (None, Link::Snapshot) => Link::Snapshot,
                    (None, _) => Link::Waiting { why: Some(why) },
                }
            }
        }
    }

    fn round(&mut self, round: Round, now: MonoMs) {
        let asked = round.asked;
        self.link = Link::Live;
        self.answered = Some(now);
        self.fresh = round.departments.fresh;
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
            self.about_heard = Some(now);
        }
        if let Some(reasons) = self.section("reasons", round.reasons) {
            self.reasons = Some(reasons.reasons);
        }
        if let Some(explained) = self.section("explanation", round.explained) {
            self.explained = Some(explained);
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
    fn change(&mut self, change: Change, now: MonoMs) {
        match change {
            Change::Department(row) => put(&mut self.departments, row, &self.only, now),
            Change::Bed(row) => put(&mut self.beds, row, &self.only, now),
            Change::Device(row) => put(&mut self.devices, row, &self.only, now),
        }
    }

    /// How old the picture is, when it is no longer what the API says now.
    pub(crate) fn stale_s(&self, now: MonoMs) -> Option<i64> {
        let age = now.saturating_sub(self.answered?);
        let stale = matches!(self.link, Link::Lost { .. }) || age > STALE_AFTER_MS;
        stale.then(|| i64::try_from(age / 1_000).unwrap_or(i64::MAX))
    }

    /// What the API's clock shows now, as far as that is known.
    pub(crate) fn server_now_ms(&self, now: MonoMs) -> Option<i64> {
        let (at, heard) = self.server?;
        Some(at.saturating_add(i64::try_from(now.saturating_sub(heard)).unwrap_or(i64::MAX)))
    }
}

fn wanted<T: Keyed>(row: &T, only: &Option<String>) -> bool {
    only.as_deref()
        .is_none_or(|only| row.department().to_lowercase() == only.to_lowercase())
}

fn replace<T: Keyed>(
    rows: &mut Option<Rows<T>>,
    mut new: Vec<T>,
    only: &Option<String>,
    asked: MonoMs,
    now: MonoMs,
) {
    new.retain(|row| wanted(row, only));
    rows.get_or_insert_default().replace(new, asked, now);
}

fn put<T: Keyed>(rows: &mut Option<Rows<T>>, row: T, only: &Option<String>, now: MonoMs) {
    if let Some(rows) = rows.as_mut().filter(|_| wanted(&row, only)) {
        rows.put(row, now);
    }
}

#[cfg(test)]
#[path = "../tests/model.rs"]
mod tests;
