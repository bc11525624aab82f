//! The effective configuration, and where each value came from.
//!
//! Later layers win: defaults, file, environment (`WARDLINE__A__B`), `--set`, then what a program itself demands.
//! Loading reports every problem at once, with file, key, reason and what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::args::CommonArgs;
use crate::loader::Loader;
use crate::schema::{self, Kind};
use crate::values;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Environment(String),
    Flag,
    /// Set by the program itself, e.g. `wardline demo`.
    Program(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "{}:{line}", path.display()),
            Source::Environment(name) => write!(f, "environment {name}"),
            Source::Flag => f.write_str("--set"),
            Source::Program(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_text}: {key}: {why}; allowed: {allowed}")]
pub struct Problem {
    pub source_text: String,
    pub key: String,
    pub why: String,
    pub allowed: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    One(String),
    List(Vec<String>),
    Tables(Vec<BTreeMap<String, String>>),
}

#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<String, (Value, Source)>,
    data: PathBuf,
    base: PathBuf,
}

impl Settings {
    pub(crate) fn new(
        values: BTreeMap<String, (Value, Source)>,
        data: PathBuf,
        base: PathBuf,
    ) -> Self {
        Self { values, data, base }
    }

    /// `demanded` are values that the program sets whatever the layers say.
    pub fn load(
        args: &CommonArgs,
        demanded: &[(&str, &str)],
        program: &'static str,
    ) -> Result<Self, Vec<Problem>> {
        let file = args
            .config
            .clone()
            .or_else(|| std::env::var_os("WARDLINE_CONFIG").map(PathBuf::from));
        let base = file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
            .to_owned();
        let mut loader = Loader::with_defaults();
        if let Some(path) = &file {
            loader.file(path);
        }
        loader.environment(std::env::vars());
        for pair in &args.set {
            loader.pair(pair);
        }
        for (key, value) in demanded {
            loader.set(
                key,
                Value::One((*value).to_owned()),
                Source::Program(program),
            );
        }
        let data = args.data.clone().unwrap_or_else(default_data_dir);
        loader.finish(data, base)
    }

    pub fn for_tests(data: &Path, values: &[(&str, &str)]) -> Result<Self, Vec<Problem>> {
        let mut loader = Loader::with_defaults();
        for (key, value) in values {
            loader.set(
                key,
                Value::One((*value).to_owned()),
                Source::Program("test"),
            );
        }
        loader.finish(data.to_owned(), data.to_owned())
    }

    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Relative paths in the configuration start here: the folder of the configuration file.
    pub fn base_dir(&self) -> &Path {
        &self.base
    }

