//! The effective configuration, and where each value came from.
//!
//! Later layers win: defaults, file, environment (`WARDLINE__A__B`), `--set`, then what a program itself demands.
//! Loading reports every problem at once, with file, key, reason and what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::args::CommonArgs;
use crate::keys::{self, Key};
use crate::loader::Loader;
use crate::value::{Setting, Value};

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
pub struct Settings {
    values: BTreeMap<String, (Value, Source)>,
    data: PathBuf,
    base: PathBuf,
    /// What was wrong with the layers themselves.
    problems: Vec<Problem>,
}

impl Settings {
    pub(crate) fn new(
        values: BTreeMap<String, (Value, Source)>,
        data: PathBuf,
        base: PathBuf,
        problems: Vec<Problem>,
    ) -> Self {
        Self {
            values,
            data,
            base,
            problems,
        }
    }

    fn sound(self) -> Result<Self, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(self);
        }
        Err(self.problems)
    }

    /// `demanded` are values that the program sets whatever the layers say.
    ///
    /// # Errors
    /// Every problem with the layers.
    pub fn load(
        args: &CommonArgs,
        demanded: &[(&str, &str)],
        program: &'static str,
    ) -> Result<Self, Vec<Problem>> {
        Self::read(args, demanded, program).sound()
    }

    /// The same, with the problems kept for whoever reads keys: they are told together with what is wrong beyond them, so
    /// that nobody mends one round after the other.
    pub fn read(args: &CommonArgs, demanded: &[(&str, &str)], program: &'static str) -> Self {
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
        loader.finish(data.to_owned(), data.to_owned()).sound()
    }

    /// Two listeners cannot have one port. Port 0 is any free one.
    pub fn shared_ports(&self, keys: &[&Key<SocketAddr>]) -> Vec<Problem> {
        let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
        let mut problems = Vec::new();
        for key in keys {
            let Ok(Some(address)) = self.find(key) else {
                continue;
            };
            let meets = |other: &SocketAddr| {
                let any = other.ip().is_unspecified() || address.ip().is_unspecified();
                other.port() == address.port() && (any || other.ip() == address.ip())
            };
            let taken = seen
                .iter()
                .find(|(_, other)| address.port() != 0 && meets(other));
            if let Some((other, _)) = taken {
                let why = format!("{address} is the port of {other} too");
                problems.push(self.problem(key, why, "a port of its own, or 0 for any free one"));
            }
            seen.push((key.name, address));
        }
        problems
    }

    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Relative paths in the configuration start here: the folder of the configuration file.
    pub fn base_dir(&self) -> &Path {
        &self.base
    }

    /// A problem with a key's value, naming where the value came from.
    pub fn problem<T>(
        &self,
        key: &Key<T>,
        why: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Problem {
        let source_text = self
            .values
            .get(key.name)
            .map_or_else(|| "not set".to_owned(), |(_, source)| source.to_string());
        Problem {
            source_text,
            key: key.name.to_owned(),
            why: why.into(),
            allowed: allowed.into(),
        }
    }

    /// The value of a key that need not be set.
    ///
    /// # Errors
    /// The value is not valid.
    pub fn find<T: Setting>(&self, key: &Key<T>) -> Result<Option<T>, Problem> {
        let Some((value, _)) = self.values.get(key.name) else {
            return Ok(None);
        };
        match T::read(value) {
            Ok(value) => Ok(Some(value.placed_in(&self.base))),
            Err(why) => Err(self.problem(key, why, T::ALLOWED)),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// It is not set, or not valid.
    pub fn get<T: Setting>(&self, key: &Key<T>) -> Result<T, Problem> {
        self.find(key)?
            .ok_or_else(|| self.problem(key, "is needed and not set", T::ALLOWED))
    }

    /// Reads keys and collects every problem with them.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            settings: self,
            problems: Vec::new(),
        }
    }

    /// The effective configuration as TOML, each value with its source behind it; secrets in URLs are masked.
    pub fn print(&self) -> String {
        let mut out = format!("# data folder: {}\n", self.data.display());
        for key in keys::all() {
            let (name, doc) = (key.name, key.doc());
            match self.values.get(name) {
                None => out.push_str(&format!(
                    "# {name} is not set: {doc}; as in {}\n",
                    key.example
                )),
                Some((value, source)) => {
                    out.push_str(&format!(
                        "{name} = {}  # {source}\n",
                        shown(key.bare, value)
                    ));
                }
            }
        }
        out
    }
}

fn shown(bare: bool, value: &Value) -> String {
    match value {
        Value::One(text) if bare => text.clone(),
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

/// Reads the keys of one part: what cannot be read is `None`, and a problem that is told with all others.
pub struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn keep<T>(&mut self, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    pub fn get<T: Setting>(&mut self, key: &Key<T>) -> Option<T> {
        let read = self.settings.get(key);
        self.keep(read)
    }

    /// The inner `None`: it is not set.
    pub fn find<T: Setting>(&mut self, key: &Key<T>) -> Option<Option<T>> {
        let read = self.settings.find(key);
        self.keep(read)
    }

    /// A value with a rule of its own, which says why not and what is allowed.
    pub fn checked<T: Setting, U>(
        &mut self,
        key: &Key<T>,
        rule: impl FnOnce(T) -> Result<U, (String, String)>,
    ) -> Option<U> {
        let value = self.get(key)?;
        let ruled = rule(value);
        self.keep(ruled.map_err(|(why, allowed)| self.settings.problem(key, why, allowed)))
    }

    /// Beyond loopback anybody on the network could connect, so that has to be said on purpose.
    pub fn listen(&mut self, key: &Key<SocketAddr>, insecure: &Key<bool>) -> Option<SocketAddr> {
        let wanted = !matches!(self.settings.get(insecure), Ok(false));
        self.checked(key, |address| {
            if address.ip().is_loopback() || wanted {
                return Ok(address);
            }
            Err((
                format!("{address} can be reached from other machines, and there is no TLS on it"),
                format!(
                    "a loopback address; or any address with {insecure:?} = true, which is shown"
                ),
            ))
        })
    }

    pub fn add(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    /// # Errors
    /// Every problem, if there is one.
    pub fn done<C>(mut self, config: Option<C>) -> Result<C, Vec<Problem>> {
        self.problems.extend(self.settings.problems.iter().cloned());
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(self.problems),
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
        assert_eq!(settings.get(&keys::AGENT_NAME).unwrap().as_str(), "gw-8");
        assert_eq!(settings.get(&keys::AGENT_MQTT_LISTEN).unwrap().port(), 0);
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
        let sources = settings.get(&keys::AGGREGATOR_SOURCE).unwrap();
        assert_eq!(
            sources[0].log,
            crate::grammar::LogUrl::Kafka("h:9092".to_owned())
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
