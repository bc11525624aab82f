//! kill -9 of a whole process with log, fold and outbox in it, at moments that a seed chooses.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::records::{Said, adt, bed_status};
use crate::support::{
    Aggregator, LogDir, MINUTE, NOON, Seeded, Setup, beds, digest_of_site, newest,
};
use wardline_aggregator::{Source, digest_of_store};
use wardline_log::SharedLog;
use wardline_log::embedded::EmbeddedLog;
use wardline_model::topic::{FHIR_ENCOUNTER, FHIR_LOCATION, VIEW_BED};
use wardline_service::{ManualClock, SystemClock};

const FOLDER: &str = "WARDLINE_TEST_KILL_FOLDER";

fn noon() -> Setup {
    Setup::at(&ManualClock::at(NOON))
}

fn source(log: &SharedLog) -> Vec<Source> {
    vec![Source {
        site: "st-mary".into(),
        beds: beds(),
        log: log.clone(),
        local: true,
    }]
}

async fn records_in(log: &SharedLog) -> u64 {
    let mut sum = 0;
    for topic in [FHIR_ENCOUNTER, FHIR_LOCATION] {
        sum += log
            .offsets(topic)
            .await
            .unwrap()
            .iter()
            .map(|o| o.end)
            .sum::<u64>();
    }
    sum
}

fn some(random: &mut Seeded, seq: u64) -> Said {
    let at = NOON - i64::try_from(random.below(6000)).unwrap() * MINUTE;
    let bed = ["ICU^1^1", "ICU^1^2", "W1^1^1", "X^1^1"][random.below(4)];
    if random.below(4) == 0 {
        return bed_status(seq, bed, ["U", "H", "K", "C"][random.below(4)], at);
    }
    let event = ["A01", "A02", "A03", "A13", "A08", "A05", "A11"][random.below(7)];
    adt(seq, event, &format!("v{}", random.below(200)), bed, at)
}

/// Killed whatever happens to the test.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended by itself, which the test finds out from its words.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The process that is killed: it appends and folds until its end. Without the folder it is nobody's victim.
#[tokio::test(flavor = "multi_thread")]
async fn p5_victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let site = LogDir::of(EmbeddedLog::open(&folder.join("log"), SystemClock::shared()).unwrap());
    site.topics(1).await;
    let _aggregator = Aggregator::start(folder, &site.log, source(&site.log), &noon()).await;
    let mut seq = records_in(&site.log).await;
    let mut random = Seeded(seq + 1);
    for _ in 0..2_000 {
        let batch: Vec<Said> = (0..=random.below(20))
            .map(|_| {
                seq += 1;
                some(&mut random, seq)
            })
            .collect();
        site.say(&batch).await;
        println!("appended {seq}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_after_kill_9_at_any_moment_nothing_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Seeded(0x5eed);
    let mut promised = 0;
    for _ in 0..6 {
        let mut victim = Victim(
            Command::new(std::env::current_exe().unwrap())
                .args(["kill::p5_victim", "--exact", "--nocapture"])
                .env(FOLDER, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let lines = BufReader::new(victim.0.stdout.take().unwrap()).lines();
        let said = lines.filter_map(|line| line.unwrap().strip_prefix("appended ")?.parse().ok());
        let last: Option<u64> = said.take(1 + random.below(60)).last();
        drop(victim);
        promised = last.expect("the victim ended before it was killed");
    }
    let log: SharedLog =
        EmbeddedLog::open(&folder.path().join("log"), SystemClock::shared()).unwrap();
    let held = records_in(&log).await;
    assert!(held >= promised, "{held} {promised}");
    let aggregator = Aggregator::start(folder.path(), &log, source(&log), &noon()).await;
    aggregator.ready().await;
    let stage = aggregator.stage("ledger", held).await;
    assert_eq!(
        (&stage["unaccounted"], &stage["duplicate"]),
        (&0.into(), &0.into())
    );
    let beds = aggregator.json("/api/v1/beds").await;
    aggregator.stop().await;
    let again = digest_of_site(&log, "st-mary", None).await;
    assert_eq!(digest_of_store(folder.path()).unwrap(), again);
    let published = newest(&log, VIEW_BED).await;
    for bed in beds["beds"].as_array().unwrap() {
        assert_eq!(
            published[&format!("st-mary/{}", bed["bed"].as_str().unwrap())]["status"],
            bed["status"]
        );
    }
}
