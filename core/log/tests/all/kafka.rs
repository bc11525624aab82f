//! The Kafka engine against the contract, with a real broker that is also killed and stopped.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use wardline_log::follow::{Follower, Item};
use wardline_log::{Cleanup, Entry, Headers, LogError, Record, SharedLog, Target, TopicSpec};
use wardline_log_contract::{self as contract, crash, kafka_server::KafkaServer, noise, read_all};
use wardline_service::{SystemClock, stop_pair};

async fn server() -> Option<KafkaServer> {
    tokio::task::spawn_blocking(KafkaServer::start)
        .await
        .unwrap()
        .unwrap()
}

async fn open(brokers: &str, prefix: &str) -> Result<SharedLog, LogError> {
    let target = Target::Kafka {
        brokers: brokers.to_owned(),
        prefix: prefix.to_owned(),
    };
    wardline_log::open(&target, SystemClock::shared()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg1_to_lg50_the_kafka_engine_passes_the_contract() {
    let Some(server) = server().await else {
        return;
    };
    let count = AtomicU32::new(0);
    let make = async || {
        let prefix = format!("case{}.", count.fetch_add(1, Ordering::SeqCst));
        let log = open(&server.brokers(), &prefix).await?;
        Ok(contract::Tested {
            log,
            embedded: None,
        })
    };
    contract::suite(make).await.unwrap();
}

const HELPER_BROKERS: &str = "WARDLINE_LOG_TEST_CRASH_BROKERS";
const HELPER_ROUND: &str = "WARDLINE_LOG_TEST_CRASH_ROUND";

/// The test runs itself as the client that is killed; the broker is killed as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_lg30_nothing_acked_is_lost_by_kill_9_of_client_or_broker() {
    if let Ok(brokers) = std::env::var(HELPER_BROKERS) {
        let log = open(&brokers, "crash.").await.unwrap();
        let round = std::env::var(HELPER_ROUND).unwrap();
        crash::write_until_killed(log, &round).await.unwrap();
        return;
    }
    let Some(mut server) = server().await else {
        return;
    };
    let mut acked = Vec::new();
    for round in 0..5_u64 {
        let mut helper = Command::new(std::env::current_exe().unwrap());
        helper
            .args([
                "--exact",
                "kafka::p1_lg30_nothing_acked_is_lost_by_kill_9_of_client_or_broker",
            ])
            .env(HELPER_BROKERS, server.brokers())
            .env(HELPER_ROUND, round.to_string());
        let moment = noise(round + 1, 2);
        let after =
            Duration::from_micros(u64::from(u16::from_le_bytes([moment[0], moment[1]])) * 5);
        let said = tokio::task::spawn_blocking(move || crash::run_and_kill(&mut helper, after));
        acked.extend(said.await.unwrap().unwrap());
        if round == 2 {
            server = tokio::task::spawn_blocking(move || {
                server.kill9().unwrap();
                server.restart().unwrap();
                server
            })
            .await
            .unwrap();
        }
        let log = open(&server.brokers(), "crash.").await.unwrap();
        crash::check(&*log, &acked).await.unwrap();
        log.close().await.unwrap();
    }
}

async fn append_numbers(log: SharedLog, stop: Arc<std::sync::atomic::AtomicBool>) -> u64 {
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let records = (number..number + 3).map(|n| Record {
            key: Some("k".into()),
            value: Some(n.to_string().into()),
            headers: Headers::new(),
            time_ms: 1_700_000_000_000,
        });
        let at = log.append("t", records.collect()).await.unwrap();
        assert_eq!(at[0].offset, number, "an append was doubled or lost");
        number += 3;
    }
    number
}

/// What happens to the broker while records are written and read.
#[derive(Clone, Copy)]
enum Fault {
    /// It stands still.
    Hangs,
    /// It ends in order, and comes back after a while.
    Away(Duration),
}

impl Fault {
    fn happen(self, server: &mut KafkaServer) {
        match self {
            Self::Hangs => {
                server.pause().unwrap();
                std::thread::sleep(AWAY);
                server.resume().unwrap();
            }
            Self::Away(how_long) => {
                server.stop().unwrap();
                std::thread::sleep(how_long);
                server.restart().unwrap();
            }
        }
    }
}

const AWAY: Duration = Duration::from_secs(20);

/// A broker that hangs, and beside it one that is gone and then restarts several times while a batch is on its way. The
/// records' own time is years ago: the cluster must recognise a batch that is sent again all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_lg60_appends_survive_a_broker_that_is_away_for_20_s() {
    let soon = Fault::Away(Duration::ZERO);
    tokio::join!(
        survive(vec![Fault::Hangs]),
        survive(vec![Fault::Away(AWAY), soon, soon, soon])
    );
}

