//! One word for the whole picture, and the sentence behind it. "Nothing lost" or how much was lost is always in it.

use super::problem::{Problem, lost_words};
use super::rows::Moment;
use super::{Link, Model};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Ok,
    /// The numbers are current, and something about the pipeline needs a person.
    Degraded,
    /// The numbers are not current.
    Stale,
    /// There are no numbers.
    Waiting,
}

impl Level {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Degraded => "DEGRADED",
            Level::Stale => "STALE",
            Level::Waiting => "WAITING",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub level: Level,
    /// Why it is not OK, or what stands; empty when there is nothing to say.
    pub reason: String,
    /// The beds in words; empty when nothing is known of them.
    pub census: Vec<String>,
    /// `nothing lost`, `lost N`, or that it is not known.
    pub loss: String,
}

impl Verdict {
    /// Whether the loss is to be said beside the reason: not where the reason says it, or where nothing was heard.
    pub(crate) fn tells_loss(&self) -> bool {
        self.level != Level::Waiting && !self.reason.starts_with(&self.loss)
    }

    /// All of it in one line, with the separator given.
    pub(crate) fn sentence(&self, first: &str, separator: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        if !self.reason.is_empty() {
            parts.push(&self.reason);
        }
        parts.extend(self.census.iter().map(String::as_str));
        if self.tells_loss() {
            parts.push(&self.loss);
        }
        format!("{}{first}{}", self.level.word(), parts.join(separator))
    }
}

impl Model {
    pub(crate) fn verdict(&self, now: Moment) -> Verdict {
        let loss = match self.health(now).lost {
            Some(0) => "nothing lost".to_owned(),
            Some(n) => lost_words(n),
            None => "loss unknown".to_owned(),
        };
        let census = self
            .census()
            .map(|census| census.facts())
            .unwrap_or_default();
        let (level, reason) = self.level(now);
        Verdict {
            level,
            reason,
            census,
            loss,
        }
    }

    fn level(&self, now: Moment) -> (Level, String) {
        if let Some(age) = self.stale_s(now) {
            return (Level::Stale, self.stale_words(age));
        }
        if let Link::Waiting { why } = &self.link {
            return (Level::Waiting, waiting_words(&self.api, why.is_some()));
        }
        let problems = self.problems(now);
        let level = if problems.iter().any(Problem::degrades) {
            Level::Degraded
        } else {
            Level::Ok
        };
        let reason = match problems.as_slice() {
            [] => String::new(),
            [only] => only.short.clone(),
            [first, rest @ ..] => format!("{} (and {} more)", first.short, rest.len()),
        };
        (level, reason)
    }

    fn stale_words(&self, age: i64) -> String {
        format!(
            "{} — no answer from {}; retrying",
            text::long_duration(age),
            self.api
        )
    }
}

fn waiting_words(api: &str, tried: bool) -> String {
    if tried {
        format!("no answer from {api} yet; retrying")
    } else {
        format!("asking {api}")
    }
}
