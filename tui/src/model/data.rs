//! What can be believed: the second of the two words, apart from what there is. It rests on feeds, on what of them is set
//! aside, on how far the numbers reach, and on beds that nobody knows.

use super::attention::{Attention, Feeds};
use super::rows::MonoMs;
use super::{Link, Model};
use crate::limits::{STARTING_S, UNKNOWN_BEDS_PERCENT_MAX};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The numbers are current and rest on all that they should rest on.
    Live,
    /// Not yet: a start is no fault.
    Starting,
    /// They are current, and do not rest on everything.
    Partly,
    /// They are not current.
    Stale,
    /// There are none, or nothing is known.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    pub level: Level,
    /// `14 feeds live`, `13/14 feeds`, `STALE 14 s`.
    pub word: String,
}

impl Model {
    pub(crate) fn data(&self, now: MonoMs) -> Data {
        let said = |level, word: String| Data { level, word };
        if let Some(data) = self.unanswered(now) {
            return data;
        }
        let house = self.house().unwrap_or_default();
        let feeds = self.feeds();
        if self.starting(now) {
            return said(Level::Starting, "starting".to_owned());
        }
        if self.fresh.catching_up == Some(true) {
            let lag = self
                .fresh
                .lag_s
                .map(|s| format!(" {}", text::long_duration(s)));
            return said(
                Level::Starting,
                format!("catching up{}", lag.unwrap_or_default()),
            );
        }
        if house.nothing_known() {
            return said(Level::None, "none: no bed known".to_owned());
        }
        if feeds.heard < feeds.all {
            return said(Level::Partly, feeds.words());
        }
        let worst = self.attention(now).into_iter().find(Attention::degrades);
        if let Some(item) = worst {
            return said(Level::Partly, format!("partly: {}", item.short));
        }
        if house.unknown.saturating_mul(100) > house.beds.saturating_mul(UNKNOWN_BEDS_PERCENT_MAX) {
            let beds = text::counted(house.unknown, "bed", "beds");
            return said(Level::Partly, format!("partly: {beds} unknown"));
        }
        said(Level::Live, feeds.words())
    }

    /// Nobody says anything now.
    fn unanswered(&self, now: MonoMs) -> Option<Data> {
        let (level, word) = match (&self.link, self.stale_s(now)) {
            (Link::Waiting { why: None }, _) => (Level::Starting, "asking".to_owned()),
            (Link::Waiting { why: Some(_) }, _) => (Level::None, "no answer".to_owned()),
            (Link::Snapshot, _) => (Level::Stale, "SNAPSHOT".to_owned()),
            (_, Some(age)) => (Level::Stale, format!("STALE {}", text::long_duration(age))),
            (_, None) => return None,
        };
        Some(Data { level, word })
    }

    /// In its first seconds nobody was heard yet: that is no fault of theirs.
    pub(crate) fn starting(&self, now: MonoMs) -> bool {
        let heard = self.about_heard.unwrap_or(now);
        let since = i64::try_from(now.saturating_sub(heard) / 1_000).unwrap_or(i64::MAX);
        let up_s = self
            .about
            .as_ref()
            .map(|about| about.up_s.saturating_add(since));
        up_s.is_some_and(|up| up < STARTING_S)
    }
}

impl Feeds {
    /// `13/14 feeds`, or all of them; agents where the API knows no feed.
    pub(crate) fn words(&self) -> String {
        let what = |n| {
            if n == 1 {
                self.what.to_owned()
            } else {
                format!("{}s", self.what)
            }
        };
        if self.heard < self.all {
            return format!("{}/{} {}", self.heard, self.all, what(self.all));
        }
        format!("live {} {}", self.all, what(self.all))
    }
}
