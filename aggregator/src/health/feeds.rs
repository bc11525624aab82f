//! Feeds as sources: what the bridges said of who sends, as rows, and what departments rest on. Pure.
//!
//! A feed is heard when its agent is, the bridge that speaks of it is, and it is not silent (docs/specs/feeds.md FE8).
//! A bridge that says nothing of feeds leaves its departments to the agents.

use std::collections::{BTreeMap, BTreeSet};

use wardline_api::{FeedRow, HourRow, ReasonRow, SourceRow};
use wardline_model::status::{Fate, FeedKind, FeedStatus, FeedsStatus, ReasonStatus};
use wardline_model::time::rfc3339;

use super::coverage::Listening;
use super::status::{Speaker, Statuses};
use crate::ledger::Units;

/// By site and department: feeds that it rests on, and how many of them are heard.
#[derive(Debug, Default)]
pub(crate) struct FeedsHeard(BTreeMap<(String, String), (u32, u32)>);

impl FeedsHeard {
    /// 0 to 1; `None` when no feed names it.
    pub(crate) fn coverage(&self, department: &(String, String)) -> Option<f64> {
        let (of, heard) = self.0.get(department)?;
        Some(f64::from(*heard) / f64::from(*of))
    }
}

impl Listening<'_> {
    fn feeds(&self) -> impl Iterator<Item = (&str, &FeedStatus)> {
        let sites = self.statuses.feeds.iter();
        sites.flat_map(|(site, said)| {
            said.status
                .feeds
                .iter()
                .map(move |feed| (site.as_str(), feed))
        })
    }

    fn hears_feed(&self, site: &str, feed: &FeedStatus) -> bool {
        let agent: Speaker = (site.to_owned(), feed.agent.clone());
        !feed.silent && self.hears(&agent)
    }

    pub(crate) fn feeds_by_department(&self, units: &Units) -> FeedsHeard {
        let mut out: BTreeMap<(String, String), (u32, u32)> = BTreeMap::new();
        for (site, feed) in self.feeds().filter(|(_, feed)| feed.counts) {
            let heard = u32::from(self.hears_feed(site, feed));
            for department in departments(site, feed, units) {
                let (of, on) = out.entry((site.to_owned(), department)).or_default();
                *of += 1;
                *on += heard;
            }
        }
        FeedsHeard(out)
    }

    /// One row a feed.
    pub(crate) fn feed_rows(&self, units: &Units) -> Vec<SourceRow> {
        self.feeds()
            .map(|(site, feed)| self.feed_row(site, feed, units))
            .collect()
    }

    fn feed_row(&self, site: &str, feed: &FeedStatus, units: &Units) -> SourceRow {
        let age_s = self.now_ms.saturating_sub(feed.last_ms).max(0) / 1000;
        let reasons = self.statuses.feeds.get(site).map(|said| &said.status);
        let hour = |fate| by_reason(reasons, feed, fate);
        let interval_s = feed
            .usual_ms
            .and_then(|ms| i64::try_from(ms.div_ceil(1000)).ok());
        let silent = format!("silent since {}", rfc3339(feed.last_ms));
        SourceRow {
            site: site.to_owned(),
            kind: "feed".to_owned(),
            name: feed.name.clone(),
            connected: self.hears_feed(site, feed),
            last_event: Some(rfc3339(feed.last_ms)),
            age_s: Some(age_s),
            backlog: 0,
            lag_s: None,
            watermark: None,
            incarnation: None,
            gaps: 0,
            clock_uncertainty_ms: None,
            insecure: false,
            problem: feed.silent.then_some(silent),
            feed: Some(FeedRow {
                agent: feed.agent.clone(),
                protocol: match feed.kind {
                    FeedKind::Hl7 => "hl7",
                    FeedKind::Mqtt => "mqtt",
                }
                .to_owned(),
                interval_s,
                silent: feed.silent,
                counts: feed.counts,
                departments: departments(site, feed, units).into_iter().collect(),
                hour: HourRow {
                    received: feed.hour_received,
                    sidelined: hour(Fate::Sidelined),
                    filtered: hour(Fate::Filtered),
                },
                sidelined_in_row: feed.sidelined_in_row,
            }),
        }
    }
}

/// Why events are not in the views, what came last first.
pub(crate) fn reason_rows(statuses: &Statuses) -> Vec<ReasonRow> {
    let mut all: Vec<(&str, &ReasonStatus)> = statuses
        .feeds
        .iter()
        .flat_map(|(site, said)| said.status.reasons.iter().map(move |r| (site.as_str(), r)))
        .collect();
    all.sort_by_key(|(_, reason)| std::cmp::Reverse(reason.last_ms));
    let rows = all
        .into_iter()
        .map(|(site, reason)| reason_row(site, reason));
    rows.collect()
}

fn departments(site: &str, feed: &FeedStatus, units: &Units) -> BTreeSet<String> {
    let of = |place: &String| match units
        .get(site)
        .and_then(|units| units.get(&place.to_lowercase()))
    {
        Some(departments) => departments.clone(),
        None => BTreeSet::from([place.clone()]),
    };
    feed.places.iter().flat_map(of).collect()
}

fn by_reason(said: Option<&FeedsStatus>, feed: &FeedStatus, fate: Fate) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for reason in said.iter().flat_map(|said| &said.reasons) {
        let mine = reason.agent == feed.agent && reason.feed == feed.name;
        if mine && reason.fate == fate && reason.hour > 0 {
            *out.entry(reason.reason.clone()).or_default() += reason.hour;
        }
    }
    out
}

fn reason_row(site: &str, reason: &ReasonStatus) -> ReasonRow {
    ReasonRow {
        site: site.to_owned(),
        agent: reason.agent.clone(),
        feed: reason.feed.clone(),
        fate: match reason.fate {
            Fate::Sidelined => "sidelined",
            Fate::Filtered => "filtered",
        }
        .to_owned(),
        reason: reason.reason.clone(),
        place: reason.place.clone(),
        total: reason.total,
        hour: reason.hour,
        last: rfc3339(reason.last_ms),
    }
}
