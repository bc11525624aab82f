//! How often a feed usually sends, learnt from the gaps between its events: the length within which four fifths of the time at
//! this hour pass, because a hospital at four in the morning is not silent, only slow.
//!
//! Kept true: a few hundred numbers a feed whatever it sends; days that are over count half of the next; nothing is said
//! before a handful of gaps were seen. Buckets are an eighth of a power of two wide, so an interval is right within 7 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{FEED_GAP_WEIGHT_MS_MAX, FEED_GAPS_MIN, FEED_INTERVAL_MS_MIN};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Of the time between events, that which passes in gaps at most so long. By time and not by count, so that a census of
/// ten minutes does not outweigh the day; for a sender at random it is the 95th percentile of the count.
const SHARE_PERCENT: u64 = 80;

/// By hour of the day, in UTC: which hour it is called does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    hours: BTreeMap<u8, Gaps>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Gaps {
    day: i64,
    /// Bucket of the length -> how many.
    counts: BTreeMap<u8, u32>,
}

impl Rhythm {
    /// A gap that ended at a moment.
    pub fn note(&mut self, gap_ms: i64, at_ms: i64) {
        let Ok(gap) = u64::try_from(gap_ms) else {
            return;
        };
        if gap_ms > DAY {
            return;
        }
        let gaps = self.hours.entry(hour(at_ms)).or_default();
        let day = at_ms.div_euclid(DAY);
        if day > gaps.day {
            gaps.day = day;
            gaps.counts.retain(|_, n| {
                *n /= 2;
                *n > 0
            });
        }
        let n = gaps.counts.entry(bucket(gap)).or_default();
        *n = n.saturating_add(1);
    }

    /// The usual interval at a moment; `None` while too little was seen.
    pub fn usual_ms(&self, at_ms: i64) -> Option<u64> {
        let near = [-1, 0, 1].map(|step| hour(at_ms.saturating_add(step * HOUR)));
        let of_day = self.hours.iter();
        let now = of_day.clone().filter(|(hour, _)| near.contains(hour));
        percentile(now).or_else(|| percentile(of_day))
    }
}

fn percentile<'a>(hours: impl Iterator<Item = (&'a u8, &'a Gaps)>) -> Option<u64> {
    let mut sum: BTreeMap<u8, u64> = BTreeMap::new();
    for (bucket, n) in hours.flat_map(|(_, gaps)| &gaps.counts) {
        *sum.entry(*bucket).or_default() += u64::from(*n);
    }
    if sum.values().sum::<u64>() < FEED_GAPS_MIN {
        return None;
    }
    // An outage weighs no more than a long gap: it must not become the rhythm.
    let weight =
        |(bucket, n): (&u8, &u64)| n.saturating_mul(middle(*bucket).min(FEED_GAP_WEIGHT_MS_MAX));
    let all: u64 = sum.iter().map(weight).sum();
    let wanted = (all / 100).saturating_mul(SHARE_PERCENT).max(1);
    let mut seen = 0u64;
    for entry in &sum {
        seen = seen.saturating_add(weight(entry));
        if seen >= wanted {
            return Some(middle(*entry.0).max(FEED_INTERVAL_MS_MIN));
        }
    }
    None
}

fn hour(at_ms: i64) -> u8 {
    u8::try_from(at_ms.rem_euclid(DAY) / HOUR).unwrap_or(0)
}

/// Eight to each power of two, from 8 ms on.
fn bucket(gap_ms: u64) -> u8 {
    let gap = gap_ms.max(8);
    let power = gap.ilog2();
    let eighth = (gap >> (power - 3)) & 7;
    u8::try_from(u64::from(power - 3) * 8 + eighth).unwrap_or(u8::MAX)
}

fn middle(bucket: u8) -> u64 {
    let (power, eighth) = (u32::from(bucket / 8), u64::from(bucket % 8));
    // Half an eighth above its lower end.
    ((16 + 2 * eighth + 1) << power) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p10_a_slow_night_is_not_silence_and_a_day_is_not_a_night() {
        let mut rhythm = Rhythm::default();
        for day in 0..3 {
            for n in 0..60 {
                rhythm.note(20_000, day * DAY + 12 * HOUR + n * 20_000);
                rhythm.note(600_000, day * DAY + 3 * HOUR + n * 10_000);
            }
        }
        let at = |hour: i64| rhythm.usual_ms(3 * DAY + hour * HOUR).unwrap();
        assert!(at(12).abs_diff(20_000) < 1_500, "{}", at(12));
        assert!(at(3).abs_diff(600_000) < 42_000, "{}", at(3));
    }

    #[test]
    fn p10_nothing_is_said_before_enough_was_seen() {
        let mut rhythm = Rhythm::default();
        for n in 0..FEED_GAPS_MIN - 1 {
            rhythm.note(5_000, n as i64 * 5_000);
        }
        assert_eq!(rhythm.usual_ms(0), None);
        rhythm.note(5_000, 50_000);
        assert!(rhythm.usual_ms(0).is_some());
    }

    #[test]
    fn p10_neither_a_long_census_nor_an_outage_becomes_the_rhythm() {
        let mut rhythm = Rhythm::default();
        for n in 0..600 {
            rhythm.note(1_100, n * 1_100);
        }
        for n in 0..6 {
            rhythm.note(40_000, 660_000 + n * 40_000);
        }
        let usual = rhythm.usual_ms(900_000).unwrap();
        assert!(usual.abs_diff(40_000) < 3_000, "{usual}");
        for n in 0..60 {
            rhythm.note(40_000, 900_000 + n * 40_000);
        }
        rhythm.note(3 * HOUR, 2 * HOUR);
        let usual = rhythm.usual_ms(2 * HOUR).unwrap();
        assert!(usual < 60_000, "{usual}");
    }

    proptest! {
        #[test]
        fn an_interval_is_right_within_seven_percent(gap in 2_000u64..80_000_000) {
            let mut rhythm = Rhythm::default();
            for _ in 0..FEED_GAPS_MIN {
                rhythm.note(i64::try_from(gap).unwrap(), 0);
            }
            let usual = rhythm.usual_ms(0).unwrap();
            prop_assert!(usual.abs_diff(gap) * 100 <= gap * 7, "{gap} {usual}");
        }
    }
}
