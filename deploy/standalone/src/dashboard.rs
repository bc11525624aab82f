//! The dashboard in this terminal, or a status line every 5 s where there is none.

use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use wardline_service::program::{self, Service};
use wardline_service::{CommonArgs, Exit, Settings, SharedClock};
use wardline_tui::{Format, Options, ThemeChoice};

use crate::compose::{self, Parts};

const STATUS_LINE_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn wanted() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

pub(crate) fn run(
    common: &CommonArgs,
    settings: &Settings,
    parts: Parts,
    clock: SharedClock,
) -> ExitCode {
    let start = compose::start(parts, clock);
    program::block_on(program::serve(
        settings.data_dir(),
        start,
        async |service| show(common, service, None).await,
    ))
}

/// Shows until the person quits, a signal comes, `limit` is over or a part fails.
pub(crate) async fn show(
    common: &CommonArgs,
    service: &mut Service,
    limit: Option<Duration>,
) -> anyhow::Result<Exit> {
    let options = options(common, service);
    let end = service.until(over(limit));
    if wanted() {
        wardline_tui::show(options, end).await
    } else {
        lines(&options, end).await
    }
}

/// Done after the limit, or never.
pub(crate) async fn over(limit: Option<Duration>) -> anyhow::Result<Exit> {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
    Ok(Exit::Done)
}

fn options(common: &CommonArgs, service: &Service) -> Options {
    let api = service.running.addresses.get("api");
    Options {
        api: api
            .map(|address| format!("http://{address}"))
            .unwrap_or_default(),
        department: None,
        color: common.color.enabled(wanted()),
        theme: ThemeChoice::Auto,
        // Where its own aggregator does not answer there is nothing to wait for.
        snapshot: None,
    }
}

async fn lines(
    options: &Options,
    end: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let mut end = pin!(end);
    let mut tick = tokio::time::interval(STATUS_LINE_EVERY);
    loop {
        let line = async {
            tick.tick().await;
            line(options).await
        };
        tokio::select! {
            ended = &mut end => return ended,
            line = line => writeln!(std::io::stdout(), "{line}")?,
        }
    }
}

async fn line(options: &Options) -> String {
    match once(options, Format::Line).await {
        Ok(text) => text.trim_end().to_owned(),
        Err(error) => format!("no answer from the API yet: {error}"),
    }
}

/// Asks the API once, off the async threads.
async fn once(options: &Options, format: Format) -> anyhow::Result<String> {
    let options = options.clone();
    tokio::task::spawn_blocking(move || wardline_tui::once(&options, format)).await?
}

pub(crate) async fn print_table(common: &CommonArgs, service: &Service) -> anyhow::Result<()> {
    let text = once(&options(common, service), Format::Table).await?;
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}
