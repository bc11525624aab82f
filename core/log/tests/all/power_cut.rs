//! P1 of the log: the power goes at any write of appends, topics, retention and compaction, on a simulated disk that
//! loses, tears and reorders what was not synced. What was acknowledged is there; a call that was not is there whole or
//! not at all.
//!
//! Every write is cut once with each kind of cut. `WARDLINE_POWER_CUT_SEEDS=N` repeats it with N other orders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wardline_disk_sim::{Cut, SimDisk};
use wardline_log::embedded::{EmbeddedLog, Options};
use wardline_log::{Cleanup, Headers, Log, LogError, Record, TopicSpec};

const KEEP: Cleanup = Cleanup::Delete {
    retention_bytes: None,
    retention_ms: None,
};

fn open(disk: &SimDisk) -> Result<Arc<EmbeddedLog>, LogError> {
    let options = Options {
        background: false,
        ..Options::new(wardline_service::SystemClock::shared())
    };
    EmbeddedLog::open_on(disk.clone(), options)
}

fn spec(name: &str, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        cleanup,
    }
}

fn record(key: &str, value: String) -> Record {
    Record {
        key: Some(key.as_bytes().to_vec().into()),
        value: Some(value.into_bytes().into()),
        headers: Headers::default(),
        time_ms: 1,
    }
}

/// One call: three records to the first topic, and one to the compacted one, for one of four keys.
fn call(n: u64) -> Vec<(String, Vec<Record>)> {
    let events = (0..3).map(|k| record("e", format!("{n}.{k} {}", "x".repeat(400))));
    let state = record(&format!("k{}", n % 4), n.to_string());
    vec![
        ("events".to_owned(), events.collect()),
        ("state".to_owned(), vec![state]),
    ]
}

async fn read(log: &EmbeddedLog, topic: &str) -> Vec<(u64, String, String)> {
    let end = log.offsets(topic).await.unwrap()[0].end;
    let mut reader = log.reader(topic, 0, 0).await.unwrap();
    let mut all = Vec::new();
    while reader.position() < end {
        for entry in reader.next(1000, Duration::ZERO).await.unwrap() {
            let text =
                |bytes: Option<bytes::Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            all.push((
                entry.offset,
                text(entry.record.key),
                text(entry.record.value),
            ));
        }
    }
    all
}

/// What is done while the power may go. Says how many calls were acknowledged, and whether it came to the end.
async fn work(log: &EmbeddedLog, from: u64) -> (u64, bool) {
    let mut acked = from;
    for _ in 0..3 {
        if log.append_many(call(acked)).await.is_err() {
            return (acked, false);
        }
        acked += 1;
    }
    let retopic = spec("later", Cleanup::Compact);
    if log.create_topics(&[retopic]).await.is_err() || log.maintain().await.is_err() {
        return (acked, false);
    }
    if log.append_many(call(acked)).await.is_err() {
        return (acked, false);
    }
    (acked + 1, true)
}

async fn check(disk: &SimDisk, acked: u64, what: &str) {
    let log = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let events = read(&log, "events").await;
    let calls = events.len() as u64 / 3;
    assert_eq!(events.len() % 3, 0, "{what}: half a call");
    assert!(
        calls == acked || calls == acked + 1,
        "{what}: {calls} calls, {acked} acked"
    );
    for (n, (offset, _, value)) in events.iter().enumerate() {
        assert_eq!(*offset, n as u64, "{what}");
        assert!(
            value.starts_with(&format!("{}.{} ", n / 3, n % 3)),
            "{what}: {value}"
        );
    }
    // All or nothing over both topics, and the newest of each key, whether compaction came to its end or not.
    let state = read(&log, "state").await;
    let newest: BTreeMap<_, _> = state
        .iter()
        .map(|(_, key, value)| (key.clone(), value))
        .collect();
    for n in calls.saturating_sub(4)..calls {
        assert_eq!(newest[&format!("k{}", n % 4)], &n.to_string(), "{what}");
    }
    assert_eq!(log.offsets("state").await.unwrap()[0].end, calls, "{what}");
    // It goes on where it ended.
    let at = log.append_many(call(calls)).await.unwrap();
    assert_eq!(
        (at[0][0].offset, at[1][0].offset),
        (calls * 3, calls),
        "{what}"
    );
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_lg30_lg5_a_power_cut_at_any_write_loses_nothing_acked_and_halves_no_call() {
    let seeds = std::env::var("WARDLINE_POWER_CUT_SEEDS").map_or(1, |n| n.parse().unwrap());
    let base = SimDisk::new();
    let log = open(&base).unwrap();
    let specs = [spec("events", KEEP), spec("state", Cleanup::Compact)];
    log.create_topics(&specs).await.unwrap();
    for n in 0..12 {
        log.append_many(call(n)).await.unwrap();
    }
    log.close().await.unwrap();
    let (mut cut_at, mut checked) = (0, 0);
    loop {
        let disk = base.fork();
        let log = open(&disk).unwrap();
        disk.power_off_after(cut_at);
        let (acked, done) = work(&log, 12).await;
        log.close().await.unwrap();
        let mixed = (0..seeds).map(|n: u64| Cut::Mixed(cut_at * 1009 + n));
        for cut in [Cut::Lost, Cut::Kept, Cut::Torn].into_iter().chain(mixed) {
            let left = disk.fork();
            left.power_on(cut);
            check(&left, acked, &format!("write {cut_at}, {cut:?}")).await;
            checked += 1;
        }
        if done {
            break;
        }
        cut_at += 1;
    }
    assert!(
        cut_at > 30 && checked > 120,
        "{cut_at} writes, {checked} cuts"
    );
}
