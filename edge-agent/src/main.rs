//! `wardline-agent`: the edge agent alone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wardline_agent::Config;
use wardline_service::{CommonArgs, Exit, Settings, logging, program};

#[derive(Parser)]
#[command(
    version,
    about = "Takes in device and HL7 events, keeps them on disk, forwards them over MQTT"
)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGINT or SIGTERM
    Run,
    /// Read the configuration and print every problem
    Check,
    /// Print the effective configuration with where each value came from
    Config,
    /// Ask the running agent how it is
    Status {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.common, "info");
    let settings = match program::settings(&cli.common, &[], "wardline-agent") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    match cli.command {
        Command::Run => with_config(&settings, |config| {
            program::run_part(&settings, wardline_agent::start(config))
        }),
        Command::Check => with_config(&settings, |_| program::checked()),
        Command::Config => program::print(&settings.print()),
        Command::Status { json } => status(&settings, json),
    }
}

fn with_config(settings: &Settings, then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::from_settings(settings) {
        Ok(config) => then(config),
        Err(problems) => program::usage(&problems),
    }
}

fn status(settings: &Settings, json: bool) -> ExitCode {
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
