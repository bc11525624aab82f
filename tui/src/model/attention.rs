//! What a person should look at, worst first, and the pipeline in figures.
//!
//! An item has a short form for the first lines and a long one for the list, and says which screen tells more. It is about
//! the pipeline, the devices and the numbers, never about a patient (P11). Standing facts (a few events once set aside,
//! a listener that was allowed without TLS) are said and take nothing from the data's word: a word that is never well is
//! soon read by nobody. A large share of a feed set aside is no standing fact.

use wardline_api::{FeedRow, SourceRow};

use super::rows::MonoMs;
use super::{Aged, Link, Model, RowName};
use crate::limits::{LAG_S_MAX, SIDELINED_IN_ROW_MAX, SIDELINED_PERCENT_MAX};
use crate::text;

/// Which screen tells more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Feeds,
    Sidelined,
    Department(RowName),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attention {
    rank: Rank,
    pub short: String,
    pub long: String,
    pub topic: Option<Topic>,
}

/// Worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    NoAnswer,
    Lost,
    Unaccounted,
    Silent,
    SetAside,
    Problem,
    Behind,
    Uncovered,
    NotShown,
    /// From here on it is a standing fact.
    Conflict,
    Sidelined,
    Insecure,
}

impl Attention {
    fn new(rank: Rank, short: impl Into<String>, long: impl Into<String>) -> Self {
        let (short, long) = (short.into(), long.into());
        Self {
            rank,
            short,
            long,
            topic: None,
        }
    }

    fn on(self, topic: Topic) -> Self {
        Self {
            topic: Some(topic),
            ..self
        }
    }

    /// The numbers rest on less than they should.
    pub(crate) fn degrades(&self) -> bool {
        self.rank < Rank::Conflict
    }
}

/// `None` where the API did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pipeline {
    pub agents: Option<(u64, u64)>,
    /// The worst of the agents.
    pub lag_s: Option<i64>,
    pub backlog: Option<u64>,
    pub sidelined: Option<u64>,
    pub filtered: Option<u64>,
    pub lost: Option<u64>,
    pub unaccounted: Option<i64>,
    /// Since the newest event of any source.
    pub newest_s: Option<i64>,
}

/// Who the numbers rest on, and how many of them are heard: feeds, or agents where the API knows of no feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feeds {
    pub heard: u64,
    pub all: u64,
    pub what: &'static str,
}

fn is_agent(row: &SourceRow) -> bool {
    row.kind == "agent"
}

impl Model {
    fn rows(&self) -> impl Iterator<Item = &Aged<SourceRow>> {
        self.sources.iter().flatten()
    }

    pub(crate) fn feeds(&self) -> Feeds {
        let counted = |row: &SourceRow| row.feed.as_ref().is_some_and(|feed| feed.counts);
        let feeds: Vec<&SourceRow> = self
            .rows()
            .map(|s| &s.row)
            .filter(|row| counted(row))
            .collect();
        let (of, what) = match feeds.is_empty() {
            true => (
                self.rows()
                    .map(|s| &s.row)
                    .filter(|row| is_agent(row))
                    .collect(),
                "agent",
            ),
            false => (feeds, "feed"),
        };
        let heard = of.iter().filter(|row| row.connected).count();
        Feeds {
            heard: count(heard),
            all: count(of.len()),
            what,
        }
    }

    pub(crate) fn pipeline(&self, now: MonoMs) -> Pipeline {
        let mut pipeline = Pipeline {
            lost: self.lost(),
            ..Pipeline::default()
        };
        if let Some(sources) = &self.sources {
            let agents = || sources.iter().filter(|s| is_agent(&s.row));
            let connected = agents().filter(|s| s.row.connected).count();
            pipeline.agents = Some((count(connected), count(agents().count())));
            pipeline.lag_s = agents().filter_map(|s| s.row.lag_s).max();
            let backlogs = sources.iter().map(|s| s.row.backlog);
            pipeline.backlog = Some(backlogs.fold(0, u64::saturating_add));
            pipeline.newest_s = sources
                .iter()
                .filter_map(|s| s.grown(s.row.age_s, now))
                .min();
        }
        if let Some(accounting) = &self.accounting {
            let sum = |of: fn(&wardline_api::StageRow) -> u64| {
                accounting
                    .stages
                    .iter()
                    .map(of)
                    .fold(0, u64::saturating_add)
            };
            pipeline.sidelined = Some(sum(|stage| stage.sidelined));
            pipeline.filtered = Some(sum(|stage| stage.filtered));
            pipeline.unaccounted = Some(accounting.unaccounted);
        }
        pipeline
    }

