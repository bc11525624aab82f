//! `wardline-agent`: the edge agent alone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wardline_agent::Config;
use wardline_service::program::{self, PartCommand};
use wardline_service::{CommonArgs, Exit, logging};

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

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Part(command) => program::part(
            &cli.common,
            command,
            Config::from_settings,
            wardline_agent::start,
        ),
        Command::Status { json } => status(&cli.common, json),
    }
}

fn status(args: &CommonArgs, json: bool) -> ExitCode {
    logging::start(args, "warn");
    let settings = match program::settings(args, &[], "program") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    program::block_on(async {
        match wardline_agent::status::report(settings.data_dir(), json).await {
            Ok(text) => {
                println!("{text}");
                Exit::Done
            }
            Err(error) => program::failed(&error),
        }
    })
}
