//! The frame that every `main` hangs in: read settings, start, publish addresses, wait for a signal, stop, exit code.

use std::future::Future;
use std::process::ExitCode;

use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::{Problem, Settings};
use crate::{CommonArgs, Exit, Running, exit, logging, notify, run_dir};

/// What every part can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum PartCommand {
    /// Run until SIGINT or SIGTERM
    Run,
    /// Read the configuration and print every problem
    Check,
    /// Print the effective configuration with where each value came from
    Config,
}

/// The whole of a part's `main`: settings, its own configuration out of them, and what was asked for.
pub fn part<C, F>(
    args: &CommonArgs,
    command: PartCommand,
    configure: impl FnOnce(&Settings) -> Result<C, Vec<Problem>>,
    start: impl FnOnce(C) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<Running>>,
{
    logging::start(args, "info");
    let settings = match settings(args, &[], "program") {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    if command == PartCommand::Config {
        return print(&settings.print());
    }
    match configure(&settings) {
        Err(problems) => usage(&problems),
        Ok(_) if command == PartCommand::Check => checked(),
        Ok(config) => run_part(&settings, start(config)),
    }
}

/// Loads the settings or prints every problem and ends with 2.
pub fn settings(
    args: &CommonArgs,
    demanded: &[(&str, &str)],
    program: &'static str,
) -> Result<Settings, ExitCode> {
    Settings::load(args, demanded, program).map_err(|problems| usage(&problems))
}

/// Prints problems, one a line, and says 2.
pub fn usage(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("error: {problem}");
    }
    Exit::Usage.into()
}

/// The configuration has no problem.
pub fn checked() -> ExitCode {
    print("the configuration is valid")
}

/// Writes an answer to standard output; a closed pipe is no failure.
pub fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Ok(()) => Exit::Done.into(),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done.into(),
        Err(_) => Exit::Failed.into(),
    }
}

/// Runs one part until SIGINT, SIGTERM or its own failure.
pub fn run_part<F>(settings: &Settings, start: F) -> ExitCode
where
    F: Future<Output = anyhow::Result<Running>>,
{
    block_on(async {
        match serve(settings, start).await {
            Ok(exit) => exit,
            Err(error) => failed(&error),
        }
    })
}

/// A runtime for one program.
pub fn block_on(future: impl Future<Output = Exit>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(future).into(),
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            Exit::Failed.into()
        }
    }
}

/// Prints an error with its causes and says which exit code it asks for.
pub fn failed(error: &anyhow::Error) -> Exit {
    eprintln!("error: {error:#}");
    exit::of_error(error)
}

async fn serve(
    settings: &Settings,
    start: impl Future<Output = anyhow::Result<Running>>,
) -> anyhow::Result<Exit> {
    let mut running = start.await?;
    announce(settings, &running)?;
    let exit = tokio::select! {
        exit = stop_signal() => exit,
        error = running.failed() => return Err(error),
    };
    notify::stopping();
    run_dir::withdraw(settings.data_dir(), &running.addresses);
    running.stop().await?;
    Ok(exit)
}

/// All listeners are up: the addresses file and READY=1, at the same moment.
pub fn announce(settings: &Settings, running: &Running) -> anyhow::Result<()> {
    run_dir::publish(settings.data_dir(), &running.addresses)?;
    for (name, address) in &running.addresses {
        tracing::info!(%address, "{name} listens");
    }
    notify::ready();
    Ok(())
}

/// Waits for SIGINT or SIGTERM. If neither can be watched the program runs until it is killed.
pub async fn stop_signal() -> Exit {
    match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        },
        _ => std::future::pending().await,
    }
}
