//! `wardline-bridge`: MQTT to log, log to FHIR to log.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wardline_bridge::Config;
use wardline_log::Target;
use wardline_service::{CommonArgs, Running, Settings, logging, program};

#[derive(Parser)]
#[command(version, about = "Writes agents' frames to the site's log, and what they mean as FHIR")]
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
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.common, "info");
    let settings = match program::settings(&cli.common, &[], "wardline-bridge") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let parts = Config::from_settings(&settings);
    match (cli.command, parts) {
        (Command::Config, _) => program::print(&settings.print()),
        (_, Err(problems)) => program::usage(&problems),
        (Command::Check, Ok(_)) => program::checked(),
        (Command::Run, Ok(config)) => program::run_part(&settings, start(&settings, config)),
    }
}

async fn start(settings: &Settings, config: Config) -> anyhow::Result<Running> {
    let target = settings.text("bridge.log")?;
    let prefix = settings.text("bridge.log_prefix")?;
    let target = Target::parse(&target, &settings.data_dir().join("log"))?.with_prefix(&prefix);
    let log = wardline_log::open(&target).await?;
    wardline_bridge::start(config, log).await
}
