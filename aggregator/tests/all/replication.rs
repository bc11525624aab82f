//! Replication between real embedded logs: docs/specs/replication.md, rule by rule.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::records::{
    Said, adt, agent_status, bed_status, device_state, sidelined, story,
};
use crate::support::{
    Aggregator, LogDir, MINUTE, NOON, Seeded, Setup, beds, eventually, read_all, row,
};
use wardline_aggregator::FaultPoint;
use wardline_aggregator::{Source, digest_of_store, recompute};
use wardline_log::{Cleanup, SharedLog, TopicSpec};
use wardline_log_contract::FaultyLog;
use wardline_model::topic::{
    FHIR_ENCOUNTER, FHIR_LOCATION, FHIR_TOPICS, SIDELINE, STATUS, VIEW_DEVICE,
};
use wardline_service::ManualClock;

fn noon() -> Setup {
    Setup::at(&ManualClock::at(NOON))
}

async fn start(data: &tempfile::TempDir, centre: &LogDir, sources: Vec<Source>) -> Aggregator {
    let aggregator = Aggregator::start(data.path(), &centre.log, sources, &noon()).await;
    aggregator.ready().await;
    aggregator
}

/// Offset and event id of every copy of a site's topic, in the centre's order.
async fn copies(centre: &SharedLog, topic: &str) -> Vec<(String, String)> {
    read_all(centre, topic)
        .await
        .iter()
        .map(|entry| {
            let header = |name| entry.record.header_str(name).unwrap_or_default().to_owned();
            (header("origin"), header("event-id"))
        })
        .collect()
}

/// Every record of the source stands once at the centre, in order, byte for byte but for its origin.
async fn assert_exact(site: &str, source: &SharedLog, centre: &SharedLog) {
    for topic in FHIR_TOPICS {
        let here = read_all(source, topic).await;
        let there = read_all(centre, topic).await;
        let mine: Vec<_> = there
            .iter()
            .filter(|e| {
                let origin = e.record.header_str("origin").unwrap();
                origin.starts_with(&format!("{site}/"))
            })
            .collect();
        assert_eq!(here.len(), mine.len(), "{site} {topic}");
        for partition in here.iter().map(|e| e.partition).collect::<BTreeSet<_>>() {
            let prefix = format!("{site}/{topic}/{partition}/");
            let copied = mine
                .iter()
                .filter(|e| e.record.header_str("origin").unwrap().starts_with(&prefix));
            let original = here.iter().filter(|e| e.partition == partition);
            for (original, copy) in original.zip(copied) {
                let mut expected = original.record.clone();
                let origin = format!("{prefix}{}", original.offset);
                expected.headers.push("origin", origin);
                assert_eq!(expected, copy.record);
            }
        }
    }
}

