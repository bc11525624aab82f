//! What people type.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use wardline_service::{CommonArgs, program};
use wardline_tui::{Format, ThemeChoice};

#[derive(Parser)]
#[command(
    version,
    about = "Shows beds and devices per department, with the age of every number"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The aggregator's query API [default: the one of this data folder, else http://127.0.0.1:7070]
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// Print once and end
    #[arg(long)]
    pub(crate) once: bool,
    /// How --once prints
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Colours for a dark or a light ground
    #[arg(long, value_enum, default_value_t = ThemeChoice::Auto)]
    pub(crate) theme: ThemeChoice,
    /// Only this department
    #[arg(long, value_name = "NAME")]
    pub(crate) department: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print every limit with its unit and what happens at it
    Limits,
}

pub(crate) const LIMITS: &program::Limits = &[
    ("wardline-model", program::MODEL_LIMITS),
    ("wardline-service", wardline_service::limits::LIMITS),
    ("wardline-tui", wardline_tui::limits::LIMITS),
];

/// Where programs keep what they know of the last time; nowhere where no home is.
pub(crate) fn snapshot_path() -> Option<PathBuf> {
    let of = |name: &str, below: &str| {
        let folder = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(folder).join(below))
    };
    let folder = of("XDG_STATE_HOME", "wardline").or_else(|| of("HOME", ".local/state/wardline"));
    folder.map(|folder| folder.join("last.json"))
}
