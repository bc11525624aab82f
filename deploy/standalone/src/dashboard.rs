//! The dashboard in this terminal, or a status line every 5 s where there is none.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use wardline_service::{CommonArgs, Exit, Running, Settings, Stop, program, run_dir, stop_pair};
use wardline_tui::{Format, Options};

use crate::compose::{self, Parts};

const STATUS_LINE_S: u64 = 5;

pub(crate) fn wanted() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

pub(crate) fn run(common: &CommonArgs, settings: &Settings, parts: Parts) -> ExitCode {
    program::block_on(async {
        match serve(common, settings, parts).await {
            Ok(exit) => exit,
            Err(error) => program::failed(&error),
        }
    })
}

async fn serve(common: &CommonArgs, settings: &Settings, parts: Parts) -> anyhow::Result<Exit> {
    let mut running = compose::start(parts).await?;
    program::announce(settings, &running)?;
    let exit = show(common, &mut running, None).await?;
    run_dir::withdraw(settings.data_dir(), &running.addresses);
    running.stop().await?;
    Ok(exit)
}

/// Shows until the person quits, a signal comes, `limit` is over or a part fails.
pub(crate) async fn show(
    common: &CommonArgs,
    running: &mut Running,
    limit: Option<Duration>,
) -> anyhow::Result<Exit> {
    let options = options(common, running);
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let (handle, stop) = stop_pair();
    let picture = picture(options, stop);
    tokio::pin!(picture);
    let end = tokio::select! {
        done = &mut picture => return done.map(|()| Exit::Done),
        exit = program::stop_signal() => Ok(exit),
        () = over => Ok(Exit::Done),
        error = running.failed() => Err(error),
    };
    // The terminal is restored before anything else is said.
    handle.stop();
    picture.await?;
    end
}

fn options(common: &CommonArgs, running: &Running) -> Options {
    let api = running
        .addresses
        .get("api")
        .map(|address| format!("http://{address}"))
        .unwrap_or_default();
    Options {
        api,
        department: None,
        color: common.color.enabled(wanted()),
    }
}

async fn picture(options: Options, stop: Stop) -> anyhow::Result<()> {
    if wanted() {
        return tokio::task::spawn_blocking(move || {
            wardline_tui::run(options, || stop.is_stopped())
        })
        .await?;
    }
    while !stop.is_stopped() {
        let line = table_line(&options).await;
        writeln!(std::io::stdout(), "{line}")?;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(STATUS_LINE_S)) => {}
            () = stop.stopped() => {}
        }
    }
    Ok(())
}

async fn table_line(options: &Options) -> String {
    match once(options, Format::Plain).await {
        Ok(text) => text.lines().next().unwrap_or_default().to_owned(),
        Err(error) => format!("no answer from the API yet: {error}"),
    }
}

/// Asks the API once, off the async threads.
pub(crate) async fn once(options: &Options, format: Format) -> anyhow::Result<String> {
    let options = options.clone();
    tokio::task::spawn_blocking(move || wardline_tui::once(&options, format)).await?
}

pub(crate) async fn print_table(common: &CommonArgs, running: &Running) -> anyhow::Result<()> {
    let text = once(&options(common, running), Format::Table).await?;
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}
