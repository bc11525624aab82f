//! A JSON mapping file, read and checked: which topics it is for, where the members stand, and what each metric is.
//!
//! Sites write these files by hand, so a file is accepted whole or refused with the place that is wrong: unknown
//! members, missing units and states that no view knows are found at the start, not at the first message. Once
//! accepted, the file needs no further check.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::path::JsonPath;
use super::topic::TopicPattern;
use wardline_model::record::DEVICE_STATES;

#[derive(Debug, Clone)]
pub struct JsonMapping {
    name: String,
    label: String,
    pub topic: TopicPattern,
    pub fields: Fields,
    pub metrics: BTreeMap<String, Metric>,
}

#[derive(Debug, Clone)]
pub struct Fields {
    pub ts: JsonPath,
    pub value: JsonPath,
    pub unit: Option<JsonPath>,
    pub seq: Option<JsonPath>,
    pub kind: Option<JsonPath>,
}

/// What a metric's value is, and what record it becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// The device's word -> ours.
    State(BTreeMap<String, &'static str>),
    Battery(Number),
    Location,
    Observation {
        number: Number,
        code: String,
        display: String,
        category: String,
    },
}

impl Metric {
    /// What the views know it as, whatever a device calls it; measurements keep the name in their topic.
    pub fn name(&self, given: &str) -> Cow<'static, str> {
        match self {
            Metric::State(_) => Cow::Borrowed("state"),
            Metric::Battery(_) => Cow::Borrowed("battery"),
            Metric::Location => Cow::Borrowed("location"),
            Metric::Observation { .. } => Cow::Owned(given.to_owned()),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// UCUM.
    pub unit: String,
    /// Other spellings of the same unit.
    pub aliases: Vec<String>,
    pub min: f64,
    pub max: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mapping: Head,
    fields: FieldPaths,
    metric: BTreeMap<String, MetricTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "kind")]
    _kind: String,
    name: String,
    version: u32,
    topic: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldPaths {
    ts: String,
    value: String,
    unit: Option<String>,
    seq: Option<String>,
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricTable {
    record: String,
    words: Option<BTreeMap<String, String>>,
    unit: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    code: Option<String>,
    display: Option<String>,
    category: Option<String>,
}

/// Names stand in a header as `name@version`.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(allowed) {
        return Err(format!(
            "name {name:?}: allowed are 1 to 32 characters of a-z, 0-9 and -"
        ));
    }
    Ok(())
}

impl JsonMapping {
    /// # Errors
    /// Says what is wrong with the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        check_name(&file.mapping.name)?;
        let optional = |path: Option<String>| path.map(|p| JsonPath::parse(&p)).transpose();
        let mut metrics = BTreeMap::new();
        for (name, table) in file.metric {
            let metric = metric(table).map_err(|why| format!("[metric.{name}]: {why}"))?;
            metrics.insert(name, metric);
        }
        Ok(Self {
            label: format!("{}@{}", file.mapping.name, file.mapping.version),
            name: file.mapping.name,
            topic: TopicPattern::parse(&file.mapping.topic)?,
            fields: Fields {
                ts: JsonPath::parse(&file.fields.ts)?,
                value: JsonPath::parse(&file.fields.value)?,
                unit: optional(file.fields.unit)?,
                seq: optional(file.fields.seq)?,
                kind: optional(file.fields.kind)?,
            },
            metrics,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name@version`.
    pub fn label(&self) -> &str {
        &self.label
    }
}

fn metric(table: MetricTable) -> Result<Metric, String> {
    match table.record.as_str() {
        "device-state" => states(table.words),
        "device-battery" => number(&table).map(Metric::Battery),
        "device-location" => Ok(Metric::Location),
        "observation" => Ok(Metric::Observation {
            number: number(&table)?,
            code: table.code.ok_or("code (LOINC) is missing")?,
            display: table.display.ok_or("display is missing")?,
            category: table.category.unwrap_or_else(|| "vital-signs".to_owned()),
        }),
        other => Err(format!(
            "record = {other:?} is not known; allowed are device-state, device-battery, device-location, observation"
        )),
    }
}

fn states(words: Option<BTreeMap<String, String>>) -> Result<Metric, String> {
    let words = words
        .filter(|words| !words.is_empty())
        .ok_or("words are missing")?;
    words
        .into_iter()
        .map(|(theirs, ours)| {
            let state = DEVICE_STATES.iter().find(|state| **state == ours);
            let state = state
                .ok_or_else(|| format!("`{ours}` is not one of {}", DEVICE_STATES.join(", ")))?;
            Ok((theirs, *state))
        })
        .collect::<Result<_, String>>()
        .map(Metric::State)
}

fn number(table: &MetricTable) -> Result<Number, String> {
    let min = table.min.ok_or("min is missing")?;
    let max = table.max.ok_or("max is missing")?;
    if !(min.is_finite() && max.is_finite() && min < max) {
        return Err("min must be less than max, and both finite".to_owned());
    }
    Ok(Number {
        unit: table.unit.clone().ok_or("unit (UCUM) is missing")?,
        aliases: table.aliases.clone(),
        min,
        max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../mappings/devices.toml");

    #[test]
    fn j6_the_shipped_mapping_knows_what_the_views_know() {
        let mapping = JsonMapping::parse(GOOD).unwrap();
        assert_eq!(mapping.label(), "devices@1");
        for metric in [
            "state",
            "battery",
            "location",
            "heart_rate",
            "spo2",
            "temperature",
        ] {
            assert!(mapping.metrics.contains_key(metric), "{metric}");
        }
        let Metric::State(words) = &mapping.metrics["state"] else {
            panic!("state is no device-state");
        };
        for state in &DEVICE_STATES {
            assert_eq!(words.get(*state), Some(state));
        }
    }

    #[test]
    fn j3_faults_of_a_file_are_named() {
        for (from, to, word) in [
            ("version = 1", "version = \"x\"", "version"),
            ("name = \"devices\"", "name = \"De vices\"", "name"),
            ("/{metric}\"", "/{thing}\"", "thing"),
            ("ts = \"$.ts\"", "ts = \"ts\"", "ts"),
            ("unit = \"%\"\nmin", "min", "battery"),
            (
                "record = \"device-location\"",
                "record = \"place\"",
                "location",
            ),
            ("in-use = \"in-use\"", "in-use = \"busy\"", "busy"),
            ("max = 100", "max = -1", "min must"),
            ("code = \"8867-4\"", "kode = \"8867-4\"", "kode"),
        ] {
            let why = JsonMapping::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(why.contains(word), "{from} -> {to}: {why}");
        }
    }
}
