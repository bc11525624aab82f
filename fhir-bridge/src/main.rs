//! `wardline-bridge`: MQTT to log, log to FHIR to log.

use std::process::ExitCode;

use clap::Parser;
use wardline_bridge::Config;
use wardline_service::CommonArgs;
use wardline_service::program::{self, PartCommand};

/// Writes agents' frames to the site's log, and what they mean as FHIR
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
    ("wardline-mqtt", wardline_mqtt::limits::LIMITS),
    ("wardline-disk", wardline_disk::limits::LIMITS),
    ("wardline-log", wardline_log::limits::LIMITS),
    ("wardline-bridge", wardline_bridge::limits::LIMITS),
];

fn main() -> ExitCode {
    let cli = Cli::parse();
    program::part(
        &cli.common,
        cli.command,
        LIMITS,
        Config::from_settings,
        wardline_bridge::start_apart,
    )
}
