//! `wardline-aggregator`: replication, views, query API.

use std::process::ExitCode;

use clap::Parser;
use wardline_aggregator::apart;
use wardline_service::CommonArgs;
use wardline_service::program::{self, PartCommand};

/// Replicates the sites' topics and keeps live views of beds and devices
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: PartCommand,
}

const LIMITS: &program::Limits = &[
    ("wardline-model", wardline_model::limits::LIMITS),
    ("wardline-service", wardline_service::limits::LIMITS),
    ("wardline-disk", wardline_disk::limits::LIMITS),
    ("wardline-log", wardline_log::limits::LIMITS),
    ("wardline-aggregator", wardline_aggregator::limits::LIMITS),
];

fn main() -> ExitCode {
    let cli = Cli::parse();
    program::part(
        &cli.common,
        cli.command,
        LIMITS,
        apart::Apart::from_settings,
        apart::start,
    )
}
