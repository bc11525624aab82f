//! `wardline-aggregator`: replication, views, query API.

use std::process::ExitCode;

use clap::Parser;
use wardline_aggregator::{Config, Source};
use wardline_log::{SharedLog, Target};
use wardline_service::program::{self, PartCommand};
use wardline_service::{CommonArgs, Problem, Running, Settings, Supervisor};

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
    program::part(&cli.common, cli.command, LIMITS, configure, start)
}

fn configure(settings: &Settings) -> Result<(Config, Targets), Vec<Problem>> {
    Ok((Config::from_settings(settings)?, targets(settings)?))
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
            problems.push(settings.problem(
                "aggregator.source",
                "needs `site` and `log`",
                "site, log, log_prefix",
            ));
            continue;
        };
        let prefix = get("log_prefix").unwrap_or_else(|| "wardline.".to_owned());
        match Target::parse(&log, &settings.data_dir().join("log")) {
            Ok(target) => sites.push((site, target.with_prefix(&prefix))),
            Err(error) => problems.push(settings.problem(
                "aggregator.source",
                error.to_string(),
                "embedded or kafka://…",
            )),
        }
    }
    if sites.is_empty() && problems.is_empty() {
        problems.push(settings.problem(
            "aggregator.source",
            "is needed and not set",
            "[[aggregator.source]] with site and log",
        ));
    }
    let centre = settings.text("aggregator.log").and_then(|text| {
        let prefix = settings.text("aggregator.log_prefix")?;
        Target::parse(&text, &settings.data_dir().join("centre"))
            .map(|target| target.with_prefix(&prefix))
            .map_err(|error| {
                settings.problem("aggregator.log", error.to_string(), "embedded or kafka://…")
            })
    });
    match centre {
        Ok(centre) if problems.is_empty() => Ok(Targets { centre, sites }),
        Ok(_) => Err(problems),
        Err(problem) => Err(problems.into_iter().chain([problem]).collect()),
    }
}

async fn start((config, targets): (Config, Targets)) -> anyhow::Result<Running> {
    let mut parts = Supervisor::new();
    let started = assemble(config, targets, &mut parts).await;
    parts.up(started).await
}

async fn assemble(config: Config, targets: Targets, parts: &mut Supervisor) -> anyhow::Result<()> {
    let centre = wardline_log::open(&targets.centre).await?;
    parts.closing("the centre's log", closed(centre.clone()));
    let mut sources = Vec::new();
    for (site, target) in targets.sites {
        let log = wardline_log::open(&target).await?;
        parts.closing("a site's log", closed(log.clone()));
        sources.push(Source {
            site,
            log,
            local: false,
        });
    }
    let aggregator = wardline_aggregator::start(config, centre, sources).await?;
    parts.part("the aggregator", aggregator);
    Ok(())
}

async fn closed(log: SharedLog) -> anyhow::Result<()> {
    Ok(log.close().await?)
}
