//! `wardline-tui`: the capacity dashboard, against any aggregator.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wardline_service::{CommonArgs, Exit, logging, program, run_dir};
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
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print every limit with its unit and what happens at it
    Limits,
}

const LIMITS: &program::Limits = &[
    ("wardline-service", wardline_service::limits::LIMITS),
    ("wardline-tui", wardline_tui::limits::LIMITS),
];

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