    /// Events that are gone for good: gaps in what the agents sent, and what a later stage had to give up.
    fn lost(&self) -> Option<u64> {
        let sources = self.sources.as_ref()?;
        let accounting = self.accounting.as_ref()?;
        let agents = sources.iter().filter(|s| is_agent(&s.row));
        let gaps = agents.map(|s| s.row.gaps).fold(0, u64::saturating_add);
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
    pub(crate) fn attention(&self, now: MonoMs) -> Vec<Attention> {
        let mut items = Vec::new();
        self.of_loss(&mut items, now);
        for source in self.rows() {
            of_source(source, now, self.starting(now), &mut items);
        }
        self.of_reasons(&mut items);
        self.of_departments(&mut items);
        self.of_picture(&mut items);
        items.sort();
        items
    }

    fn of_loss(&self, out: &mut Vec<Attention>, now: MonoMs) {
        let pipeline = self.pipeline(now);
        if let Some(lost) = pipeline.lost.filter(|n| *n > 0) {
            let lost = format!("lost {}", events(lost));
            let long = format!("{lost} for good; ranges and reasons stand in the log");
            out.push(Attention::new(Rank::Lost, lost, long));
        }
        if let Some(missing) = pipeline.unaccounted.filter(|n| *n != 0) {
            let stages = self.accounting.iter().flat_map(|a| &a.stages);
            let stages: Vec<String> = stages
                .filter(|s| s.unaccounted != 0)
                .map(|s| format!("{} {} at {}", s.unaccounted, s.stage, s.site))
                .collect();
            let short = format!("unaccounted {missing}");
            let long = format!("{short}: {}", stages.join(", "));
            out.push(Attention::new(Rank::Unaccounted, short, long));
        }
    }

    /// What is not in the views, in all: who wants to know why opens it.
    fn of_reasons(&self, out: &mut Vec<Attention>) {
        let pipeline = self.pipeline(0);
        let hour = |fate: &str| {
            let rows = self.reasons.iter().flatten().filter(|row| row.fate == fate);
            rows.map(|row| row.hour).fold(0, u64::saturating_add)
        };
        if let Some(n) = pipeline.sidelined.filter(|n| *n > 0) {
            let hour = hour("sidelined");
            let long = format!("{} sidelined, {hour} of them in the last hour", events(n));
            let item = Attention::new(Rank::Sidelined, format!("{n} sidelined"), long);
            out.push(item.on(Topic::Sidelined));
        }
        for warning in self.about.iter().flat_map(|about| &about.warnings) {
            out.push(Attention::new(Rank::Insecure, warning, warning));
        }
    }

    fn of_departments(&self, out: &mut Vec<Attention>) {
        let mut partly = Vec::new();
        for aged in self.departments.iter().flat_map(|rows| rows.iter()) {
            let row = &aged.row;
            if let Some(share) = row.coverage.filter(|share| *share < 1.0) {
                partly.push(format!("{} {}", row.department, covered(share)));
            }
            if row.conflicts > 0 {
                let what = text::counted(u64::from(row.conflicts), "conflict", "conflicts");
                let short = format!("{what} in {}", row.department);
                let long = format!("{short}: more than one visit claims a bed");
                let item = Attention::new(Rank::Conflict, short, long);
                out.push(item.on(Topic::Department(RowName::new(&row.site, &row.department))));
            }
        }
        if !partly.is_empty() && !self.silent_explains() {
            let many = text::counted(count(partly.len()), "department", "departments");
            let long = format!("sources not heard: {}", partly.join(", "));
            let item = Attention::new(Rank::Uncovered, format!("{many} not covered"), long);
            out.push(item.on(Topic::Feeds));
        }
    }

    /// A silent source says already which departments rest on it.
    fn silent_explains(&self) -> bool {
        self.rows().any(|s| !s.row.connected)
    }

    fn of_picture(&self, out: &mut Vec<Attention>) {
        if let Link::Lost { why } = &self.link {
            let long = format!(
                "no answer from {}: {why}; these are the last numbers heard",
                self.api
            );
            out.push(Attention::new(Rank::NoAnswer, "no answer", long));
        }
        for (section, why) in &self.missing {
            let long = format!("no {section} from {}: {why}", self.api);
            out.push(Attention::new(Rank::Behind, format!("no {section}"), long));
        }
        let left_out = self.departments.as_ref().map_or(0, |r| r.left_out)
            + self.beds.as_ref().map_or(0, |r| r.left_out)
            + self.devices.as_ref().map_or(0, |r| r.left_out);
        if left_out > 0 {
            let short = format!("{left_out} rows not shown");
            let long = format!("{short}: more than this dashboard keeps");
            out.push(Attention::new(Rank::NotShown, short, long));
        }
    }
}

fn covered(share: f64) -> String {
    if share <= 0.0 {
        return "none heard".to_owned();
    }
    format!("{} heard", text::percent(share))
}

fn of_source(aged: &Aged<SourceRow>, now: MonoMs, starting: bool, out: &mut Vec<Attention>) {
    let row = &aged.row;
    let who = named(row);
    let place = format!("{who} at {}", row.site);
    let item =
        |rank, short: String, long: String| Attention::new(rank, short, long).on(Topic::Feeds);
    let counts = row.feed.as_ref().is_none_or(|feed| feed.counts);
    if !row.connected {
        if counts && !starting {
            out.push(item(
                Rank::Silent,
                format!("{who} silent"),
                silence(aged, &place, now),
            ));
        }
    } else if let Some(problem) = &row.problem {
        out.push(item(
            Rank::Problem,
            format!("{who}: {problem}"),
            format!("{place}: {problem}"),
        ));
    }
    if let Some(feed) = row.feed.as_ref().filter(|feed| much_set_aside(feed)) {
        let (aside, all) = (sum(&feed.hour.sidelined), feed.hour.received);
        let short = format!("{who}: {aside} of {all} sidelined");
        let mut reasons: Vec<(&String, &u64)> = feed.hour.sidelined.iter().collect();
        reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let reasons: Vec<String> = reasons
            .iter()
            .map(|(why, n)| format!("{why} {n}"))
            .collect();
        let long = format!(
            "{place}: {aside} of {all} events of the last hour sidelined: {}",
            reasons.join(", ")
        );
        out.push(Attention::new(Rank::SetAside, short, long).on(Topic::Sidelined));
    }
    if let Some(lag) = row.lag_s.filter(|lag| row.connected && *lag > LAG_S_MAX) {
        let lag = text::long_duration(lag);
        let long = format!("{place}: events reach the views {lag} late");
        out.push(item(Rank::Behind, format!("{who} {lag} behind"), long));
    }
    if row.insecure {
        let long = format!("{place} listens beyond loopback without TLS");
        out.push(item(
            Rank::Insecure,
            format!("{who} listens without TLS"),
            long,
        ));
    }
}

/// Of a feed: a share that nobody takes for noise, or nothing else any more.
pub(crate) fn much_set_aside(feed: &FeedRow) -> bool {
    let aside = sum(&feed.hour.sidelined).saturating_mul(100);
    let much = aside >= feed.hour.received.saturating_mul(SIDELINED_PERCENT_MAX);
    (aside > 0 && much) || feed.sidelined_in_row >= SIDELINED_IN_ROW_MAX
}

pub(crate) fn sum(by_reason: &std::collections::BTreeMap<String, u64>) -> u64 {
    by_reason.values().copied().fold(0, u64::saturating_add)
}

fn silence(aged: &Aged<SourceRow>, place: &str, now: MonoMs) -> String {
    let row = &aged.row;
    let mut facts = Vec::new();
    if let Some(age) = aged.grown(row.age_s, now) {
        facts.push(format!("last event {} ago", text::long_duration(age)));
    }
    if let Some(feed) = &row.feed {
        facts.extend(
            feed.interval_s
                .map(|s| format!("usually every {}", text::long_duration(s))),
        );
        let names = feed.departments.join(", ");
        facts.extend((!names.is_empty()).then(|| format!("{names} rest on it")));
    } else {
        facts.extend(row.problem.clone());
    }
    if row.backlog > 0 {
        facts.push(format!("{} wait there", events(row.backlog)));
    }
    let colon = if facts.is_empty() { "" } else { ": " };
    format!("{place} silent{colon}{}", facts.join(", "))
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
