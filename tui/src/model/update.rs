//! What the client brings: one round of answers, one change from the stream, or the news that nobody answers; and what
//! an earlier run left on disk.

use serde::{Deserialize, Serialize};
use wardline_api::{
    About, Accounting, Beds, Change, Departments, Devices, Explanation, Reasons, Sources,
};

use super::rows::MonoMs;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Update {
    Round(Box<Round>),
    Change(Box<Change>),
    Lost {
        why: String,
    },
    /// The last picture of an earlier run.
    Snapshot(Box<Round>),
}

/// Answers that were asked for together. Departments are always among them; without them the round is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// When the first question was asked.
    #[serde(skip)]
    pub asked: MonoMs,
    pub departments: Departments,
    pub beds: Section<Beds>,
    pub devices: Section<Devices>,
    pub sources: Section<Sources>,
    pub accounting: Section<Accounting>,
    pub about: Section<About>,
    pub reasons: Section<Reasons>,
    /// Of the bed whose screen is open.
    #[serde(skip)]
    pub explained: Section<Explanation>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Section<T> {
    #[default]
    NotAsked,
    Got(T),
    Failed(String),
}
