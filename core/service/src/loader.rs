//! Layers become settings here: the defaults, the file with line numbers, the environment, `--set`; the later one wins.
//!
//! Every value is checked against its key as it comes in, so nothing unknown or ill-typed reaches `Settings`, and each
//! value keeps the source that `config` names. A problem does not end the reading: people see all of them at once, each
//! with the place where it was written. A value with a problem is not taken over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::keys;
use crate::settings::{Problem, Settings, Source};
use crate::value::Value;

pub(crate) struct Loader {
    values: BTreeMap<String, (Value, Source)>,
    problems: Vec<Problem>,
}

impl Loader {
    pub(crate) fn with_defaults() -> Self {
        let default = |key: &keys::Declared| {
            Some((
                key.name.to_owned(),
                (Value::One(key.default?.to_owned()), Source::Default),
            ))
        };
        Self {
            values: keys::all().filter_map(default).collect(),
            problems: Vec::new(),
        }
    }

    fn report(
        &mut self,
        source: &Source,
        key: &str,
        why: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        let problem = Problem {
            source_text: source.to_string(),
            key: key.to_owned(),
            why: why.into(),
            allowed: allowed.into(),
        };
        self.problems.push(problem);
    }

    pub(crate) fn set(&mut self, name: &str, value: Value, source: Source) {
        let Some(key) = keys::find(name) else {
            let allowed = match keys::nearest(name) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the keys that `config` prints".to_owned(),
            };
            self.report(&source, name, "is not a known key", allowed);
            return;
        };
        match (key.problem)(&value) {
            Some(why) => self.report(&source, name, why, key.allowed),
            None => {
                self.values.insert(name.to_owned(), (value, source));
            }
        }
    }

    pub(crate) fn file(&mut self, path: &Path) {
        let whole = Source::File {
            path: path.to_owned(),
            line: 1,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return self.report(
                    &whole,
                    "(file)",
                    format!("cannot be read: {error}"),
                    "a readable TOML file",
                );
            }
        };
        match DeTable::parse(&text) {
            Ok(table) => self.table(path, &text, "", table.get_ref()),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(&text, span.start));
                let source = Source::File {
                    path: path.to_owned(),
                    line,
                };
                self.report(&source, "(file)", error.message().to_owned(), "TOML");
            }
        }
    }

    fn table(&mut self, path: &Path, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            let source = Source::File {
                path: path.to_owned(),
                line: line_of(text, key.span().start),
            };
            match value.get_ref() {
                DeValue::Table(inner) => self.table(path, text, &name, inner),
                other => match converted(other) {
                    Some(value) => self.set(&name, value, source),
                    None => self.report(
                        &source,
                        &name,
                        "has the wrong type",
                        "a text, number, true/false or list of texts",
                    ),
                },
            }
        }
    }

    pub(crate) fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (variable, value) in variables {
            if let Some(rest) = variable.strip_prefix("WARDLINE__") {
                let name = rest.replace("__", ".").to_lowercase();
                self.set(&name, Value::One(value), Source::Environment(variable));
            }
        }
    }

    pub(crate) fn pair(&mut self, pair: &str) {
        match pair.split_once('=') {
            Some((key, value)) => self.set(
                key.trim(),
                Value::One(value.trim().to_owned()),
                Source::Flag,
            ),
            None => self.report(&Source::Flag, pair, "has no `=`", "KEY=VALUE"),
        }
    }

    pub(crate) fn finish(self, data: PathBuf, base: PathBuf) -> Settings {
        Settings::new(self.values, data, base, self.problems)
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn converted(value: &DeValue<'_>) -> Option<Value> {
    let DeValue::Array(items) = value else {
        return scalar(value).map(Value::One);
    };
    if items
        .iter()
        .all(|item| matches!(item.get_ref(), DeValue::Table(_)))
        && !items.is_empty()
    {
        let table = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::Table(table) => table
                .iter()
                .map(|(k, v)| Some((k.get_ref().to_string(), scalar(v.get_ref())?)))
                .collect::<Option<BTreeMap<_, _>>>(),
            _ => None,
        };
        return items
            .iter()
            .map(table)
            .collect::<Option<Vec<_>>>()
            .map(Value::Tables);
    }
    items
        .iter()
        .map(|item| scalar(item.get_ref()))
        .collect::<Option<Vec<_>>>()
        .map(Value::List)
}
