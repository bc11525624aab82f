//! What a person should look at, worst first, and the pipeline in six figures.
//!
//! A problem has a short form for the verdict and a long one for the list. It is about the pipeline and its numbers,
//! never about a patient. Standing facts (events once set aside, a listener that was allowed without TLS) are said and
//! do not degrade the verdict: a verdict that is never OK is soon read by nobody.

use wardline_api::SourceRow;

use super::rows::Moment;
use super::{Aged, Link, Model};
use crate::limits::LAG_S_MAX;
use crate::text;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Lower is worse.
    rank: u8,
    pub short: String,
    pub long: String,
}

/// From this rank on it is a standing fact.
const STANDING_RANK: u8 = 6;

impl Problem {
    pub(crate) fn degrades(&self) -> bool {
        self.rank < STANDING_RANK
    }
}

/// `None` where the API did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Health {
    pub agents: Option<(u64, u64)>,
    /// The worst of the agents.
    pub lag_s: Option<i64>,
    pub backlog: Option<u64>,
    pub sidelined: Option<u64>,
    pub lost: Option<u64>,
    pub unaccounted: Option<i64>,
    /// Since the newest event of any source.
    pub newest_s: Option<i64>,
}

fn is_agent(row: &SourceRow) -> bool {
    row.kind == "agent"
}

impl Model {
    pub(crate) fn health(&self, now: Moment) -> Health {
        let mut health = Health::default();
        if let Some(sources) = &self.sources {
            let agents: Vec<&Aged<SourceRow>> =
                sources.iter().filter(|s| is_agent(&s.row)).collect();
            let connected = agents.iter().filter(|s| s.row.connected).count();
            health.agents = Some((count(connected), count(agents.len())));
            health.lag_s = agents.iter().filter_map(|s| s.row.lag_s).max();
            health.backlog = Some(
                sources
                    .iter()
                    .fold(0, |sum, s| sum.saturating_add(s.row.backlog)),
            );
            health.newest_s = sources
                .iter()
                .filter_map(|s| s.grown(s.row.age_s, now))
                .min();
        }
        if let Some(accounting) = &self.accounting {
            let stages = &accounting.stages;
            health.sidelined = Some(
                stages
                    .iter()
                    .fold(0, |sum, s| sum.saturating_add(s.sidelined)),
            );
            health.unaccounted = Some(accounting.unaccounted);
        }
        health.lost = self.lost();
        health
    }

    /// Events that are gone for good: gaps in what the agents sent, and what a later stage had to give up.
    fn lost(&self) -> Option<u64> {
        let sources = self.sources.as_ref()?;
        let accounting = self.accounting.as_ref()?;
        let gaps: u64 = sources
            .iter()
            .filter(|s| is_agent(&s.row))
            .map(|s| s.row.gaps)
            .fold(0, u64::saturating_add);
        let evicted = |at_agent: bool| {
            let stages = accounting
                .stages
                .iter()
                .filter(|s| s.stage.starts_with("agent/") == at_agent);
            stages.map(|s| s.evicted).fold(0, u64::saturating_add)
        };
        Some(gaps.max(evicted(true)).saturating_add(evicted(false)))
    }

