//! Killed at any moment, nothing acked is missing: a process that appends and says what was acked, and the check.
//!
//! The writer prints `ack PARTITION OFFSET VALUE` once the log said durable, and is killed from outside. Values are
//! `WRITER NUMBER`, so that the check can see order, holes and repeats.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Failed, KEEP, PATIENCE, Result, ensure, noise, read_all, record, spec};
use wardline_log::{Log, LogError, SharedLog};

const TOPIC: &str = "crash";
const PARTITIONS: u32 = 3;
const WRITERS: u32 = 4;

/// One line of the writer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acked {
    partition: u32,
    offset: u64,
    value: String,
}

/// Appends until it is killed. `round` makes the values of this life differ from those before.
///
/// # Errors
/// What the log says.
pub async fn write_until_killed(log: SharedLog, round: &str) -> Result {
    log.create_topics(&[spec(TOPIC, PARTITIONS, KEEP)]).await?;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(Arc::clone(&log), format!("{round}.{writer}"))))
        .collect();
    for task in tasks {
        task.await.map_err(std::io::Error::other)??;
    }
    Ok(())
}

async fn write(log: SharedLog, writer: String) -> Result {
    let mut number = 0_u64;
    loop {
        let texts: Vec<String> = (0..1 + number % 4)
            .map(|n| format!("{writer} {}", number + n))
            .collect();
        let records = texts.iter().map(|text| {
            let mut record = record(&writer, text);
            record.headers = vec![("fill", noise(number, 200))].into();
            record
        });
        let positions = log.append(TOPIC, records.collect()).await?;
        let lines: String = positions
            .iter()
            .zip(&texts)
            .map(|(at, text)| format!("ack {} {} {text}\n", at.partition, at.offset))
            .collect();
        // One write, so that a line is whole or missing; not `print!`, which the test harness would keep.
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()?;
        number += texts.len() as u64;
    }
}

/// Starts the writer process, kills it `after` its first ack, and returns what it said was acked.
///
/// # Errors
/// If it cannot be started, or acks nothing in time.
pub fn run_and_kill(command: &mut Command, after: Duration) -> Result<Vec<Acked>, Failed> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let outcome = collect(&mut child, after);
    // Already dead unless collecting failed.
    child.kill().ok();
    child.wait()?;
    outcome
}

fn collect(child: &mut Child, after: Duration) -> Result<Vec<Acked>, Failed> {
    let out = child
        .stdout
        .take()
        .ok_or_else(|| Failed::Broken("no pipe".to_owned()))?;
    let (lines, acks) = std::sync::mpsc::sync_channel(4096);
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut acked = Vec::new();
    let begun = Instant::now();
    let mut kill_at = None;
    loop {
        let until = kill_at.unwrap_or(begun + PATIENCE);
        let Ok(line) = acks.recv_timeout(until.saturating_duration_since(Instant::now())) else {
            break;
        };
        acked.extend(parse(&line));
        if !acked.is_empty() {
            kill_at.get_or_insert(Instant::now() + after);
        }
        if kill_at.is_some_and(|at| at <= Instant::now()) {
            break;
        }
    }
    child.kill()?;
    // What was in the pipe when it died was acked as well.
    acked.extend(acks.iter().filter_map(|line| parse(&line)));
    reading
        .join()
        .map_err(|_| Failed::Broken("the reading thread failed".to_owned()))?;
    ensure(!acked.is_empty(), || "the writer acked nothing".to_owned())?;
    Ok(acked)
}

fn parse(line: &str) -> Option<Acked> {
    let (_, ack) = line.split_once("ack ")?;
    let (partition, rest) = ack.split_once(' ')?;
    let (offset, value) = rest.split_once(' ')?;
    Some(Acked {
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
        value: value.to_owned(),
    })
}

/// Everything acked stands where it was acked; each writer's values stand once, in order, without a hole.
///
/// # Errors
/// What is missing, doubled or out of order.
pub async fn check(log: &dyn Log, acked: &[Acked]) -> Result {
    for partition in 0..PARTITIONS {
        let entries = match read_all(log, TOPIC, partition, 0).await {
            Err(LogError::UnknownTopic { .. }) if acked.is_empty() => return Ok(()),
            other => other?,
        };
        let mut at = BTreeMap::new();
        let mut next = BTreeMap::new();
        for entry in entries {
            let value = entry.record.value.unwrap_or_default();
            let text = String::from_utf8_lossy(&value).into_owned();
            let (writer, number) = text.split_once(' ').unwrap_or_default();
            let expected = next.entry(writer.to_owned()).or_insert(0_u64);
            ensure(number.parse() == Ok(*expected), || {
                format!(
                    "partition {partition} offset {}: {text:?}, expected number {expected}",
                    entry.offset
                )
            })?;
            *expected += 1;
            at.insert(entry.offset, text);
        }
        for ack in acked.iter().filter(|ack| ack.partition == partition) {
            let have = at.get(&ack.offset);
            ensure(have == Some(&ack.value), || {
                format!("{ack:?} was acked, there is {have:?}")
            })?;
        }
    }
    Ok(())
}
