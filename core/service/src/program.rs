//! The frame that every `main` hangs in: read settings, start, publish addresses, wait for a signal, stop, exit code.
//!
//! The first SIGINT or SIGTERM ends everything in order, the second ends the process where it stands. A signal that comes
//! before everything is up ends the start: nothing was acknowledged that is not on disk.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wardline_limits::Limit;

use crate::limits::RUNTIME_END_MS_MAX;
use crate::settings::{Problem, Settings};
use crate::{
    CommonArgs, Exit, Running, SharedClock, SystemClock, exit, logging, notify, run_dir, watchdog,
};

/// What every part can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum PartCommand {
    /// Run until SIGINT or SIGTERM
    Run,
    /// Read the configuration and print every problem
    Check,
    /// Print the effective configuration with where each value came from
    Config,
    /// Print every limit with its unit and what happens at it
    Limits,
}

/// The bounds of a program's crates, by crate.
pub type Limits = [(&'static str, &'static [Limit])];

/// Of the crate below this one, for programs that link it only through this one.
pub const MODEL_LIMITS: &[Limit] = wardline_model::limits::LIMITS;

/// The whole of a part's `main`: settings, its own configuration out of them, and what was asked for. Whoever asks what
/// time it is asks the clock that is made here.
pub fn part<C, F>(
    args: &CommonArgs,
    command: PartCommand,
    limits: &Limits,
    configure: impl FnOnce(&Settings) -> Result<C, Vec<Problem>>,
    start: impl FnOnce(C, SharedClock) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<Running>>,
{
    if command == PartCommand::Limits {
        return print_limits(limits);
    }
    logging::start(args, "info");
    if command == PartCommand::Config {
        return match settings(args, &[], "program") {
            Ok(settings) => print(&settings.print()),
            Err(exit) => exit,
        };
    }
    let settings = Settings::read(args, &[], "program");
    match configure(&settings) {
        Err(problems) => usage(&problems),
        Ok(_) if command == PartCommand::Check => checked(),
        Ok(config) => run_part(&settings, start(config, SystemClock::shared())),
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
    let mut problems: Vec<&Problem> = problems.iter().collect();
    // As they stand in the file, not as the parts ask.
    let place = |problem: &Problem| {
        let (file, line) = problem.source_text.rsplit_once(':').unwrap_or_default();
        (file.to_owned(), line.parse::<u64>().unwrap_or(0))
    };
    problems.sort_by(|a, b| (place(a), &a.key, &a.why).cmp(&(place(b), &b.key, &b.why)));
    problems.dedup();
    for problem in problems {
        eprintln!("error: {problem}");
    }
    Exit::Usage.into()
}

/// The configuration has no problem.
pub fn checked() -> ExitCode {
    print("the configuration is valid")
}

/// Every bound of a program, by crate.
pub fn print_limits(limits: &Limits) -> ExitCode {
    print(&wardline_limits::text(limits))
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
    block_on(serve(settings.data_dir(), start, async |service| {
        service.until(std::future::pending()).await
    }))
}

/// A runtime for one program.
pub fn block_on(future: impl Future<Output = anyhow::Result<Exit>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return Exit::Failed.into();
        }
    };
    let exit = match runtime.block_on(future) {
        Ok(exit) => exit,
        Err(error) => failed(&error),
    };
    // A thread that was cut off may never come back.
    runtime.shutdown_timeout(Duration::from_millis(RUNTIME_END_MS_MAX));
    exit.into()
}

/// Prints an error with its causes and says which exit code it asks for.
pub fn failed(error: &anyhow::Error) -> Exit {
    eprintln!("error: {error:#}");
    exit::of_error(error)
}

/// A program that is up: its addresses are published, systemd knows.
pub struct Service {
    pub running: Running,
    data: PathBuf,
}

/// Starts, announces, does `until`, and ends everything in order.
///
/// # Errors
/// What failed first.
pub async fn serve(
    data: &Path,
    start: impl Future<Output = anyhow::Result<Running>>,
    until: impl AsyncFnOnce(&mut Service) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let running = tokio::select! {
        biased;
        exit = stop_signal() => return Ok(exit),
        running = start => running?,
    };
    let mut service = Service {
        running,
        data: data.to_owned(),
    };
    let ended = match service.announce() {
        Ok(()) => until(&mut service).await,
        Err(error) => Err(error),
    };
    let stopped = service.stop().await;
    ended.and_then(|exit| stopped.map(|()| exit))
}

impl Service {
    /// All listeners are up: the addresses file and READY=1, at the same moment.
    fn announce(&self) -> anyhow::Result<()> {
        run_dir::publish(&self.data, &self.running.addresses)?;
        for (name, address) in &self.running.addresses {
            tracing::info!(%address, "{name} listens");
        }
        notify::ready();
        Ok(())
    }

    /// Until `done`, a signal, or a part's failure. The watchdog is fed meanwhile.
    ///
    /// # Errors
    /// Those of `done`, and a part's failure.
    pub async fn until(
        &mut self,
        done: impl Future<Output = anyhow::Result<Exit>>,
    ) -> anyhow::Result<Exit> {
        let feeding = pin!(watchdog::feed(self.running.pulses()));
        tokio::select! {
            done = done => done,
            exit = stop_signal() => Ok(exit),
            error = self.running.failed() => Err(error),
            never = feeding => match never {},
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        notify::stopping();
        run_dir::withdraw(&self.data, &self.running.addresses);
        self.running.stop().await
    }
}

/// Waits for SIGINT or SIGTERM; from then on a second one ends the process at once, with its own exit code. If neither
/// can be watched the program runs until it is killed.
pub async fn stop_signal() -> Exit {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    let first = next(&mut interrupt, &mut terminate).await;
    tokio::spawn(async move {
        let second = next(&mut interrupt, &mut terminate).await;
        eprintln!("error: stopped by a second signal: not everything was ended in order");
        std::process::exit(second.code().into());
    });
    first
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Exit {
    tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
    }
}
