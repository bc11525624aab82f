//! What the bridge needs to know, read from the settings once and checked: every problem, not only the first.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use wardline_log::Target;
use wardline_service::settings::Reader;
use wardline_service::{Problem, Settings, keys};

use crate::files;
use crate::ingest::topics::Topics;
use crate::ingest::{IngestConfig, Source};
use crate::map::{MappingError, MappingSet};

#[derive(Debug, Clone)]
pub struct Config {
    pub ingest: IngestConfig,
    /// The site's log.
    pub log: Target,
    /// A listener beyond loopback without TLS was asked for in so many words; shown in the status.
    pub insecure: bool,
    /// The bridge's own folder: `DATA/bridge`.
    pub folder: PathBuf,
    /// For messages that carry no zone.
    pub zone: TimeZone,
    pub mappings: MappingSet,
}

impl Config {
    /// # Errors
    /// Every problem with the bridge's keys.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut read = settings.reader();
        let config = Self::read(settings, &mut read);
        read.done(config)
    }

    fn read(settings: &Settings, read: &mut Reader<'_>) -> Option<Self> {
        let site = read.get(&keys::SITE_NAME);
        let insecure = read.get(&keys::BRIDGE_INSECURE);
        let source = source(read);
        let zone = read.get(&keys::SITE_TIMEZONE);
        let log = read.get(&keys::BRIDGE_LOG);
        let prefix = read.get(&keys::BRIDGE_LOG_PREFIX);
        let mappings = mappings(settings, read);
        Some(Self {
            ingest: IngestConfig {
                site: site?,
                source: source?,
                topics: Topics::default(),
            },
            log: Target::new(&log?, &settings.data_dir().join("log"), &prefix?),
            insecure: insecure?,
            folder: settings.data_dir().join("bridge"),
            zone: zone?.0,
            mappings: mappings?,
        })
    }
}

fn source(read: &mut Reader<'_>) -> Option<Source> {
    match read.find(&keys::BRIDGE_UPSTREAM_URL)? {
        Some(broker) => Some(Source::Broker(broker)),
        None => {
            let listen = read.listen(&keys::BRIDGE_MQTT_LISTEN, &keys::BRIDGE_INSECURE);
            listen.map(Source::Listen)
        }
    }
}

fn mappings(settings: &Settings, read: &mut Reader<'_>) -> Option<MappingSet> {
    let patterns = read.find(&keys::BRIDGE_MAPPINGS)?.unwrap_or_default();
    match files::mappings::load(settings.base_dir(), &patterns) {
        Ok(mappings) => Some(mappings),
        Err(errors) => {
            let problem = |error: MappingError| {
                let allowed = "mapping files as docs/specs/json-mapping.md describes them";
                settings.problem(&keys::BRIDGE_MAPPINGS, error.to_string(), allowed)
            };
            read.add(errors.into_iter().map(problem));
            None
        }
    }
}
