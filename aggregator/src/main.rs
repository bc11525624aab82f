//! `wardline-aggregator`: replication, views, query API.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wardline_aggregator::{Config, Source};
use wardline_log::Target;
use wardline_service::{CommonArgs, Problem, Running, Settings, logging, program};

#[derive(Parser)]
#[command(version, about = "Replicates the sites' topics and keeps live views of beds and devices")]
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
    let settings = match program::settings(&cli.common, &[], "wardline-aggregator") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let parts = Config::from_settings(&settings).and_then(|config| Ok((config, targets(&settings)?)));
    match (cli.command, parts) {
        (Command::Config, _) => program::print(&settings.print()),
        (_, Err(problems)) => program::usage(&problems),
        (Command::Check, Ok(_)) => program::checked(),
        (Command::Run, Ok((config, targets))) => program::run_part(&settings, start(config, targets)),
    }
}

struct Targets {
    centre: Target,
    sites: Vec<(String, Target)>,
}

fn targets(settings: &Settings) -> Result<Targets, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut sites = Vec::new();
    for table in settings.tables("aggregator.source").map_err(|p| vec![p])? {
        let get = |key: &str| table.get(key).cloned();
        let (Some(site), Some(log)) = (get("site"), get("log")) else {
            problems.push(settings.problem("aggregator.source", "needs `site` and `log`", "site, log, log_prefix"));
            continue;
        };
        let prefix = get("log_prefix").unwrap_or_else(|| "wardline.".to_owned());
        match Target::parse(&log, &settings.data_dir().join("log")) {
            Ok(target) => sites.push((site, target.with_prefix(&prefix))),
            Err(error) => problems.push(settings.problem("aggregator.source", error.to_string(), "embedded or kafka://…")),
        }
    }
    if sites.is_empty() && problems.is_empty() {
        problems.push(settings.problem("aggregator.source", "is needed and not set", "[[aggregator.source]] with site and log"));
    }
    let centre = settings.text("aggregator.log").and_then(|text| {
        let prefix = settings.text("aggregator.log_prefix")?;
        Target::parse(&text, &settings.data_dir().join("centre"))
            .map(|target| target.with_prefix(&prefix))
            .map_err(|error| settings.problem("aggregator.log", error.to_string(), "embedded or kafka://…"))
    });
    match centre {
        Ok(centre) if problems.is_empty() => Ok(Targets { centre, sites }),
        Ok(_) => Err(problems),
        Err(problem) => Err(problems.into_iter().chain([problem]).collect()),
    }
}

async fn start(config: Config, targets: Targets) -> anyhow::Result<Running> {
    let centre = wardline_log::open(&targets.centre).await?;
    let mut sources = Vec::new();
    for (site, target) in targets.sites {
        sources.push(Source { site, log: wardline_log::open(&target).await?, local: false });
    }
    wardline_aggregator::start(config, centre, sources).await
}
