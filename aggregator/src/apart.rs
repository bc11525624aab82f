//! The aggregator as a program of its own: its logs are opened from the configuration, and closed when all else has
//! ended. In one process with a site, the site's open log is lent instead.

use wardline_log::{SharedLog, Target};
use wardline_service::settings::Reader;
use wardline_service::{Problem, Running, Settings, SharedClock, Supervisor, keys};

use crate::{Config, SiteBeds, Source};

/// A site, before its log is open.
struct Site {
    /// The centre's name for it.
    name: String,
    target: Target,
    beds: SiteBeds,
}

pub struct Apart {
    config: Config,
    centre: Target,
    sites: Vec<Site>,
}

impl Apart {
    /// # Errors
    /// Every problem with the aggregator's keys.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let config = Config::from_settings(settings);
        let mut read = settings.reader();
        let targets = targets(settings, &mut read);
        let config = config.map_err(|problems| read.add(problems)).ok();
        let apart = config.zip(targets).map(|(config, (centre, sites))| Self {
            config,
            centre,
            sites,
        });
        read.done(apart)
    }
}

fn targets(settings: &Settings, read: &mut Reader<'_>) -> Option<(Target, Vec<Site>)> {
    let data = settings.data_dir();
    let log = read.get(&keys::AGGREGATOR_LOG);
    let prefix = read.get(&keys::AGGREGATOR_LOG_PREFIX);
    let tables = read.get(&keys::AGGREGATOR_SOURCE)?;
    let mut sites = Vec::new();
    for table in tables {
        let prefix = table.log_prefix.as_deref();
        let prefix = prefix
            .or(keys::BRIDGE_LOG_PREFIX.default)
            .unwrap_or_default();
        let beds = match &table.beds {
            Some(path) => SiteBeds::read(settings, &keys::AGGREGATOR_SOURCE, path),
            None => Ok(SiteBeds::default()),
        };
        match beds {
            Ok(beds) => sites.push(Site {
                target: Target::new(&table.log, &data.join("log"), prefix),
                name: table.site.to_string(),
                beds,
            }),
            Err(problems) => read.add(problems),
        }
    }
    let centre = Target::new(&log?, &data.join("centre"), &prefix?);
    Some((centre, sites))
}

/// Opens the logs and starts.
///
/// # Errors
/// What keeps one of them from starting; nothing is left running then.
pub async fn start(apart: Apart, clock: SharedClock) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble(apart, clock, &mut parts).await;
    parts.up(started).await
}

async fn assemble(apart: Apart, clock: SharedClock, parts: &mut Supervisor) -> anyhow::Result<()> {
    let centre = wardline_log::open(&apart.centre, clock.clone()).await?;
    parts.closing("the centre's log", closed(centre.clone()));
    let mut sources = Vec::new();
    for site in apart.sites {
        let log = wardline_log::open(&site.target, clock.clone()).await?;
        parts.closing("a site's log", closed(log.clone()));
        sources.push(Source {
            site: site.name,
            beds: site.beds,
            log,
            local: false,
        });
    }
    let aggregator = crate::start(apart.config, centre, sources, clock).await?;
    parts.part("the aggregator", aggregator);
    Ok(())
}

async fn closed(log: SharedLog) -> anyhow::Result<()> {
    Ok(log.close().await?)
}
