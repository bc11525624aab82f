//! `wardline log`: records as NDJSON, from the running program's API or from a stopped data folder.
//!
//! The embedded log has one owner at a time, so a running program is asked and its file is left alone; both ways print
//! the same lines. What retention takes away while it is printed ends in an error, so that nobody takes the output for
//! complete. A reader that has gone ends it quietly.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use wardline_aggregator::log_line;
use wardline_log::embedded::EmbeddedLog;
use wardline_log::follow::{Followed, Follower, Item, Mark, Scan};
use wardline_log::{Entry, PartitionOffsets, SharedLog, Target};
use wardline_service::{Exit, LogUrl, Settings, SharedClock, keys, program, run_dir, stop_pair};

use crate::cli::LogCommand;

pub(crate) fn run(settings: &Settings, command: &LogCommand, clock: SharedClock) -> ExitCode {
    let done = match running_api(settings) {
        Some(api) => from_api(&api, command),
        None => {
            return program::block_on(async {
                from_folder(settings, command, clock).await?;
                Ok(Exit::Done)
            });
        }
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err(error) => program::failed(&error).into(),
    }
}

/// The API of the program that runs on this data folder, if one answers.
fn running_api(settings: &Settings) -> Option<String> {
    let address = run_dir::read(settings.data_dir())?.get("api")?.clone();
    let api = format!("http://{address}");
    ureq::get(format!("{api}/healthz")).call().ok().map(|_| api)
}

fn from_api(api: &str, command: &LogCommand) -> anyhow::Result<()> {
    let url = match command {
        LogCommand::Topics => format!("{api}/api/v1/log"),
        LogCommand::Cat {
            topic,
            from,
            limit,
            follow,
        } => {
            let limit = limit.map_or_else(String::new, |n| format!("&limit={n}"));
            format!("{api}/api/v1/log/{topic}?from={from}&follow={follow}{limit}")
        }
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent.get(&url).call()?;
    if answer.status() != 200 {
        let body: wardline_api::ErrorBody =
            serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        bail!("{}; {}", body.error.message, body.error.hint);
    }
    let body = BufReader::new(answer.body_mut().as_reader());
    match command {
        LogCommand::Topics => print_lines(topic_lines(body)?),
        LogCommand::Cat { .. } => print_lines(body.lines()),
    }
}

/// The API answers with one object; here every partition is a line, as from a stopped folder.
fn topic_lines(body: impl Read) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>>> {
    let mut answer: serde_json::Value = serde_json::from_reader(body)?;
    let topics = answer.get_mut("topics").map(serde_json::Value::take);
    let Some(serde_json::Value::Array(topics)) = topics else {
        bail!("the API's answer has no topics");
    };
    Ok(topics.into_iter().map(|topic| Ok(topic.to_string())))
}

fn print_lines(lines: impl Iterator<Item = std::io::Result<String>>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if !written(writeln!(out, "{}", line?))? {
            break;
        }
    }
    Ok(())
}

async fn from_folder(
    settings: &Settings,
    command: &LogCommand,
    clock: SharedClock,
) -> anyhow::Result<()> {
    let log = open(settings, clock).await?;
    match command {
        LogCommand::Topics => topics(&log).await?,
        LogCommand::Cat {
            topic,
            from,
            limit,
            follow,
        } => cat(&log, topic, *from, limit.unwrap_or(u64::MAX), *follow).await?,
    }
    log.close().await?;
    Ok(())
}

async fn open(settings: &Settings, clock: SharedClock) -> anyhow::Result<SharedLog> {
    let folder = settings.data_dir().join("log");
    let url = settings.get(&keys::BRIDGE_LOG)?;
    let cannot = || format!("cannot open the log of {}", settings.data_dir().display());
    if url != LogUrl::Embedded {
        let target = Target::new(&url, &folder, &settings.get(&keys::BRIDGE_LOG_PREFIX)?);
        return wardline_log::open(&target, clock)
            .await
            .with_context(cannot);
    }
    // Who looks changes nothing: no file is made, and no retention runs.
    if !folder.join("log.redb").exists() {
        bail!(
            "no log in {}: name the data folder with --data",
            folder.display()
        );
    }
    let open = move || EmbeddedLog::open_existing(&folder, clock);
    let opened = tokio::task::spawn_blocking(open).await?;
    Ok(opened.with_context(cannot)?)
}

async fn topics(log: &SharedLog) -> anyhow::Result<()> {
    for topic in log.topics().await? {
        for at in log.offsets(&topic.name).await? {
            let line = serde_json::json!({"topic": topic.name, "partition": at.partition, "start": at.start, "end": at.end});
            if !written(writeln!(std::io::stdout(), "{line}"))? {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn cat(
    log: &SharedLog,
    topic: &str,
    from: u64,
    limit: u64,
    follow: bool,
) -> anyhow::Result<()> {
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut ranges = log.offsets(topic).await?;
    for range in &mut ranges {
        range.start = range.start.max(from);
    }
    ranges.retain(|range| range.start <= range.end);
    if follow {
        return tail(log, topic, &ranges, left).await;
    }
    for range in ranges {
        let mut scan = Scan::new(&**log, topic, range).limit(left);
        while let Some(entries) = scan.next().await? {
            left -= entries.len();
            if !print(topic, &entries)? {
                return Ok(());
            }
        }
        if scan.lost() > 0 {
            bail!(
                "{topic} was shortened while it was read: {} records are missing above",
                scan.lost()
            );
        }
    }
    Ok(())
}

async fn tail(
    log: &SharedLog,
    topic: &str,
    ranges: &[PartitionOffsets],
    mut left: usize,
) -> anyhow::Result<()> {
    let (_handle, stop) = stop_pair();
    let mut follower = Follower::new(log.clone(), &[topic], stop);
    for range in ranges {
        follower = follower.starting_at(topic, range.partition, Mark::at(range.start));
    }
    while left > 0 {
        match follower.next().await? {
            None => return Ok(()),
            Some(Item::Entries(Followed { mut entries, .. })) => {
                entries.truncate(left);
                left -= entries.len();
                if !print(topic, &entries)? {
                    return Ok(());
                }
            }
            Some(Item::Truncated { place, .. }) => bail!(
                "{topic} was shortened while it was read; it starts at {} now",
                place.mark.next
            ),
            Some(Item::Recreated { why, .. }) => bail!("{topic} was replaced: {why}"),
            Some(Item::Added(_) | Item::Trouble { .. } | Item::Idle) => {}
        }
    }
    Ok(())
}

fn print(topic: &str, entries: &[Entry]) -> anyhow::Result<bool> {
    for entry in entries {
        let line = serde_json::to_string(&log_line(topic, entry))?;
        if !written(writeln!(std::io::stdout(), "{line}"))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A reader that has gone (a closed pipe) is no failure: there is nobody left to write for.
fn written(result: std::io::Result<()>) -> anyhow::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}
