//! `wardline-tui`: the capacity dashboard, against any aggregator.

mod cli;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use wardline_service::{Exit, logging, program, run_dir};
use wardline_tui::Options;

use crate::cli::{Cli, Command, LIMITS};

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
    let signal = async { Ok(program::stop_signal().await) };
    program::block_on(wardline_tui::show(options, signal))
}
