//! One site with the story in its log, a clock that stands still at noon, and an aggregator that has caught up.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::records::story;
use super::{Aggregator, LogDir, NOON, Setup};

pub struct World {
    pub site: LogDir,
    pub clock: Arc<AtomicI64>,
    pub aggregator: Aggregator,
    _data: tempfile::TempDir,
}

pub async fn world() -> World {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let clock = Arc::new(AtomicI64::new(NOON));
    let aggregator = Aggregator::local(data.path(), &site, &Setup::at(&clock)).await;
    World {
        site,
        clock,
        aggregator,
        _data: data,
    }
}
