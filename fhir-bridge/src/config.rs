//! What the bridge needs to know, read from the settings once and checked: every problem, not only the first.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use wardline_model::SiteName;
use wardline_service::{Problem, Settings};

use crate::files;
use crate::ingest::broker::{Broker, BrokerError};
use crate::ingest::topics::Topics;
use crate::ingest::{IngestConfig, Source};
use crate::map::{MappingError, MappingSet};

#[derive(Debug, Clone)]
pub struct Config {
    pub ingest: IngestConfig,
    /// A listener beyond loopback without TLS was asked for in so many words; shown in the status.
    pub insecure: bool,
    /// The bridge's own folder: `DATA/bridge`.
    pub folder: PathBuf,
    /// For messages that carry no zone.
    pub zone: TimeZone,
    pub mappings: MappingSet,
}

impl Config {
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let site = kept(&mut problems, site(settings));
        let insecure = kept(&mut problems, settings.flag("bridge.insecure"));
        let source = kept(&mut problems, source(settings, insecure.unwrap_or(false)));
        let zone = kept(&mut problems, settings.zone("site.timezone"));
        let mappings = mappings(&mut problems, settings);
        match (site, source, insecure, zone, mappings) {
            (Some(site), Some(source), Some(insecure), Some(zone), Some(mappings)) => Ok(Self {
                ingest: IngestConfig {
                    site,
                    source,
                    topics: Topics::default(),
                },
                insecure,
                folder: settings.data_dir().join("bridge"),
                zone,
                mappings,
            }),
            _ => Err(problems),
        }
    }
}

fn mappings(problems: &mut Vec<Problem>, settings: &Settings) -> Option<MappingSet> {
    const KEY: &str = "bridge.mappings";
    let patterns = kept(problems, settings.list(KEY))?;
    match files::mappings::load(settings.base_dir(), &patterns) {
        Ok(mappings) => Some(mappings),
        Err(errors) => {
            let problem = |error: MappingError| {
                let allowed = "mapping files as docs/specs/json-mapping.md describes them";
                settings.problem(KEY, error.to_string(), allowed)
            };
            problems.extend(errors.into_iter().map(problem));
            None
        }
    }
}

fn kept<T>(problems: &mut Vec<Problem>, value: Result<T, Problem>) -> Option<T> {
    value.map_err(|problem| problems.push(problem)).ok()
}

fn site(settings: &Settings) -> Result<SiteName, Problem> {
    let name = settings.text("site.name")?;
    SiteName::new(&name).map_err(|error| {
        settings.problem(
            "site.name",
            error.to_string(),
            "1 to 32 characters of a-z, 0-9 and -",
        )
    })
}

fn source(settings: &Settings, insecure: bool) -> Result<Source, Problem> {
    const UPSTREAM: &str = "bridge.upstream.url";
    if let Some(url) = settings.opt_text(UPSTREAM)? {
        let wrong = |e: BrokerError| {
            settings.problem(UPSTREAM, e.to_string(), "mqtt://[user:password@]host:port")
        };
        return Broker::parse(&url).map(Source::Broker).map_err(wrong);
    }
    let listen = settings.addr("bridge.mqtt.listen")?;
    if !listen.ip().is_loopback() && !insecure {
        return Err(settings.problem(
            "bridge.mqtt.listen",
            format!("{listen} can be reached from other machines, and the listener has no TLS"),
            "an address of this machine's loopback, or bridge.insecure = true to do it all the same",
        ));
    }
    Ok(Source::Listen(listen))
}