async fn survive(faults: Vec<Fault>) {
    let Some(mut server) = server().await else {
        return;
    };
    let log = open(&server.brokers(), "away.").await.unwrap();
    log.create_topics(&[topic(1)]).await.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = tokio::spawn(append_numbers(Arc::clone(&log), Arc::clone(&stop)));
    let mut reader = log.reader("t", 0, 0).await.unwrap();
    let mut read = Vec::new();
    for fault in faults {
        let goal = read.len() + 30;
        read_until(&mut reader, &mut read, goal).await;
        let happened = tokio::task::spawn_blocking(move || {
            fault.happen(&mut server);
            server
        });
        server = happened.await.unwrap();
    }
    let goal = read.len() + 300;
    read_until(&mut reader, &mut read, goal).await;
    stop.store(true, Ordering::SeqCst);
    let written = writing.await.unwrap();
    let all = read_all(&*log, "t", 0, 0).await.unwrap();
    let values: Vec<u64> = all.iter().map(number).collect();
    assert!(
        values.iter().copied().eq(0..written),
        "{} values for {written}",
        values.len()
    );
    log.close().await.unwrap();
}

fn number(entry: &Entry) -> u64 {
    let value = entry.record.value.as_deref().unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

fn topic(partitions: u32) -> TopicSpec {
    TopicSpec {
        name: "t".to_owned(),
        partitions,
        cleanup: Cleanup::Delete {
            retention_bytes: None,
            retention_ms: None,
        },
    }
}

/// Nobody opens anything: not the follower, and not the log that appends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg102_a_partition_that_is_added_is_followed_and_written_to() {
    let Some(server) = server().await else {
        return;
    };
    let log = open(&server.brokers(), "grows.").await.unwrap();
    log.create_topics(&[topic(1)]).await.unwrap();
    log.append("t", keyed(0..20)).await.unwrap();
    let (_handle, stop) = stop_pair();
    let mut follower = Follower::new(log.clone(), &["t"], stop);
    let mut read = follow_until(&mut follower, 20).await;
    assert!(read.iter().all(|(partition, _)| *partition == 0));

    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", server.brokers())
        .create()
        .unwrap();
    let grow = NewPartitions::new("grows.t", 3);
    let grown = admin.create_partitions([&grow], &AdminOptions::new()).await;
    grown.unwrap()[0].as_ref().unwrap();

    let deadline = Instant::now() + contract::PATIENCE;
    while log.offsets("t").await.unwrap().len() < 3 {
        assert!(Instant::now() < deadline, "the log does not see it");
    }
    log.append("t", keyed(20..60)).await.unwrap();
    read.extend(follow_until(&mut follower, 40).await);
    let partitions: BTreeSet<u32> = read.iter().map(|(partition, _)| *partition).collect();
    assert_eq!(partitions, BTreeSet::from([0, 1, 2]));
    let numbers: BTreeSet<u64> = read.iter().map(|(_, number)| *number).collect();
    assert!(numbers.into_iter().eq(0..60), "each of them, once");
    log.close().await.unwrap();
}

fn keyed(numbers: std::ops::Range<u64>) -> Vec<Record> {
    let record = |n: u64| Record {
        key: Some(format!("key {n}").into()),
        value: Some(n.to_string().into()),
        ..Record::default()
    };
    numbers.map(record).collect()
}

/// The next so many records, each with its partition.
async fn follow_until(follower: &mut Follower, records: usize) -> Vec<(u32, u64)> {
    let mut read = Vec::new();
    let reading = async {
        while read.len() < records {
            match follower.next().await.unwrap().unwrap() {
                Item::Entries(more) => {
                    read.extend(more.entries.iter().map(|e| (e.partition, number(e))));
                }
                Item::Added(_) | Item::Idle | Item::Trouble { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let in_time = tokio::time::timeout(contract::PATIENCE, reading).await;
    assert!(in_time.is_ok(), "{} of {records} came", read.len());
    assert_eq!(read.len(), records);
    read
}

/// A broker whose disk lost what it had acknowledged refuses the next sequence number, and librdkafka gives its producer
/// up for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg104_a_producer_that_was_given_up_is_replaced() {
    let Some(mut server) = server().await else {
        return;
    };
    let log = open(&server.brokers(), "fatal.").await.unwrap();
    log.create_topics(&[topic(1)]).await.unwrap();
    for number in 0..3 {
        let at = log.append("t", keyed(number..number + 1)).await.unwrap();
        assert_eq!(at[0].offset, number);
    }
    let _server = tokio::task::spawn_blocking(move || {
        server.kill9().unwrap();
        server.lose_last_batch("fatal.t", 0).unwrap();
        server.restart().unwrap();
        server
    })
    .await
    .unwrap();
    let met = log.append("t", keyed(3..4)).await.unwrap_err();
    assert!(matches!(met, LogError::Unavailable { .. }), "{met}");
    let at = log.append("t", keyed(4..5)).await.unwrap();
    assert_eq!(at[0].offset, 2, "after what the disk still has");
    let held = read_all(&*log, "t", 0, 0).await.unwrap();
    assert_eq!(held.iter().map(number).collect::<Vec<_>>(), [0, 1, 4]);
    log.close().await.unwrap();
}

async fn read_until(reader: &mut wardline_log::PartitionReader, read: &mut Vec<u64>, goal: usize) {
    let deadline = Instant::now() + contract::PATIENCE;
    while read.len() < goal {
        assert!(Instant::now() < deadline, "{} of {goal} read", read.len());
        match reader.next(100, Duration::from_millis(200)).await {
            Ok(entries) => read.extend(entries.iter().map(|entry| entry.offset)),
            Err(error) => assert!(error.retriable(), "{error}"),
        }
    }
    assert!(read.iter().copied().eq(0..read.len() as u64));
}
