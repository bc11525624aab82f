//! `wardline-tui`: the capacity dashboard, against any aggregator.

mod cli;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use wardline_service::{Exit, logging, program, run_dir};
use wardline_tui::Options;

use crate::cli::{Cli, Command, LIMITS, snapshot_path};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Limits) = cli.command {
        return program::print_limits(LIMITS);
    }
    let settings = match program::settings(&cli.common, &[], "wardline-tui") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let local = || run_dir::read(settings.data_dir())?.remove("api");
    let address = || local().unwrap_or_else(|| "127.0.0.1:7070".to_owned());
    let api = cli.api.unwrap_or_else(|| format!("http://{}", address()));
    let terminal = std::io::stdout().is_terminal();
    let options = Options {
        api,
        department: cli.department,
        color: cli.common.color.enabled(terminal),
        theme: cli.theme,
        snapshot: snapshot_path(),
    };
    if let Err(error) = options.check() {
        return told(&error.into());
    }
    if cli.once {
        logging::start(&cli.common, "warn");
        return match wardline_tui::once(&options, cli.format) {
            Ok(text) => program::print(&text),
            Err(error) => told(&error),
        };
    }
    if !terminal {
        eprintln!("error: standard output is not a terminal; use --once");
        return Exit::Usage.into();
    }
    // No log lines: they would be written into the picture.
    let signal = async { Ok(program::stop_signal().await) };
    program::block_on(wardline_tui::show(options, signal))
}

fn told(error: &anyhow::Error) -> ExitCode {
    program::failed(error);
    wardline_tui::exit_of(error).into()
}
