//! What a key's value can be, and how each type is read. The grammars themselves stand in `grammar` and core/model.
//!
//! A key's type decides everything about its value: what is accepted, what people are told is allowed, and how it is
//! printed. That is why the checks live in one trait: a value that `Settings` accepted can be read as its key's type
//! without a second grammar somewhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use wardline_model::{AgentName, SiteName};

use crate::grammar::{self, LogUrl, MqttUrl};

/// A value as it was written.
#[derive(Debug, Clone)]
pub enum Value {
    One(String),
    List(Vec<String>),
    Tables(Vec<BTreeMap<String, String>>),
}

/// A type that a key can have.
pub trait Setting: Sized {
    /// What may be written, for people.
    const ALLOWED: &'static str;
    /// Printed without quotation marks.
    const BARE: bool = false;

    /// Reads one text.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;

    /// Reads a value; most types are one text.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::One(text) => Self::parse(text),
            Value::List(_) | Value::Tables(_) => Err("has the wrong type".to_owned()),
        }
    }

    /// Relative paths start at this folder.
    #[must_use]
    fn placed_in(self, _base: &Path) -> Self {
        self
    }
}

fn valid<T>(text: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("`{text}` is not valid here"))
}

impl Setting for String {
    const ALLOWED: &'static str = "a text";
    fn parse(text: &str) -> Result<Self, String> {
        valid(text, (!text.is_empty()).then(|| text.to_owned()))
    }
}

impl Setting for SiteName {
    const ALLOWED: &'static str = "1 to 32 characters of a-z, 0-9 and -";
    fn parse(text: &str) -> Result<Self, String> {
        SiteName::new(text).map_err(|error| error.to_string())
    }
}

impl Setting for AgentName {
    const ALLOWED: &'static str = SiteName::ALLOWED;
    fn parse(text: &str) -> Result<Self, String> {
        AgentName::new(text).map_err(|error| error.to_string())
    }
}

impl Setting for SocketAddr {
    const ALLOWED: &'static str =
        "an IP address and port such as 127.0.0.1:1883 (port 0: any free one)";
    fn parse(text: &str) -> Result<Self, String> {
        valid(text, grammar::address(text))
    }
}

impl Setting for Duration {
    const ALLOWED: &'static str = "a whole number with a unit: ms, s, min, h, d";
    fn parse(text: &str) -> Result<Self, String> {
        valid(text, grammar::duration(text))
    }
}

/// A size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Setting for Bytes {
    const ALLOWED: &'static str = "a whole number with a unit: B, KiB, MiB, GiB";
    fn parse(text: &str) -> Result<Self, String> {
        valid(text, grammar::bytes(text).map(Self))
    }
}

impl Setting for bool {
    const ALLOWED: &'static str = "true or false";
    const BARE: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        valid(text, text.parse().ok())
    }
}

impl Setting for PathBuf {
    const ALLOWED: &'static str = "a path; a relative one starts at the configuration file";
    fn parse(text: &str) -> Result<Self, String> {
        String::parse(text).map(Self::from)
    }
    fn placed_in(self, base: &Path) -> Self {
        base.join(self)
    }
}

/// A time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(pub TimeZone);

impl Setting for Zone {
    const ALLOWED: &'static str = "an IANA time zone such as Europe/Berlin, or system";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "system" => Ok(Self(TimeZone::system())),
            name => valid(text, TimeZone::get(name).ok().map(Self)),
        }
    }
}

impl Setting for MqttUrl {
    const ALLOWED: &'static str = "mqtt://[user:password@]host:port";
    fn parse(text: &str) -> Result<Self, String> {
        MqttUrl::parse(text)
    }
}

impl Setting for LogUrl {
    const ALLOWED: &'static str = "embedded, or kafka://host:port,host:port";
    fn parse(text: &str) -> Result<Self, String> {
        LogUrl::parse(text)
    }
}

impl Setting for Vec<String> {
    const ALLOWED: &'static str = "a list of texts";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(|item| item.trim().to_owned()).collect())
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::One(text) => Self::parse(text),
            Value::List(items) => Ok(items.clone()),
            Value::Tables(_) => Err("has the wrong type".to_owned()),
        }
    }
}

/// One `[[aggregator.source]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTable {
    pub site: SiteName,
    pub log: LogUrl,
    /// Before every topic name in the site's Kafka.
    pub log_prefix: Option<String>,
    /// The site's own list of its beds.
    pub beds: Option<PathBuf>,
}

impl SourceTable {
    fn of(table: &BTreeMap<String, String>) -> Result<Self, String> {
        let known = ["site", "log", "log_prefix", "beds"];
        if let Some(other) = table.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`{other}` is not a known key of it"));
        }
        let needed = |key: &str| table.get(key).ok_or(format!("needs `{key}`"));
        let of = |key: &str, why: String| format!("{key}: {why}");
        Ok(Self {
            site: SiteName::parse(needed("site")?).map_err(|why| of("site", why))?,
            log: LogUrl::parse(needed("log")?).map_err(|why| of("log", why))?,
            log_prefix: table.get("log_prefix").cloned(),
            beds: table.get("beds").map(PathBuf::from),
        })
    }
}

impl Setting for Vec<SourceTable> {
    const ALLOWED: &'static str = "[[aggregator.source]] tables with the keys site, log (embedded or kafka://…), log_prefix, beds (a CSV file)";
    fn parse(_: &str) -> Result<Self, String> {
        Err("has the wrong type".to_owned())
    }
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Tables(tables) => tables.iter().map(SourceTable::of).collect(),
            Value::One(_) | Value::List(_) => Err("has the wrong type".to_owned()),
        }
    }
    fn placed_in(self, base: &Path) -> Self {
        let placed = |table: SourceTable| SourceTable {
            beds: table.beds.map(|path| base.join(path)),
            ..table
        };
        self.into_iter().map(placed).collect()
    }
}
