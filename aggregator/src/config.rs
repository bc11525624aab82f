//! What the aggregator must know to start, read from the settings with every problem at once.
//!
//! The bed list is read here, so that a wrong line is a configuration problem with its line and column, not a surprise
//! in a view. A listener beyond loopback is refused unless somebody wrote that they want it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use wardline_model::SiteName;
use wardline_service::settings::Reader;
use wardline_service::{Problem, Settings, keys};

use crate::hooks::FaultPoint;
use crate::ledger::{BedList, BedListError};

#[derive(Clone)]
pub struct Config {
    pub api_listen: SocketAddr,
    /// The API listens without TLS beyond loopback, and somebody wrote that this is wanted.
    pub insecure: bool,
    /// Shown in `about`.
    pub site: Option<SiteName>,
    /// Of the site, by its IANA name; shown in `about`.
    pub timezone: Option<String>,
    pub data_dir: PathBuf,
    /// How long ended visits are kept for late events and past moments.
    pub history_ms: i64,
    /// Without a word for this long an agent counts as not heard.
    pub agent_silent_ms: i64,
    /// More addresses to show in `about`, e.g. those of the other parts in the same process.
    pub addresses: BTreeMap<String, String>,
    /// More warnings to show in `about`.
    pub warnings: Vec<String>,
    /// Where it dies as by a kill; only tests say so.
    pub fault: Option<FaultPoint>,
}

impl Config {
    /// # Errors
    /// Every problem with the aggregator's keys, and with the bed list.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut read = settings.reader();
        let config = Self::read(settings, &mut read);
        read.done(config)
    }

    fn read(settings: &Settings, read: &mut Reader<'_>) -> Option<Self> {
        let api_listen = read.listen(&keys::AGGREGATOR_API_LISTEN, &keys::AGGREGATOR_INSECURE);
        let insecure = read.get(&keys::AGGREGATOR_INSECURE);
        let site = read.get(&keys::SITE_NAME);
        let zone = read.get(&keys::SITE_TIMEZONE);
        let history = read.get(&keys::AGGREGATOR_HISTORY);
        Some(Self {
            api_listen: api_listen?,
            insecure: insecure?,
            site: Some(site?),
            timezone: zone?.0.iana_name().map(str::to_owned),
            data_dir: settings.data_dir().to_owned(),
            history_ms: i64::try_from(history?.as_millis()).unwrap_or(i64::MAX),
            agent_silent_ms: crate::limits::AGENT_SILENT_AFTER_MS,
            addresses: BTreeMap::new(),
            warnings: Vec::new(),
            fault: None,
        })
    }

    /// The file that holds state, positions and outbox.
    pub fn state_path(&self) -> PathBuf {
        state_path(&self.data_dir)
    }
}

pub(crate) fn state_path(data_dir: &Path) -> PathBuf {
    data_dir.join("aggregator").join("state.redb")
}

/// A site's own list of its beds.
#[derive(Clone, Default)]
pub struct SiteBeds {
    pub list: BedList,
    /// As it was read: kept in the store, so that a stopped store can be checked without configuration.
    pub text: String,
}

impl SiteBeds {
    /// The list of `site.beds`; none where the key is not set.
    ///
    /// # Errors
    /// Every problem with the file, each with its line and column.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut read = settings.reader();
        let beds = read.find(&keys::SITE_BEDS).and_then(|path| match path {
            None => Some(Self::default()),
            Some(path) => Self::read(settings, &keys::SITE_BEDS, &path)
                .map_err(|problems| read.add(problems))
                .ok(),
        });
        read.done(beds)
    }

    /// Reads a list that `key` names.
    pub(crate) fn read<T>(
        settings: &Settings,
        key: &keys::Key<T>,
        path: &Path,
    ) -> Result<Self, Vec<Problem>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![settings.problem(
                key,
                format!("{} cannot be read: {error}", path.display()),
                "a readable CSV file: bed,department,class,staffed",
            )]
        })?;
        Self::parse(text).map_err(|errors| {
            let problem = |error: BedListError| Problem {
                source_text: format!("{}:{}", path.display(), error.line),
                key: format!("{} ({})", key.name, error.column),
                why: error.why,
                allowed: error.allowed,
            };
            errors.into_iter().map(problem).collect()
        })
    }

    /// # Errors
    /// Every problem with the text, up to `BED_LIST_ERRORS_MAX`.
    pub fn parse(text: String) -> Result<Self, Vec<BedListError>> {
        let list = if text.is_empty() {
            BedList::empty()
        } else {
            BedList::parse(&text)?
        };
        Ok(Self { list, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_and_beyond_loopback_needs_a_word() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("beds.csv"),
            "bed,department,class,staffed\nICU^1^1,ICU,castle,yes\n",
        )
        .unwrap();
        let settings = Settings::for_tests(
            dir.path(),
            &[
                ("aggregator.api.listen", "0.0.0.0:0"),
                ("site.beds", "beds.csv"),
            ],
        )
        .unwrap();
        let mut problems = Config::from_settings(&settings).err().unwrap();
        problems.extend(SiteBeds::from_settings(&settings).err().unwrap());
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 2, "{text:#?}");
        assert!(text.iter().any(|t| t.contains("aggregator.insecure")));
        assert!(text.iter().any(|t| t.contains("beds.csv:2")), "{text:#?}");
    }

    #[test]
    fn defaults_are_on_loopback() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::for_tests(dir.path(), &[]).unwrap();
        let config = Config::from_settings(&settings).unwrap();
        assert!(config.api_listen.ip().is_loopback());
        assert_eq!(config.history_ms, 35 * 24 * 3_600_000);
        assert_eq!(config.site.unwrap().as_str(), "local");
    }
}
