//! `wardline-tui`: the capacity dashboard, against any aggregator.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use wardline_service::{CommonArgs, Exit, logging, program, run_dir, stop_pair};
use wardline_tui::{Format, Options};

#[derive(Parser)]
#[command(
    version,
    about = "Shows beds and devices per department, with the age of every number"
)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    /// The aggregator's query API [default: the one of this data folder, else http://127.0.0.1:7070]
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Print once and end
    #[arg(long)]
    once: bool,
    /// How --once prints
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only this department
    #[arg(long, value_name = "NAME")]
    department: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let settings = match program::settings(&cli.common, &[], "wardline-tui") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let local = || {
        run_dir::read(settings.data_dir())?
            .get("api")
            .map(|address| format!("http://{address}"))
    };
    let api = cli
        .api
        .clone()
        .or_else(local)
        .unwrap_or_else(|| "http://127.0.0.1:7070".to_owned());
    let terminal = std::io::stdout().is_terminal();
    let options = Options {
        api,
        department: cli.department.clone(),
        color: cli.common.color.enabled(terminal),
    };
    if cli.once {
        logging::start(&cli.common, "warn");
        return match wardline_tui::once(&options, cli.format) {
            Ok(text) => program::print(&text),
            Err(error) => program::failed(&error).into(),
        };
    }
    if !terminal {
        eprintln!("error: standard output is not a terminal; use --once");
        return Exit::Usage.into();
    }
    // No log lines: they would be written into the picture.
    program::block_on(async {
        match show(options).await {
            Ok(exit) => exit,
            Err(error) => program::failed(&error),
        }
    })
}

/// Until the person quits or a signal comes; the terminal is given back in either case.
async fn show(options: Options) -> anyhow::Result<Exit> {
    let (handle, stop) = stop_pair();
    let mut picture =
        tokio::task::spawn_blocking(move || wardline_tui::run(options, || stop.is_stopped()));
    let exit = tokio::select! {
        done = &mut picture => return done?.map(|()| Exit::Done),
        exit = program::stop_signal() => exit,
    };
    handle.stop();
    picture.await??;
    Ok(exit)
}
