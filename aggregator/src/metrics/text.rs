//! Prometheus' text form: HELP, TYPE, lines with escaped labels.

use std::fmt::Write;

/// The text as it grows.
#[derive(Default)]
pub(super) struct Text {
    pub(super) out: String,
}

impl Text {
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
    }

    pub(super) fn line(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        self.out.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let open = if i == 0 { '{' } else { ',' };
            write!(self.out, "{open}{label}=\"{}\"", escaped(text)).ok();
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        writeln!(self.out, " {value}").ok();
    }

    /// A line of every row that has the value.
    pub(super) fn each<'a, R: 'a, V: std::fmt::Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        rows: impl IntoIterator<Item = R>,
        line: impl Fn(R) -> Option<(Vec<(&'a str, &'a str)>, V)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in rows.into_iter().filter_map(line) {
            self.line(name, &labels, value);
        }
    }

    pub(super) fn one(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        value: impl std::fmt::Display,
    ) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