    /// A problem with a key's value, naming where the value came from.
    pub fn problem(
        &self,
        key: &str,
        why: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Problem {
        let source_text = self
            .values
            .get(key)
            .map_or_else(|| "not set".to_owned(), |(_, source)| source.to_string());
        Problem {
            source_text,
            key: key.to_owned(),
            why: why.into(),
            allowed: allowed.into(),
        }
    }

    fn missing(&self, key: &str) -> Problem {
        let allowed = schema::find(key).map_or_else(String::new, |k| k.kind.allowed());
        self.problem(key, "is needed and not set", allowed)
    }

    fn invalid(&self, key: &str) -> Problem {
        let allowed = schema::find(key).map_or_else(String::new, |k| k.kind.allowed());
        self.problem(key, "is not valid here", allowed)
    }

    pub fn opt_text(&self, key: &str) -> Result<Option<String>, Problem> {
        match self.values.get(key) {
            None => Ok(None),
            Some((Value::One(text), _)) => Ok(Some(text.clone())),
            Some(_) => Err(self.invalid(key)),
        }
    }

    pub fn text(&self, key: &str) -> Result<String, Problem> {
        self.opt_text(key)?.ok_or_else(|| self.missing(key))
    }

    fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Problem> {
        parse(&self.text(key)?).ok_or_else(|| self.invalid(key))
    }

    pub fn addr(&self, key: &str) -> Result<SocketAddr, Problem> {
        self.parsed(key, values::address)
    }

    pub fn duration(&self, key: &str) -> Result<Duration, Problem> {
        self.parsed(key, values::duration)
    }

    pub fn bytes(&self, key: &str) -> Result<u64, Problem> {
        self.parsed(key, values::bytes)
    }

    pub fn flag(&self, key: &str) -> Result<bool, Problem> {
        self.parsed(key, |text| text.parse().ok())
    }

    pub fn count(&self, key: &str) -> Result<u64, Problem> {
        self.parsed(key, |text| text.parse().ok())
    }

    /// A path, made absolute against the configuration file's folder.
    pub fn opt_path(&self, key: &str) -> Result<Option<PathBuf>, Problem> {
        Ok(self.opt_text(key)?.map(|text| self.base.join(text)))
    }

    pub fn zone(&self, key: &str) -> Result<jiff::tz::TimeZone, Problem> {
        match self.text(key)?.as_str() {
            schema::ZONE_OF_MACHINE => Ok(jiff::tz::TimeZone::system()),
            name => jiff::tz::TimeZone::get(name).map_err(|_| self.invalid(key)),
        }
    }

    pub fn list(&self, key: &str) -> Result<Vec<String>, Problem> {
        match self.values.get(key) {
            None => Ok(Vec::new()),
            Some((Value::List(items), _)) => Ok(items.clone()),
            Some((Value::One(text), _)) => {
                Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
            }
            Some((Value::Tables(_), _)) => Err(self.invalid(key)),
        }
    }

    pub fn tables(&self, key: &str) -> Result<Vec<BTreeMap<String, String>>, Problem> {
        match self.values.get(key) {
            None => Ok(Vec::new()),
            Some((Value::Tables(tables), _)) => Ok(tables.clone()),
            Some(_) => Err(self.invalid(key)),
        }
    }

    /// The effective configuration as TOML, each value with its source behind it; secrets in URLs are masked.
    pub fn print(&self) -> String {
        let mut out = format!("# data folder: {}\n", self.data.display());
        for key in schema::KEYS {
            match self.values.get(key.name) {
                None => out.push_str(&format!("# {} is not set: {}\n", key.name, key.doc)),
                Some((value, source)) => out.push_str(&format!(
                    "{} = {}  # {source}\n",
                    key.name,
                    shown(key.kind, value)
                )),
            }
        }
        out
    }
}

fn shown(kind: Kind, value: &Value) -> String {
    match value {
        Value::One(text) if matches!(kind, Kind::Flag | Kind::Count) => text.clone(),
        Value::One(text) => format!("{:?}", masked(text)),
        Value::List(items) => format!("{items:?}"),
        Value::Tables(tables) => {
            let table = |t: &BTreeMap<String, String>| {
                let pairs: Vec<String> = t
                    .iter()
                    .map(|(k, v)| format!("{k} = {:?}", masked(v)))
                    .collect();
                format!("{{ {} }}", pairs.join(", "))
            };
            format!(
                "[{}]",
                tables.iter().map(table).collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// Hides `user:password@` in a URL.
fn masked(text: &str) -> String {
    match text
        .split_once("://")
        .and_then(|(scheme, rest)| rest.rsplit_once('@').map(|(_, host)| (scheme, host)))
    {
        Some((scheme, host)) => format!("{scheme}://***@{host}"),
        None => text.to_owned(),
    }
}

fn default_data_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("STATE_DIRECTORY").filter(|d| !d.is_empty()) {
        return PathBuf::from(dir);
    }
    let state = std::env::var_os("XDG_STATE_HOME")
        .filter(|d| !d.is_empty())
        .map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state
        .or_else(home)
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("wardline")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, set: &[&str]) -> Result<Settings, Vec<Problem>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wardline.toml");
        std::fs::write(&path, file).unwrap();
        let set = set.iter().map(|s| (*s).to_owned()).collect();
        let args = CommonArgs {
            config: Some(path),
            data: Some(dir.path().to_owned()),
            set,
            ..Default::default()
        };
        Settings::load(&args, &[], "test")
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let settings = load(
            "[agent]\nname = \"gw-7\"\nmqtt.listen = \"127.0.0.1:0\"\n",
            &["agent.name=gw-8"],
        )
        .unwrap();
        assert_eq!(settings.text("agent.name").unwrap(), "gw-8");
        assert_eq!(settings.addr("agent.mqtt.listen").unwrap().port(), 0);
        let printed = settings.print();
        assert!(
            printed.contains("agent.name = \"gw-8\"  # --set"),
            "{printed}"
        );
        assert!(printed.contains("wardline.toml:3"), "{printed}");
        assert!(
            printed.contains("agent.buffer.quota = \"1GiB\"  # default"),
            "{printed}"
        );
    }

    #[test]
    fn every_problem_is_reported_with_place_and_help() {
        let problems = load(
            "[agent]\nnam = \"x\"\nname = \"GW\"\n[bridge]\nlog = \"redis://x\"\n",
            &["site.name"],
        )
        .unwrap_err();
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 4, "{text:#?}");
        assert!(text.iter().any(|t| t.contains("wardline.toml:2: agent.nam: is not a known key; allowed: did you mean `agent.name`?")), "{text:#?}");
        assert!(
            text.iter()
                .any(|t| t.contains("wardline.toml:3: agent.name"))
        );
        assert!(text.iter().any(|t| t.contains("embedded, or kafka://")));
        assert!(
            text.iter()
                .any(|t| t.contains("--set: site.name: has no `=`"))
        );
    }

    #[test]
    fn sources_are_tables_and_passwords_are_masked() {
        let settings = load(
            "[[aggregator.source]]\nsite = \"a\"\nlog = \"kafka://h:9092\"\n",
            &[],
        )
        .unwrap();
        assert_eq!(
            settings.tables("aggregator.source").unwrap()[0]["log"],
            "kafka://h:9092"
        );
        assert!(load("[[aggregator.source]]\nsit = \"a\"\n", &[]).is_err());
        assert_eq!(masked("mqtt://u:p@h:1"), "mqtt://***@h:1");
    }

    #[test]
    fn broken_toml_names_the_line() {
        let problems = load("[agent]\nname = \n", &[]).unwrap_err();
        assert!(
            problems[0].to_string().contains("wardline.toml:2"),
            "{problems:?}"
        );
    }
}
