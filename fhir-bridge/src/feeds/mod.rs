//! Who sends, how often, and what becomes of it. A feed is what can fall silent by itself behind an agent that is well:
//! an HL7 sender (`MSH-3@address`), or a group of MQTT topics (the first two levels, `devices/ICU`).
//!
//! Kept true (docs/specs/feeds.md): silence is told against the feed's own rhythm and by the log's clock, never by the
//! sender's (P13); what is not in the views is counted under why and where (P8); every list has an end (P7). Pure: what
//! was seen comes in, what is to be said goes out.

mod rhythm;
mod seen;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wardline_model::status::{Fate, FeedStatus, FeedsStatus, ReasonStatus};

pub use rhythm::Rhythm;
pub use seen::{Became, FeedKey, Seen, seen};

use crate::limits::{
    FEED_BURST_MS, FEED_FORGOTTEN_AFTER_MS, FEED_PLACES_MAX, FEED_SILENT_INTERVALS, FEED_SLOT_MS,
    FEED_SLOTS, FEEDS_MAX, REASONS_MAX,
};

const VERSION: u8 = 1;

/// Of all feeds of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feeds {
    feeds: BTreeMap<FeedKey, Feed>,
    reasons: BTreeMap<ReasonKey, Tally>,
}

/// What is kept over a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Saved {
    feeds: Vec<(FeedKey, Feed)>,
    reasons: Vec<(ReasonKey, Tally)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Feed {
    /// When the log took its newest event in.
    last_ms: i64,
    /// When the agent took its newest burst in, by the agent's clock: only differences of it are used.
    stamp_ms: i64,
    rhythm: Rhythm,
    places: BTreeSet<String>,
    received: u64,
    /// Whether the views rest on it: something of it was mapped, or should have been.
    counts: bool,
    hour: Hour,
    sidelined_in_row: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct ReasonKey {
    feed: FeedKey,
    fate: Fate,
    reason: String,
    place: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    total: u64,
    last_ms: i64,
    hour: Hour,
}

/// Counts of the last hour, by slots of five minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Hour(BTreeMap<i64, u64>);

impl Hour {
    fn note(&mut self, at_ms: i64) {
        let slot = at_ms.div_euclid(FEED_SLOT_MS);
        *self.0.entry(slot).or_default() += 1;
        self.0.retain(|old, _| *old > slot - FEED_SLOTS);
    }

    fn sum(&self, now_ms: i64) -> u64 {
        let first = now_ms.div_euclid(FEED_SLOT_MS) - FEED_SLOTS + 1;
        self.0.range(first..).map(|(_, n)| n).sum()
    }
}

impl Feed {
    fn usual_ms(&self, now_ms: i64) -> Option<u64> {
        self.rhythm.usual_ms(now_ms)
    }

    fn silent(&self, now_ms: i64) -> bool {
        let quiet = u64::try_from(now_ms.saturating_sub(self.last_ms)).unwrap_or(0);
        self.usual_ms(now_ms)
            .is_some_and(|usual| quiet > usual.saturating_mul(FEED_SILENT_INTERVALS))
    }
}

impl Feeds {
    pub fn restored(saved: Saved) -> Self {
        Self {
            feeds: saved.feeds.into_iter().collect(),
            reasons: saved.reasons.into_iter().collect(),
        }
    }

    pub fn saved(&self) -> Saved {
        Saved {
            feeds: self.feeds.clone().into_iter().collect(),
            reasons: self.reasons.clone().into_iter().collect(),
        }
    }

    pub fn note(&mut self, seen: Seen) {
        let key = self.room_for(seen.key);
        let feed = self.feeds.entry(key.clone()).or_default();
        // What comes within a second is one burst: a census of a thousand messages is no rhythm.
        let gap_ms = seen.stamp_ms.saturating_sub(feed.stamp_ms);
        if !(0..FEED_BURST_MS).contains(&gap_ms) {
            if feed.received > 0 {
                feed.rhythm.note(gap_ms, seen.logged_ms);
            }
            feed.stamp_ms = seen.stamp_ms;
        }
        feed.received += 1;
        feed.last_ms = feed.last_ms.max(seen.logged_ms);
        feed.hour.note(seen.logged_ms);
        let (fate, reason, place) = match seen.became {
            Became::Records { place } => {
                feed.counts = true;
                feed.sidelined_in_row = 0;
                if feed.places.len() < FEED_PLACES_MAX {
                    feed.places.extend(place);
                }
                return;
            }
            Became::Filtered { reason, place } => (Fate::Filtered, reason, place),
            Became::Sidelined { reason, place } => {
                feed.counts = true;
                feed.sidelined_in_row += 1;
                (Fate::Sidelined, reason, place)
            }
        };
        let key = ReasonKey {
            feed: key,
            fate,
            reason,
            place,
        };
        self.tally(key, seen.logged_ms);
    }

    fn tally(&mut self, key: ReasonKey, at_ms: i64) {
        if !self.reasons.contains_key(&key) && self.reasons.len() >= REASONS_MAX {
            let oldest = self.reasons.iter().min_by_key(|(_, tally)| tally.last_ms);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.reasons.remove(&oldest);
            }
        }
        let tally = self.reasons.entry(key).or_default();
        tally.total += 1;
        tally.last_ms = tally.last_ms.max(at_ms);
        tally.hour.note(at_ms);
    }

    /// The feed itself, or `other` where no more can be told apart. What gave nothing to the views makes room first.
    fn room_for(&mut self, key: FeedKey) -> FeedKey {
        if self.feeds.contains_key(&key) || self.feeds.len() < FEEDS_MAX {
            return key;
        }
        let idle = self.feeds.iter().filter(|(_, feed)| !feed.counts);
        let oldest = idle
            .min_by_key(|(_, feed)| feed.last_ms)
            .map(|(key, _)| key.clone());
        match oldest {
            Some(oldest) => {
                self.feeds.remove(&oldest);
                key
            }
            None => FeedKey {
                name: "other".to_owned(),
                ..key
            },
        }
    }

    /// As it is said. While events wait to be mapped nobody can know who is silent, so nobody is called so.
    pub fn status(&mut self, now_ms: i64, waiting: bool) -> FeedsStatus {
        self.feeds
            .retain(|_, feed| now_ms.saturating_sub(feed.last_ms) < FEED_FORGOTTEN_AFTER_MS);
        self.reasons
            .retain(|key, _| self.feeds.contains_key(&key.feed));
        let feeds = self.feeds.iter().map(|(key, feed)| {
            let hour = |fate: Fate| self.hour(key, fate, now_ms);
            FeedStatus {
                agent: key.agent.clone(),
                kind: key.kind,
                name: key.name.clone(),
                usual_ms: feed.usual_ms(now_ms),
                last_ms: feed.last_ms,
                silent: !waiting && feed.silent(now_ms),
                counts: feed.counts,
                places: feed.places.iter().cloned().collect(),
                received: feed.received,
                hour_received: feed.hour.sum(now_ms),
                hour_sidelined: hour(Fate::Sidelined),
                hour_filtered: hour(Fate::Filtered),
                sidelined_in_row: feed.sidelined_in_row,
            }
        });
        let reasons = self.reasons.iter().map(|(key, tally)| ReasonStatus {
            agent: key.feed.agent.clone(),
            feed: key.feed.name.clone(),
            fate: key.fate,
            reason: key.reason.clone(),
            place: key.place.clone(),
            total: tally.total,
            hour: tally.hour.sum(now_ms),
            last_ms: tally.last_ms,
        });
        FeedsStatus {
            v: VERSION,
            at_ms: now_ms,
            feeds: feeds.collect(),
            reasons: reasons.collect(),
        }
    }

    fn hour(&self, feed: &FeedKey, fate: Fate, now_ms: i64) -> u64 {
        let of_feed = self
            .reasons
            .iter()
            .filter(|(key, _)| key.feed == *feed && key.fate == fate);
        of_feed.map(|(_, tally)| tally.hour.sum(now_ms)).sum()
    }
}

#[cfg(test)]
mod tests;