    /// Worst first; empty when all is well.
    pub(crate) fn problems(&self, now: Moment) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.of_loss(&mut problems, now);
        self.of_sources(&mut problems, now);
        self.of_coverage(&mut problems);
        self.of_picture(&mut problems);
        problems.sort();
        problems
    }

    fn of_loss(&self, out: &mut Vec<Problem>, now: Moment) {
        let health = self.health(now);
        if let Some(lost) = health.lost.filter(|n| *n > 0) {
            let long = format!(
                "{} lost for good; ranges and reasons stand in the log",
                events(lost)
            );
            out.push(Problem {
                rank: 0,
                short: lost_words(lost),
                long,
            });
        }
        if let Some(missing) = health.unaccounted.filter(|n| *n != 0) {
            let mut stages: Vec<String> = Vec::new();
            for stage in self
                .accounting
                .iter()
                .flat_map(|a| &a.stages)
                .filter(|s| s.unaccounted != 0)
            {
                stages.push(format!(
                    "{} {} at {}",
                    stage.unaccounted, stage.stage, stage.site
                ));
            }
            let long = format!("unaccounted {missing}: {}", stages.join(", "));
            out.push(Problem {
                rank: 1,
                short: format!("unaccounted {missing}"),
                long,
            });
        }
        if let Some(n) = health.sidelined.filter(|n| *n > 0) {
            let long = format!(
                "{} sidelined: see /api/v1/sideline for cause and place",
                events(n)
            );
            out.push(Problem {
                rank: 6,
                short: format!("{n} sidelined"),
                long,
            });
        }
    }

    fn of_sources(&self, out: &mut Vec<Problem>, now: Moment) {
        for aged in self.sources.iter().flatten() {
            let row = &aged.row;
            let who = named(row);
            let place = format!("{who} at {}", row.site);
            if !row.connected {
                let (short, long) = (format!("{who} silent"), silence(aged, &place, now));
                out.push(Problem {
                    rank: 2,
                    short,
                    long,
                });
            } else if let Some(problem) = &row.problem {
                let short = format!("{who}: {problem}");
                out.push(Problem {
                    rank: 3,
                    short,
                    long: format!("{place}: {problem}"),
                });
            }
            if let Some(lag) = row.lag_s.filter(|lag| row.connected && *lag > LAG_S_MAX) {
                let short = format!("{who} {} behind", text::long_duration(lag));
                let long = format!(
                    "{place}: events reach the views {} late",
                    text::long_duration(lag)
                );
                out.push(Problem {
                    rank: 4,
                    short,
                    long,
                });
            }
            if row.insecure {
                let short = format!("{who} listens without TLS");
                out.push(Problem {
                    rank: 7,
                    short,
                    long: format!("{place} listens beyond loopback without TLS"),
                });
            }
        }
        for warning in self.about.iter().flat_map(|about| &about.warnings) {
            out.push(Problem {
                rank: 7,
                short: warning.clone(),
                long: warning.clone(),
            });
        }
    }

    fn of_coverage(&self, out: &mut Vec<Problem>) {
        let mut partly = Vec::new();
        for aged in self.departments.iter().flat_map(|rows| rows.iter()) {
            if let Some(share) = aged.row.coverage.filter(|share| *share < 1.0) {
                partly.push(format!("{} {}", aged.row.department, text::percent(share)));
            }
        }
        if !partly.is_empty() {
            let many = text::counted(count(partly.len()), "department", "departments");
            let long = format!("sources heard in time: {}", partly.join(", "));
            out.push(Problem {
                rank: 5,
                short: format!("{many} partly covered"),
                long,
            });
        }
    }

    fn of_picture(&self, out: &mut Vec<Problem>) {
        if let Link::Lost { why } = &self.link {
            let long = format!(
                "no answer from {}: {why}; these are the last numbers heard",
                self.api
            );
            out.push(Problem {
                rank: 0,
                short: "no answer".to_owned(),
                long,
            });
        }
        for (section, why) in &self.missing {
            let long = format!("no {section} from {}: {why}", self.api);
            out.push(Problem {
                rank: 4,
                short: format!("no {section}"),
                long,
            });
        }
        let left_out = self.departments.as_ref().map_or(0, |r| r.left_out)
            + self.beds.as_ref().map_or(0, |r| r.left_out)
            + self.devices.as_ref().map_or(0, |r| r.left_out);
        if left_out > 0 {
            let short = format!("{left_out} rows not shown");
            out.push(Problem {
                rank: 5,
                long: format!("{short}: more than this dashboard keeps"),
                short,
            });
        }
    }
}

fn silence(aged: &Aged<SourceRow>, place: &str, now: Moment) -> String {
    let row = &aged.row;
    let mut facts = Vec::new();
    if let Some(age) = aged.grown(row.age_s, now) {
        facts.push(format!("last event {} ago", text::long_duration(age)));
    }
    if row.backlog > 0 {
        facts.push(format!("{} wait there", events(row.backlog)));
    }
    facts.extend(row.problem.clone());
    let colon = if facts.is_empty() { "" } else { ": " };
    format!("{place} silent{colon}{}", facts.join(", "))
}

pub(super) fn lost_words(n: u64) -> String {
    format!("lost {}", events(n))
}

/// `agent gw-1`, `bridge`.
fn named(row: &SourceRow) -> String {
    if row.kind == row.name {
        row.name.clone()
    } else {
        format!("{} {}", row.kind, row.name)
    }
}

fn events(n: u64) -> String {
    text::counted(n, "event", "events")
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
