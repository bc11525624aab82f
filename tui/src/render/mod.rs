//! The same model for pipes, paper and screen readers: `--once`.

mod json;
mod plain;
mod table;

use clap::ValueEnum;

pub(crate) use json::json;
pub(crate) use plain::{line, plain};
pub(crate) use table::table;

/// How `--once` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Like the screen
    Table,
    /// What the API said
    Json,
    /// One fact a line, for screen readers and grep
    Plain,
    /// One line with its time, for a log
    Line,
}
