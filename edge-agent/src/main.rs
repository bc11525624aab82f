//! `wardline-agent`: the edge agent alone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wardline_agent::{Config, limits, start, status};
use wardline_service::program::{self, PartCommand};
use wardline_service::{CommonArgs, logging};

/// Takes in device and HL7 events, keeps them on disk, forwards them over MQTT
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Part(PartCommand),
    /// Ask the running agent how it is
    Status {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

const LIMITS: &program::Limits = &[
    ("wardline-model", wardline_model::limits::LIMITS),
    ("wardline-service", wardline_service::limits::LIMITS),
    ("wardline-mqtt", wardline_mqtt::limits::LIMITS),
    ("wardline-disk", wardline_disk::limits::LIMITS),
    ("wardline-agent", limits::LIMITS),
];

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Part(command) => {
            program::part(&cli.common, command, LIMITS, Config::from_settings, start)
        }
        Command::Status { json } => {
            logging::start(&cli.common, "warn");
            match program::settings(&cli.common, &[], "program") {
                Ok(settings) => program::block_on(status::print(settings.data_dir(), json)),
                Err(exit) => exit,
            }
        }
    }
}
