//! The Kafka engine against the contract, with a real broker that is also killed and stopped.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wardline_log::{Cleanup, Headers, LogError, Record, SharedLog, Target, TopicSpec};
use wardline_log_contract::{self as contract, crash, kafka_server::KafkaServer, noise, read_all};
use wardline_service::SystemClock;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_lg60_appends_survive_a_broker_that_is_away_for_20_s() {
    const AWAY: Duration = Duration::from_secs(20);
    let Some(mut server) = server().await else {
        return;
    };
    let log = open(&server.brokers(), "away.").await.unwrap();
    let spec = TopicSpec {
        name: "t".to_owned(),
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention_bytes: None,
            retention_ms: None,
        },
    };
    log.create_topics(&[spec]).await.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = tokio::spawn(append_numbers(Arc::clone(&log), Arc::clone(&stop)));
    let mut reader = log.reader("t", 0, 0).await.unwrap();
    let mut read = Vec::new();
    // Hangs for 20 s, then is gone for 20 s, then restarts while a batch is on its way, several times. The records'
    // own time is years ago: the cluster must recognise a batch that is sent again all the same.
    for away in [
        None,
        Some(AWAY),
        Some(Duration::ZERO),
        Some(Duration::ZERO),
        Some(Duration::ZERO),
    ] {
        let goal = read.len() + 30;
        read_until(&mut reader, &mut read, goal).await;
        server = tokio::task::spawn_blocking(move || {
            if let Some(away) = away {
                server.stop().unwrap();
                std::thread::sleep(away);
                server.restart().unwrap();
            } else {
                server.pause().unwrap();
                std::thread::sleep(AWAY);
                server.resume().unwrap();
            }
            server
        })
        .await
        .unwrap();
    }
    let goal = read.len() + 300;
    read_until(&mut reader, &mut read, goal).await;
    stop.store(true, Ordering::SeqCst);
    let written = writing.await.unwrap();
    let all = read_all(&*log, "t", 0, 0).await.unwrap();
    let values: Vec<u64> = all
        .iter()
        .map(|e| {
            std::str::from_utf8(e.record.value.as_ref().unwrap())
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(
        values.iter().copied().eq(0..written),
        "{} values for {written}",
        values.len()
    );
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
