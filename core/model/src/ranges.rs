//! A set of sequence numbers kept as disjoint ranges: what a log holds of one agent's life.
//!
//! Live events overtake a backlog, so coverage has holes for a while. The set stays small because holes
//! only appear at reconnects and close as the backlog drains.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// first -> last, disjoint and never adjacent.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of disjoint ranges.
    pub fn fragments(&self) -> usize {
        self.ranges.len()
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.ranges
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum()
    }

    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut low, mut high) = (first, last);
        let touching: Vec<u64> = self
            .ranges
            .range(..=high.saturating_add(1))
            .rev()
            .take_while(|(_, end)| end.saturating_add(1) >= low)
            .map(|(start, _)| *start)
            .collect();
        for start in touching {
            if let Some(end) = self.ranges.remove(&start) {
                low = low.min(start);
                high = high.max(end);
            }
        }
        self.ranges.insert(low, high);
    }

    pub fn contains(&self, n: u64) -> bool {
        self.ranges
            .range(..=n)
            .next_back()
            .is_some_and(|(_, last)| n <= *last)
    }

    pub fn covers(&self, first: u64, last: u64) -> bool {
        first > last
            || self
                .ranges
                .range(..=first)
                .next_back()
                .is_some_and(|(_, end)| last <= *end)
    }

    /// The parts of `first..=last` that are not in the set, in order.
    pub fn missing(&self, first: u64, last: u64) -> Vec<RangeInclusive<u64>> {
        let mut out = Vec::new();
        let mut next = first;
        let from = self
            .ranges
            .range(..=first)
            .next_back()
            .map_or(first, |(start, _)| *start);
        for (start, end) in self.ranges.range(from..) {
            if *start > last || next > last {
                break;
            }
            if *end < next {
                continue;
            }
            if *start > next {
                out.push(next..=(*start - 1));
            }
            match end.checked_add(1) {
                Some(after) => next = after,
                None => return out,
            }
        }
        if next <= last {
            out.push(next..=last);
        }
        out
    }

    /// The last number of the unbroken run that starts at 1; 0 when 1 is missing.
    pub fn up_to(&self) -> u64 {
        match self.ranges.first_key_value() {
            Some((1, last)) => *last,
            _ => 0,
        }
    }

    pub fn last(&self) -> Option<u64> {
        self.ranges.last_key_value().map(|(_, last)| *last)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(a, b)| (*a, *b))
    }
}

impl FromIterator<(u64, u64)> for RangeSet {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(ranges: I) -> Self {
        let mut set = Self::new();
        for (first, last) in ranges {
            set.insert(first, last);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn up_to_is_the_run_from_one() {
        let mut set = RangeSet::new();
        assert_eq!(set.up_to(), 0);
        set.insert(5, 9);
        assert_eq!(set.up_to(), 0);
        set.insert(1, 4);
        assert_eq!((set.up_to(), set.fragments(), set.count()), (9, 1, 9));
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(ops in proptest::collection::vec((1u64..80, 0u64..20), 0..40), q in (1u64..80, 0u64..30)) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for (first, len) in ops {
                set.insert(first, first + len);
                model.extend(first..=first + len);
            }
            let (first, last) = (q.0, q.0 + q.1);
            let missing: BTreeSet<u64> = set.missing(first, last).into_iter().flatten().collect();
            let expected: BTreeSet<u64> = (first..=last).filter(|n| !model.contains(n)).collect();
            prop_assert_eq!(&missing, &expected);
            prop_assert_eq!(set.covers(first, last), expected.is_empty());
            prop_assert_eq!(set.contains(first), model.contains(&first));
            prop_assert_eq!(set.count(), model.len() as u64);
            let run = (1u64..).take_while(|n| model.contains(n)).last().unwrap_or(0);
            prop_assert_eq!(set.up_to(), run);
        }
    }
}
