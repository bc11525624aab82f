//! `wardline`: agent, bridge, log, aggregator and dashboard in one process.

mod cli;
mod compose;
mod dashboard;
mod demo;
mod log_reader;

use std::process::ExitCode;

use clap::Parser;
use wardline_service::{Settings, SystemClock, logging, program};

use crate::cli::{Cli, Command, LIMITS};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let dashboard = matches!(cli.command, None | Some(Command::Demo(_))) && dashboard::wanted();
    // Behind a dashboard only what a person must know afterwards is logged.
    logging::start(
        &cli.common,
        if dashboard { "error" } else { cli.log_level() },
    );
    let demanded = demo::demanded(&cli);
    let clock = SystemClock::shared();
    // The parts tell what is wrong with their keys together with what is wrong with the file.
    let lenient = matches!(cli.command, None | Some(Command::Run | Command::Check));
    let settings = if lenient {
        Settings::read(&cli.common, &demanded, "wardline demo")
    } else {
        match program::settings(&cli.common, &demanded, "wardline demo") {
            Ok(settings) => settings,
            Err(exit) => return exit,
        }
    };
    match &cli.command {
        None => with_parts(&settings, |parts| {
            dashboard::run(&cli.common, &settings, parts, clock)
        }),
        Some(Command::Run) => with_parts(&settings, |parts| {
            program::run_part(&settings, compose::start(parts, clock))
        }),
        Some(Command::Demo(options)) => demo::run(&cli.common, options, clock),
        Some(Command::Check) => with_parts(&settings, |_| program::checked()),
        Some(Command::Config) => program::print(&settings.print()),
        Some(Command::Limits) => program::print_limits(LIMITS),
        Some(Command::Log { command }) => log_reader::run(&settings, command, clock),
    }
}

fn with_parts(settings: &Settings, then: impl FnOnce(compose::Parts) -> ExitCode) -> ExitCode {
    match compose::Parts::from_settings(settings) {
        Ok(parts) => then(parts),
        Err(problems) => program::usage(&problems),
    }
}
