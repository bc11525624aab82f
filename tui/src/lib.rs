//! The capacity dashboard, against any aggregator: it knows the API's types and nothing behind them.
//!
//! `model` is what the API says, with ages; `app` is what the person does; `screens` makes the picture of both: these
//! are pure. `client` asks, `terminal` draws, `render` prints. Read-only: there is no write in it. It shows
//! utilisation and the health of the pipeline, never a patient, because the API has none.

mod app;
mod client;
mod error;
#[cfg(test)]
#[path = "tests/fixture.rs"]
mod fixture;
pub mod limits;
mod model;
mod once;
mod render;
mod screens;
mod terminal;
mod text;
mod theme;

pub use error::TuiError;
pub use once::once;
pub use render::Format;
pub use theme::ThemeChoice;

use std::path::PathBuf;

use wardline_service::{Exit, stop_pair};

use crate::app::App;
use crate::model::Model;
use crate::theme::Theme;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The aggregator's query API, e.g. `http://127.0.0.1:7070`.
    pub api: String,
    /// Only this department.
    pub department: Option<String>,
    pub color: bool,
    pub theme: ThemeChoice,
    /// Where the last picture is kept, for a start at which nobody answers.
    pub snapshot: Option<PathBuf>,
}

/// Shows the dashboard in this terminal until the person quits or `end` comes; the terminal is given back in either case.
///
/// # Errors
/// That of `end`, or what keeps the terminal from being used.
pub async fn show(
    options: Options,
    end: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let (handle, stop) = stop_pair();
    let mut picture = tokio::task::spawn_blocking(move || run(options, || stop.is_stopped()));
    let ended = tokio::select! {
        done = &mut picture => return done?.map(|()| Exit::Done),
        ended = end => ended,
    };
    // The terminal is restored before anything else is said.
    handle.stop();
    picture.await??;
    ended
}

fn run(options: Options, stop: impl Fn() -> bool) -> anyhow::Result<()> {
    let base = client::base_url(&options.api)?;
    let theme = theme(&options);
    let app = App::new(Model::new(&base, options.department));
    Ok(terminal::run(app, theme, options.snapshot, stop)?)
}

impl Options {
    /// # Errors
    /// An address that is none.
    pub fn check(&self) -> Result<(), TuiError> {
        client::base_url(&self.api).map(drop)
    }
}

/// The exit code that an error asks for: what was typed wrong is told apart from what failed.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<TuiError>() {
        Some(error) if error.is_usage() => Exit::Usage,
        _ => wardline_service::exit::of_error(error),
    }
}

/// The same for the screen and for what is printed.
fn theme(options: &Options) -> Theme {
    Theme::of(options.theme, options.color, |name| {
        std::env::var(name).ok()
    })
}
