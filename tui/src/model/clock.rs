//! The site's time: the API's clock, in the site's zone, so that a wall says what its hospital's clocks say. A clock that
//! moves shows that the picture does.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::rows::MonoMs;
use super::{Link, Model};

impl Model {
    fn zone(&self) -> TimeZone {
        let name = self
            .about
            .as_ref()
            .and_then(|about| about.timezone.as_deref());
        let found = name.and_then(|name| TimeZone::get(name).ok());
        found.unwrap_or(TimeZone::UTC)
    }

    fn time(&self, ms: i64) -> Option<String> {
        let moment = Timestamp::from_millisecond(ms).ok()?;
        Some(
            moment
                .to_zoned(self.zone())
                .strftime("%H:%M:%S")
                .to_string(),
        )
    }

    /// What the site's clocks show now; `None` while nobody said.
    pub(crate) fn clock(&self, now: MonoMs) -> Option<String> {
        let known = self.link != Link::Snapshot;
        self.time(self.server_now_ms(now).filter(|_| known)?)
    }

    /// The moment of the numbers.
    pub(crate) fn as_of(&self) -> Option<String> {
        let (at, _) = self.server?;
        let day = Timestamp::from_millisecond(at).ok()?.to_zoned(self.zone());
        match self.link {
            // It may be of another day.
            Link::Snapshot => Some(day.strftime("%Y-%m-%d %H:%M:%S").to_string()),
            _ => Some(day.strftime("%H:%M:%S").to_string()),
        }
    }

    /// A time of the API as the site writes it; as it came where it is none.
    pub(crate) fn local(&self, time: &str) -> String {
        let Ok(moment) = time.parse::<Timestamp>() else {
            return time.to_owned();
        };
        moment
            .to_zoned(self.zone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    /// The moment of the numbers with the site's zone, for a line in a file.
    pub(crate) fn stamp(&self, now: MonoMs) -> Option<String> {
        let moment = Timestamp::from_millisecond(self.server_now_ms(now)?).ok()?;
        Some(
            moment
                .to_zoned(self.zone())
                .strftime("%Y-%m-%dT%H:%M:%S%:z")
                .to_string(),
        )
    }
}