fn visits(from: u64, n: u64) -> Vec<Said> {
    (from..from + n)
        .map(|seq| {
            let bed = format!("W1^1^{}", seq % 2 + 1);
            let at = NOON - i64::try_from(1000 - seq).unwrap() * MINUTE;
            adt(seq, "A02", &format!("v{}", seq % 5), &bed, at)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rp1_topics_of_two_sites_are_copied_with_origin_order_and_bytes_kept() {
    let (a, b, centre) = (LogDir::site().await, LogDir::site().await, LogDir::bare());
    let data = tempfile::tempdir().unwrap();
    a.say(&story()).await;
    b.say(&[bed_status(901, "OPD^1^1", "U", NOON - MINUTE)])
        .await;
    a.log
        .append(SIDELINE, vec![sidelined(90, "MSH|", NOON)])
        .await
        .unwrap();
    let aggregator = start(&data, &centre, vec![a.remote("a"), b.remote("b")]).await;
    assert_exact("a", &a.log, &centre.log).await;
    assert_exact("b", &b.log, &centre.log).await;
    assert!(
        centre.log.offsets(SIDELINE).await.is_err(),
        "the sideline stays at its site"
    );
    let stage = aggregator.stage("replicate", story().len() as u64).await;
    assert_eq!(
        (&stage["applied"], &stage["unaccounted"]),
        (&16.into(), &0.into())
    );
    let beds = aggregator.json("/api/v1/beds").await;
    assert_eq!(row(&beds, "beds", "bed", "OPD^1^1")["status"], "available");
    let explained = aggregator.json("/api/v1/explain/bed/OPD%5E1%5E1").await;
    assert_eq!(
        explained["events"][0]["log_position"],
        "b/fhir.location/0/0"
    );
    // What comes later comes as well.
    b.say(&[bed_status(902, "OPD^1^1", "K", NOON - MINUTE + 1)])
        .await;
    aggregator
        .until("/api/v1/beds", |beds| {
            row(beds, "beds", "bed", "OPD^1^1")["status"] == "blocked"
        })
        .await;
    aggregator.stop().await;
    let sources = [a.remote("a"), b.remote("b")];
    let again = recompute(&centre.log, &sources, None).await.unwrap();
    assert_eq!(again.digest(), digest_of_store(data.path()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn rp3_after_kills_between_copy_and_checkpoint_nothing_stands_twice() {
    for seed in 1..=2 {
        let mut random = Seeded(seed * 31_337);
        let (site, centre) = (LogDir::bare(), LogDir::bare());
        site.topics(3).await;
        let data = tempfile::tempdir().unwrap();
        let mut sent = 0;
        for _ in 0..5 {
            let n = 1 + random.below(40) as u64;
            site.say(&visits(sent + 1, n)).await;
            sent += n;
            let fault = [FaultPoint::AfterCopy, FaultPoint::BeforeCommit][random.below(2)];
            let sources = vec![site.remote("a")];
            Aggregator::start(data.path(), &centre.log, sources, &Setup::fault(fault))
                .await
                .dies()
                .await;
        }
        let aggregator = start(&data, &centre, vec![site.remote("a")]).await;
        assert_exact("a", &site.log, &centre.log).await;
        let stage = aggregator.stage("replicate", sent).await;
        assert_eq!(
            (&stage["applied"], &stage["unaccounted"]),
            (&sent.into(), &0.into())
        );
        let ledger = aggregator.stage("ledger", sent).await;
        assert_eq!(
            (&ledger["duplicate"], &ledger["unaccounted"]),
            (&0.into(), &0.into())
        );
        aggregator.stop().await;
        let sources = [site.remote("a")];
        let again = recompute(&centre.log, &sources, None).await.unwrap();
        let again = again.digest();
        assert_eq!(digest_of_store(data.path()).unwrap(), again, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rp4_without_the_checkpoint_the_centres_log_says_what_is_copied() {
    let (site, centre) = (LogDir::site().await, LogDir::bare());
    site.say(&visits(1, 30)).await;
    let data = tempfile::tempdir().unwrap();
    start(&data, &centre, vec![site.remote("a")])
        .await
        .stop()
        .await;
    site.say(&visits(31, 5)).await;
    let fresh = tempfile::tempdir().unwrap();
    let aggregator = start(&fresh, &centre, vec![site.remote("a")]).await;
    assert_exact("a", &site.log, &centre.log).await;
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp4_a_checkpoint_of_another_centre_is_not_believed() {
    let (site, first, second) = (LogDir::site().await, LogDir::bare(), LogDir::bare());
    site.say(&visits(1, 30)).await;
    let data = tempfile::tempdir().unwrap();
    start(&data, &first, vec![site.remote("a")])
        .await
        .stop()
        .await;
    let aggregator = start(&data, &second, vec![site.remote("a")]).await;
    assert_exact("a", &site.log, &second.log).await;
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp3_an_append_whose_answer_is_lost_is_not_repeated() {
    let (site, centre) = (LogDir::site().await, LogDir::bare());
    site.say(&visits(1, 30)).await;
    let data = tempfile::tempdir().unwrap();
    let flaky = FaultyLog::new(centre.log.clone()).only(FHIR_ENCOUNTER);
    let flaky = Arc::new(flaky);
    flaky.lose_answers.store(2, Ordering::SeqCst);
    let shared: SharedLog = flaky.clone();
    let aggregator = Aggregator::start(data.path(), &shared, vec![site.remote("a")], &noon()).await;
    let stage = aggregator.stage("replicate", 30).await;
    assert_eq!(
        (&stage["applied"], &stage["unaccounted"]),
        (&30.into(), &0.into())
    );
    assert_exact("a", &site.log, &centre.log).await;
    site.say(&visits(31, 3)).await;
    aggregator.stage("replicate", 33).await;
    assert_exact("a", &site.log, &centre.log).await;
    assert_eq!(flaky.lose_answers.load(Ordering::SeqCst), 0);
    aggregator.stop().await;
}

async fn truncate(site: &LogDir) -> u64 {
    let spec = TopicSpec {
        name: FHIR_ENCOUNTER.to_owned(),
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention_bytes: Some(1),
            retention_ms: None,
        },
    };
    site.log.create_topics(&[spec]).await.unwrap();
    site.embedded.maintain().await.unwrap();
    let held = site.log.offsets(FHIR_ENCOUNTER).await.unwrap();
    held[0].start
}

#[tokio::test(flavor = "multi_thread")]
async fn rp5_a_truncated_source_is_loud_counted_and_goes_on() {
    let (site, centre) = (LogDir::site().await, LogDir::bare());
    let data = tempfile::tempdir().unwrap();
    site.say(&visits(1, 10)).await;
    start(&data, &centre, vec![site.remote("a")])
        .await
        .stop()
        .await;
    for seq in 11..=30 {
        site.say(&visits(seq, 1)).await;
    }
    let begins = truncate(&site).await;
    assert!(begins > 10, "retention removed nothing that matters");
    let lost = begins - 10;
    let aggregator = start(&data, &centre, vec![site.remote("a")]).await;
    let stage = aggregator.stage("replicate", 30).await;
    assert_eq!(stage["evicted"], lost, "{stage:#}");
    assert_eq!(
        (&stage["applied"], &stage["unaccounted"]),
        (&(30 - lost).into(), &0.into())
    );
    let sources = aggregator.json("/api/v1/sources").await;
    let problem = row(&sources, "sources", "kind", "bridge")["problem"].to_string();
    assert!(
        problem.contains("truncated at fhir.encounter/0") && problem.contains(&lost.to_string()),
        "{problem}"
    );
    let (_, metrics) = aggregator.get("/metrics").await;
    let line = format!(
        "wardline_replicate_truncated_records_total{{site=\"a\",topic=\"fhir.encounter\",partition=\"0\"}} {lost}"
    );
    assert!(metrics.contains(&line), "{metrics}");
    aggregator.stop().await;
    // Said once, counted once, and still shown after a restart.
    let aggregator = start(&data, &centre, vec![site.remote("a")]).await;
    let stage = aggregator.stage("replicate", 30).await;
    assert_eq!(stage["evicted"], lost, "{stage:#}");
    let sources = aggregator.json("/api/v1/sources").await;
    assert!(row(&sources, "sources", "kind", "bridge")["problem"].is_string());
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp6_a_recreated_source_is_loud_and_copied_from_its_start() {
    let (first, centre) = (LogDir::site().await, LogDir::bare());
    let data = tempfile::tempdir().unwrap();
    first.say(&visits(1, 10)).await;
    start(&data, &centre, vec![first.remote("a")])
        .await
        .stop()
        .await;
    // A shorter one is seen by its end, one that is as long by the record at the known position.
    for (n, length) in [(1_u64, 4_u64), (2, 25)] {
        let other = LogDir::site().await;
        other.say(&visits(100 * n, length)).await;
        let before = copies(&centre.log, FHIR_ENCOUNTER).await;
        let aggregator = start(&data, &centre, vec![other.remote("a")]).await;
        let after = copies(&centre.log, FHIR_ENCOUNTER).await;
        assert_eq!(after.len(), before.len() + usize::try_from(length).unwrap());
        let fresh: BTreeSet<_> = after[before.len()..]
            .iter()
            .map(|(_, id)| id.clone())
            .collect();
        assert_eq!(fresh.len() as u64, length);
        let sources = aggregator.json("/api/v1/sources").await;
        let problem = row(&sources, "sources", "kind", "bridge")["problem"].to_string();
        assert!(
            problem.contains("recreated at fhir.encounter/0"),
            "{problem}"
        );
        aggregator.stop().await;
        // The next start knows the new life and copies nothing again.
        let aggregator = start(&data, &centre, vec![other.remote("a")]).await;
        assert_eq!(copies(&centre.log, FHIR_ENCOUNTER).await.len(), after.len());
        aggregator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rp7_topics_that_appear_later_are_picked_up() {
    let (site, centre) = (LogDir::bare(), LogDir::bare());
    let data = tempfile::tempdir().unwrap();
    let aggregator = start(&data, &centre, vec![site.remote("a")]).await;
    site.topics(2).await;
    site.say(&story()).await;
    let stage = aggregator.stage("ledger", story().len() as u64).await;
    assert_eq!(stage["unaccounted"], 0, "{stage:#}");
    assert_exact("a", &site.log, &centre.log).await;
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp8_a_site_that_cannot_be_reached_holds_nobody_up_and_comes_back() {
    let (near, far, centre) = (LogDir::site().await, LogDir::site().await, LogDir::bare());
    near.say(&visits(1, 5)).await;
    far.say(&[bed_status(901, "OPD^1^1", "U", NOON - MINUTE)])
        .await;
    let flaky = Arc::new(FaultyLog::new(far.log.clone()));
    flaky.set_down(true);
    let far_source = Source {
        site: "far".into(),
        beds: beds(),
        log: flaky.clone(),
        local: false,
    };
    let data = tempfile::tempdir().unwrap();
    let aggregator = start(&data, &centre, vec![near.remote("near"), far_source]).await;
    let problem_of_far = |sources: &serde_json::Value| {
        sources["sources"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["site"] == "far")
            .map(|row| row["problem"].to_string())
            .unwrap_or_default()
    };
    let sources = aggregator.json("/api/v1/sources").await;
    assert!(
        problem_of_far(&sources).contains("the test says so"),
        "{sources:#}"
    );
    assert_exact("near", &near.log, &centre.log).await;
    flaky.set_down(false);
    aggregator
        .until("/api/v1/sources", |sources| {
            !problem_of_far(sources).contains("the test says so")
        })
        .await;
    eventually("the far record is copied", || async {
        copies(&centre.log, FHIR_LOCATION).await.len() == 1
    })
    .await;
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp9_what_was_copied_before_is_not_copied_on() {
    let (a, b, centre) = (LogDir::site().await, LogDir::site().await, LogDir::bare());
    a.say(&visits(1, 3)).await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // b's log is a centre itself: it holds a's records, and one of its own.
    start(&first, &b, vec![a.remote("a")]).await.stop().await;
    b.say(&visits(50, 1)).await;
    let aggregator = start(&second, &centre, vec![b.remote("b")]).await;
    let copied = copies(&centre.log, FHIR_ENCOUNTER).await;
    assert_eq!(copied.len(), 1, "{copied:?}");
    assert_eq!(copied[0].0, "b/fhir.encounter/0/3");
    let stage = aggregator.stage("replicate", 4).await;
    assert_eq!(
        (&stage["filtered"], &stage["unaccounted"]),
        (&3.into(), &0.into())
    );
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp10_statuses_of_equal_names_at_two_sites_stay_two() {
    let (a, b, centre) = (LogDir::site().await, LogDir::site().await, LogDir::bare());
    let say = async |site: &LogDir, backlog| {
        let status = agent_status("gw-1", true, 100, backlog, NOON);
        site.log.append(STATUS, vec![status]).await.unwrap();
    };
    say(&a, 7).await;
    say(&b, 9).await;
    let data = tempfile::tempdir().unwrap();
    let aggregator = start(&data, &centre, vec![a.remote("a"), b.remote("b")]).await;
    let answer = aggregator
        .until("/api/v1/sources", |s| {
            let agents = s["sources"].as_array().unwrap().iter();
            agents.filter(|r| r["kind"] == "agent").count() == 2
        })
        .await;
    assert_eq!(row(&answer, "sources", "site", "a")["backlog"], 7);
    assert_eq!(row(&answer, "sources", "site", "b")["backlog"], 9);
    let keys: BTreeSet<_> = read_all(&centre.log, STATUS)
        .await
        .into_iter()
        .map(|e| String::from_utf8(e.record.key.unwrap().to_vec()).unwrap())
        .collect();
    assert_eq!(
        keys,
        BTreeSet::from(["a/gw-1".to_owned(), "b/gw-1".to_owned()])
    );
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rp10_compaction_of_statuses_is_no_loss() {
    let (site, centre) = (LogDir::site().await, LogDir::bare());
    let data = tempfile::tempdir().unwrap();
    let say = async |from: u64| {
        for n in from..from + 30 {
            let status = agent_status("gw-1", true, n + 1, 0, NOON - 1000);
            site.log.append(STATUS, vec![status]).await.unwrap();
        }
        site.embedded.maintain().await.unwrap();
    };
    for round in 1..=2_u64 {
        say(round * 100).await;
        let aggregator = start(&data, &centre, vec![site.remote("a")]).await;
        let newest = round * 100 + 29;
        aggregator
            .until("/api/v1/accounting", |a| {
                let stages = a["stages"].as_array().unwrap();
                stages
                    .iter()
                    .any(|row| row["stage"] == "agent/gw-1" && row["received"] == newest)
            })
            .await;
        let sources = aggregator.json("/api/v1/sources").await;
        assert!(row(&sources, "sources", "kind", "bridge")["problem"].is_null());
        let accounting = aggregator.json("/api/v1/accounting").await;
        let replicate = row(&accounting, "stages", "stage", "replicate");
        assert_eq!(
            (&replicate["evicted"], &replicate["unaccounted"]),
            (&0.into(), &0.into()),
            "{replicate:#}"
        );
        aggregator.stop().await;
    }
}

/// Two hospitals that call themselves the same, with the same beds, departments, devices, agents and visits.
#[tokio::test(flavor = "multi_thread")]
async fn p12_two_sites_with_equal_names_never_mix_and_never_flap() {
    let (a, b, centre) = (LogDir::site().await, LogDir::site().await, LogDir::bare());
    let data = tempfile::tempdir().unwrap();
    a.say(&[
        adt(1, "A01", "v1", "ICU^1^1", NOON - MINUTE),
        device_state(2, "ICU", "pump-7", "in-use", None, NOON - MINUTE),
    ])
    .await;
    b.say(&[
        bed_status(1, "ICU^1^1", "C", NOON - MINUTE),
        device_state(2, "ICU", "pump-7", "ready", None, NOON - MINUTE),
    ])
    .await;
    let aggregator = start(&data, &centre, vec![a.remote("a"), b.remote("b")]).await;
    for (path, rows, name, field, of_a, of_b) in [
        (
            "beds",
            "beds",
            "bed=ICU^1^1",
            "status",
            "occupied",
            "closed",
        ),
        (
            "devices",
            "devices",
            "device=pump-7",
            "state",
            "in-use",
            "ready",
        ),
    ] {
        let (key, value) = name.split_once('=').unwrap();
        let all = aggregator.json(&format!("/api/v1/{path}")).await;
        let both = all[rows].as_array().unwrap().iter();
        let both: Vec<_> = both.filter(|row| row[key] == value).collect();
        assert_eq!(both.len(), 2, "{all:#}");
        for (site, expected) in [("a", of_a), ("b", of_b)] {
            let only = aggregator
                .json(&format!("/api/v1/{path}?site={site}"))
                .await;
            let found = row(&only, rows, key, value);
            assert_eq!(
                (&found["site"], &found[field]),
                (&site.into(), &expected.into())
            );
        }
    }
    // A bed that both have is not guessed at.
    let (status, refused) = aggregator.get("/api/v1/explain/bed/ICU%5E1%5E1").await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused.contains("a, b"), "{refused}");
    let explained = aggregator
        .json("/api/v1/explain/bed/ICU%5E1%5E1?site=b")
        .await;
    assert_eq!(explained["site"], "b");
    assert_eq!(explained["events"].as_array().unwrap().len(), 1);
    let (status, refused) = aggregator.get("/api/v1/beds?site=c").await;
    assert_eq!(status, 404, "{refused}");
    // Both call themselves st-mary: counted, and at the site that they came from.
    let metrics = aggregator.get("/metrics").await.1;
    for site in ["a", "b"] {
        let line = format!("wardline_ledger_misnamed_records_total{{site=\"{site}\"}} 2");
        assert!(metrics.contains(&line), "{metrics}");
    }
    // Nothing changes, so nothing is published any more: one row of each key, however often rows are worked out.
    aggregator.stop().await;
    let device = |entry: &wardline_log::Entry| entry.record.key.clone().unwrap();
    let published = read_all(&centre.log, VIEW_DEVICE).await;
    let keys: Vec<_> = published.iter().map(device).collect();
    assert_eq!(keys, ["a/pump-7", "b/pump-7"]);
}
