//! `wardline-bridge`: MQTT to log, log to FHIR to log.

use std::process::ExitCode;

use clap::Parser;
use wardline_bridge::Config;
use wardline_log::Target;
use wardline_service::program::{self, PartCommand};
use wardline_service::{CommonArgs, Problem, Running, Settings, Supervisor};

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
    ("wardline-service", wardline_service::limits::LIMITS),
    ("wardline-mqtt", wardline_mqtt::limits::LIMITS),
];

fn main() -> ExitCode {
    let cli = Cli::parse();
    program::part(&cli.common, cli.command, LIMITS, configure, start)
}

fn configure(settings: &Settings) -> Result<(Config, Target), Vec<Problem>> {
    let config = Config::from_settings(settings)?;
    let target = target(settings).map_err(|problem| vec![problem])?;
    Ok((config, target))
}

fn target(settings: &Settings) -> Result<Target, Problem> {
    let target = Target::parse(
        &settings.text("bridge.log")?,
        &settings.data_dir().join("log"),
    )
    .map_err(|error| {
        settings.problem(
            "bridge.log",
            error.to_string(),
            "embedded or kafka://host:port",
        )
    })?;
    Ok(target.with_prefix(&settings.text("bridge.log_prefix")?))
}

async fn start((config, target): (Config, Target)) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble(config, &target, &mut parts).await;
    parts.up(started).await
}

async fn assemble(config: Config, target: &Target, parts: &mut Supervisor) -> anyhow::Result<()> {
    let log = wardline_log::open(target).await?;
    let closed = log.clone();
    parts.closing("the log", async move { Ok(closed.close().await?) });
    parts.part("the bridge", wardline_bridge::start(config, log).await?);
    Ok(())
}
