//! One look, printed. Waits a few seconds for an aggregator that is still starting, and no longer.

use serde_json::Value;
use wardline_service::Backoff;

use crate::client::{Asker, Since, base_url};
use crate::error::TuiError;
use crate::limits::{BACKOFF_MS_MIN, ONCE_COLUMNS, ONCE_WAIT_MS};
use crate::model::{Model, Update};
use crate::render::{self, Format};
use crate::{Options, text, theme};

/// Fetches and renders.
pub fn once(options: &Options, format: Format) -> anyhow::Result<String> {
    let base = base_url(&options.api)?;
    let asker = Asker::new(&base);
    let since = Since::start();
    let only = options.department.as_deref();
    match format {
        Format::Json => {
            let sections = patiently(since, || sections(&asker))?;
            known(&base, only, names(&sections).iter().map(String::as_str))?;
            Ok(render::json(sections, only))
        }
        Format::Table | Format::Plain | Format::Line => {
            let round = patiently(since, || asker.round(true, None, since.now()))?;
            let names = round
                .departments
                .departments
                .iter()
                .map(|row| row.department.as_str());
            known(&base, only, names)?;
            let mut model = Model::new(&base, options.department.clone());
            model.apply(Update::Round(Box::new(round)), since.now());
            let now = since.now();
            Ok(match format {
                Format::Plain => render::plain(&model, now),
                Format::Line => render::line(&model, now),
                _ => render::table(&model, theme(options), columns(), now),
            })
        }
    }
}

/// Tries until it succeeds or the time is over; then the last reason counts.
fn patiently<T>(since: Since, mut ask: impl FnMut() -> Result<T, TuiError>) -> Result<T, TuiError> {
    let mut backoff = Backoff::of_ms(BACKOFF_MS_MIN, BACKOFF_MS_MIN);
    loop {
        match ask() {
            // Another version will still be another version in a second.
            Err(TuiError::NoAnswer { .. } | TuiError::Refused { .. })
                if since.now() < ONCE_WAIT_MS =>
            {
                std::thread::sleep(backoff.draw());
            }
            done => return done,
        }
    }
}

fn sections(asker: &Asker) -> Result<Vec<(&'static str, Value)>, TuiError> {
    let paths = [
        ("departments", "/api/v1/departments"),
        ("beds", "/api/v1/beds"),
        ("devices", "/api/v1/devices"),
        ("sources", "/api/v1/sources"),
        ("accounting", "/api/v1/accounting"),
        ("reasons", "/api/v1/reasons"),
    ];
    paths
        .into_iter()
        .map(|(name, path)| Ok((name, asker.get(path)?)))
        .collect()
}

fn names(sections: &[(&'static str, Value)]) -> Vec<String> {
    let departments = sections.iter().find(|(name, _)| *name == "departments");
    let rows = departments
        .and_then(|(name, value)| value.get(*name))
        .and_then(Value::as_array);
    rows.into_iter()
        .flatten()
        .filter_map(|row| {
            row.get("department")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .collect()
}

/// A department that the API does not name is most likely misspelt.
fn known<'a>(
    base: &str,
    only: Option<&str>,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), TuiError> {
    let Some(only) = only else { return Ok(()) };
    let names: Vec<&str> = names.collect();
    if names
        .iter()
        .any(|name| name.to_lowercase() == only.to_lowercase())
    {
        return Ok(());
    }
    let known = match names.as_slice() {
        [] => "are none so far".to_owned(),
        names => format!("are {}", text::fit(&names.join(", "), 400)),
    };
    Err(TuiError::Department {
        given: text::fit(only, 100),
        url: base.to_owned(),
        known,
    })
}

/// Of the terminal, if standard output is one.
fn columns() -> u16 {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() {
        return ONCE_COLUMNS;
    }
    match ratatui::crossterm::terminal::size() {
        Ok((columns, _)) if columns > 0 => columns,
        _ => ONCE_COLUMNS,
    }
}
