//! Prometheus' text form: HELP, TYPE, lines with escaped labels.

use std::fmt::Write;

use super::Snapshot;

pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;
pub(super) type Line<'a> = (Labels<'a>, String);

/// A figure under its name.
pub(super) struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    lines: fn(&Snapshot) -> Vec<Line<'_>>,
}

pub(super) const fn gauge(
    name: &'static str,
    help: &'static str,
    lines: fn(&Snapshot) -> Vec<Line<'_>>,
) -> Family {
    let kind = "gauge";
    Family {
        name,
        kind,
        help,
        lines,
    }
}

pub(super) const fn counter(
    name: &'static str,
    help: &'static str,
    lines: fn(&Snapshot) -> Vec<Line<'_>>,
) -> Family {
    let kind = "counter";
    Family {
        name,
        kind,
        help,
        lines,
    }
}

pub(super) fn text(families: &[Family], snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for Family {
        name,
        kind,
        help,
        lines,
    } in families
    {
        // Writing to a string does not fail.
        write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
        for (labels, value) in lines(snapshot) {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
                .collect();
            let labels = match labels.as_slice() {
                [] => String::new(),
                labels => format!("{{{}}}", labels.join(",")),
            };
            writeln!(out, "{name}{labels} {value}").ok();
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
