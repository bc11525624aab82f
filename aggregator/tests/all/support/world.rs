//! One site with the story in its log, a clock that stands still at noon, and an aggregator that has caught up.

use std::sync::Arc;

use wardline_service::ManualClock;

use super::records::story;
use super::{Aggregator, LogDir, NOON, Setup};

pub struct World {
    pub site: LogDir,
    pub clock: Arc<ManualClock>,
    pub aggregator: Aggregator,
    _data: tempfile::TempDir,
}

pub async fn world() -> World {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let clock = ManualClock::at(NOON);
    let aggregator = Aggregator::local(data.path(), &site, &Setup::at(&clock)).await;
    World {
        site,
        clock,
        aggregator,
        _data: data,
    }
}
