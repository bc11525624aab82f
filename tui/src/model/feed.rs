//! What the client brings: one round of answers, one change from the stream, or the news that nobody answers.

use wardline_api::{About, Accounting, Beds, Change, Departments, Devices, Sources};

use super::rows::Moment;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Feed {
    Round(Box<Round>),
    Change(Change),
    Lost { why: String },
}

/// Answers that were asked for together. Departments are always among them; without them the round is lost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Round {
    /// When the first question was asked.
    pub asked: Moment,
    pub departments: Departments,
    pub beds: Section<Beds>,
    pub devices: Section<Devices>,
    pub sources: Section<Sources>,
    pub accounting: Section<Accounting>,
    pub about: Section<About>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Section<T> {
    NotAsked,
    Got(T),
    Failed(String),
}
