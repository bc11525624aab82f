//! The fold as a whole: from records in a real log to rows, state and counts, through every kind of end.

use crate::support::records::{adt, adt_of, broken, device_state, story, tombstone};
use crate::support::{
    Aggregator, BEDS, LogDir, MINUTE, NOON, Seeded, Setup, digest_of_site, newest, row,
};
use wardline_aggregator::FaultPoint;
use wardline_aggregator::{digest_of_store, recompute, summary_of_store};
use wardline_model::topic::{VIEW_BED, VIEW_DEPARTMENT, VIEW_DEVICE};
use wardline_service::ManualClock;

const ALL_POINTS: [FaultPoint; 3] = [
    FaultPoint::BeforeCommit,
    FaultPoint::AfterCommit,
    FaultPoint::AfterPublish,
];

fn noon() -> Setup {
    Setup::at(&ManualClock::at(NOON))
}

async fn digest_of(site: &LogDir) -> String {
    digest_of_site(&site.log, "st-mary", None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_records_become_rows_with_age_and_listed_departments_appear_empty() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
    let answer = aggregator.json("/api/v1/departments").await;
    assert_eq!(answer["as_of"], "2026-03-01T12:00:00Z");
    let icu = row(&answer, "departments", "department", "ICU");
    assert_eq!(
        (
            &icu["beds"],
            &icu["occupied"],
            &icu["reserved"],
            &icu["pending_in"]
        ),
        (&2.into(), &1.into(), &1.into(), &1.into()),
        "{icu:#}"
    );
    assert_eq!(icu["occupancy"], 0.5);
    assert!(icu["age_s"].as_i64().unwrap() >= 200 * 60, "{icu:#}");
    let ward = row(&answer, "departments", "department", "WARD 1");
    assert_eq!(
        (&ward["dirty"], &ward["unknown"]),
        (&1.into(), &1.into()),
        "{ward:#}"
    );
    assert_eq!(ward["oldest_dirty_s"], 3600);
    let ed = row(&answer, "departments", "department", "ED");
    assert_eq!((&ed["beds"], &ed["unknown"]), (&1.into(), &1.into()));
    assert!(ed["age_s"].is_null() && ed["coverage"].is_null(), "{ed:#}");
    let stage = aggregator.stage("ledger", story().len() as u64).await;
    assert_eq!(stage["unaccounted"], 0, "{stage:#}");
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_after_a_kill_at_every_point_the_state_equals_a_recomputation() {
    for point in ALL_POINTS {
        let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
        site.say(&story()).await;
        let doomed = Aggregator::start(
            data.path(),
            &site.log,
            vec![site.local("st-mary")],
            &Setup::fault(point),
        )
        .await;
        let why = doomed.dies().await;
        assert!(why.contains(point.name()), "{why}");
        let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
        let stage = aggregator.stage("ledger", story().len() as u64).await;
        assert_eq!(stage["unaccounted"], 0, "{point:?}: {stage:#}");
        aggregator.stop().await;
        assert_eq!(
            digest_of_store(data.path()).unwrap(),
            digest_of(&site).await,
            "{point:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_view_rows_of_a_killed_run_are_published_after_it() {
    for point in [FaultPoint::AfterCommit, FaultPoint::AfterPublish] {
        let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
        site.say(&story()).await;
        let doomed = Aggregator::start(
            data.path(),
            &site.log,
            vec![site.local("st-mary")],
            &Setup::fault(point),
        )
        .await;
        doomed.dies().await;
        assert!(summary_of_store(data.path()).unwrap().outbox_rows > 0);
        let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
        let beds = aggregator.json("/api/v1/beds").await;
        aggregator.stop().await;
        let published = newest(&site.log, VIEW_BED).await;
        for bed in beds["beds"].as_array().unwrap() {
            let shown = &published[&format!("st-mary/{}", bed["bed"].as_str().unwrap())];
            assert_eq!(shown["status"], bed["status"], "{point:?} {shown:#}");
            assert!(shown["as_of"].is_string());
        }
        assert_eq!(newest(&site.log, VIEW_DEPARTMENT).await.len(), 3);
        assert_eq!(newest(&site.log, VIEW_DEVICE).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_many_kills_in_a_row_lose_and_double_nothing() {
    for seed in 1..=3 {
        let mut random = Seeded(seed * 7919);
        let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
        let mut sent = 0;
        for _ in 0..6 {
            let more: Vec<_> = (0..random.below(30) + 1)
                .map(|_| {
                    sent += 1;
                    let visit = format!("v{}", random.below(6));
                    let bed = ["ICU^1^1", "ICU^1^2", "W1^1^1", "X^1^1"][random.below(4)];
                    let event = ["A01", "A02", "A03", "A13", "A08", "A05", "A11"][random.below(7)];
                    let at = NOON - i64::try_from(random.below(6000)).unwrap() * MINUTE;
                    adt(sent, event, &visit, bed, at)
                })
                .collect();
            site.say(&more).await;
            let point = ALL_POINTS[random.below(3)];
            let source = vec![site.local("st-mary")];
            let doomed =
                Aggregator::start(data.path(), &site.log, source, &Setup::fault(point)).await;
            doomed.dies().await;
        }
        let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
        let stage = aggregator.stage("ledger", sent).await;
        assert_eq!(stage["unaccounted"], 0, "seed {seed}: {stage:#}");
        assert_eq!(stage["duplicate"], 0, "seed {seed}: {stage:#}");
        aggregator.stop().await;
        assert_eq!(
            digest_of_store(data.path()).unwrap(),
            digest_of(&site).await,
            "seed {seed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_shuffled_repeated_and_late_records_give_the_same_state_and_rows() {
    let mut digests = Vec::new();
    let mut rows = Vec::new();
    for seed in 0..4_u64 {
        let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
        let mut records = story();
        if seed > 0 {
            let mut random = Seeded(seed * 104_729);
            records.extend(story());
            random.shuffle(&mut records);
        }
        for part in records.chunks(5) {
            site.say(part).await;
        }
        let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
        let stage = aggregator.stage("ledger", records.len() as u64).await;
        assert_eq!(stage["unaccounted"], 0, "{stage:#}");
        rows.push(aggregator.json("/api/v1/beds").await);
        aggregator.stop().await;
        digests.push(digest_of_store(data.path()).unwrap());
    }
    assert!(
        digests.iter().all(|d| *d == digests[0] && !d.is_empty()),
        "{digests:?}"
    );
    assert!(rows.iter().all(|r| *r == rows[0]), "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_unreadable_records_are_counted_kept_and_block_nothing() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    let good = story();
    for (n, record) in good.iter().enumerate() {
        site.say(&[broken(1000 + n as u64, n), record.clone()])
            .await;
    }
    site.say(&[tombstone("v1")]).await;
    let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
    let bad = good.len() as u64;
    let stage = aggregator.stage("ledger", bad * 2 + 1).await;
    assert_eq!(stage["sidelined"], bad, "{stage:#}");
    assert_eq!(stage["filtered"], 1, "{stage:#}");
    assert_eq!(stage["unaccounted"], 0, "{stage:#}");
    let kept = aggregator
        .until("/api/v1/unreadable?limit=1000", |kept| {
            kept["items"].as_array().unwrap().len() as u64 == bad
        })
        .await;
    let kept = kept["items"].as_array().unwrap();
    for item in kept {
        assert!(
            item["log_position"]
                .as_str()
                .unwrap()
                .starts_with("st-mary/fhir.encounter/0/"),
            "{item:#}"
        );
        assert!(!item["cause"].as_str().unwrap().is_empty());
    }
    aggregator.stop().await;
    let (clean, other) = (LogDir::site().await, tempfile::tempdir().unwrap());
    clean.say(&good).await;
    Aggregator::local(other.path(), &clean, &noon())
        .await
        .stop()
        .await;
    assert_eq!(
        digest_of_store(data.path()).unwrap(),
        digest_of_store(other.path()).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_counts_and_positions_go_on_after_a_restart() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    Aggregator::local(data.path(), &site, &noon())
        .await
        .stop()
        .await;
    site.say(&[
        adt(50, "A01", "v9", "ED^1^1", NOON - MINUTE),
        story()[3].clone(),
    ])
    .await;
    let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
    let stage = aggregator.stage("ledger", story().len() as u64 + 2).await;
    assert_eq!(
        (&stage["duplicate"], &stage["unaccounted"]),
        (&1.into(), &0.into())
    );
    aggregator.stop().await;
    let summary = summary_of_store(data.path()).unwrap();
    assert_eq!(summary.positions["st-mary/fhir.location/0"].read.next, 4);
    assert_eq!(summary.beds["st-mary"], BEDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_another_log_under_the_same_name_is_told_and_folded_from_its_start() {
    let (first, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    first.say(&story()).await;
    Aggregator::local(data.path(), &first, &noon())
        .await
        .stop()
        .await;
    let second = LogDir::site().await;
    let fresh: Vec<_> = (0..40)
        .map(|n| {
            adt_of(
                "gw-9",
                n + 1,
                "A08",
                &format!("n{n}"),
                "W1^1^2",
                NOON - MINUTE,
            )
        })
        .collect();
    second.say(&fresh).await;
    let aggregator = Aggregator::local(data.path(), &second, &noon()).await;
    let stage = aggregator
        .stage("ledger", (story().len() + fresh.len()) as u64)
        .await;
    assert_eq!(stage["unaccounted"], 0, "{stage:#}");
    let sources = aggregator.json("/api/v1/sources").await;
    let bridge = row(&sources, "sources", "kind", "bridge");
    assert!(
        bridge["problem"]
            .as_str()
            .unwrap()
            .contains("recreated at fhir.encounter/0"),
        "{bridge:#}"
    );
    aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_recomputation_from_the_log_gives_the_rows_that_are_shown() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let aggregator = Aggregator::local(data.path(), &site, &noon()).await;
    let shown = aggregator.json("/api/v1/beds").await;
    aggregator.stop().await;
    let ledger = recompute(&site.log, &[site.local("st-mary")], None)
        .await
        .unwrap();
    let computed = ledger.beds(None, wardline_aggregator::ledger::View::at(NOON));
    assert_eq!(shown["beds"], serde_json::to_value(computed).unwrap());
    assert_eq!(ledger.digest(), digest_of_store(data.path()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_history_beyond_the_horizon_is_let_go_and_the_rest_equals_a_recomputation() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    let clock = ManualClock::at(NOON);
    let mut setup = Setup::at(&clock);
    setup.history = Some("1d");
    site.say(&story()).await;
    Aggregator::local(data.path(), &site, &setup)
        .await
        .stop()
        .await;
    let before = summary_of_store(data.path()).unwrap();
    clock.set_wall_ms(NOON + 3 * 24 * 60 * MINUTE);
    let aggregator = Aggregator::local(data.path(), &site, &setup).await;
    let stage = aggregator.stage("ledger", story().len() as u64).await;
    assert_eq!(stage["unaccounted"], 0, "{stage:#}");
    aggregator.stop().await;
    let after = summary_of_store(data.path()).unwrap();
    assert!(after.facts < before.facts, "{before:?} {after:?}");
    assert_eq!(
        after.counters["st-mary"].forgotten,
        before.facts - after.facts
    );
    let again = digest_of_site(&site.log, "st-mary", after.horizon_ms).await;
    assert_eq!(after.digest, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_time_alone_changes_rows_and_they_are_published() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    let clock = ManualClock::at(NOON);
    site.say(&[device_state(
        1,
        "icu",
        "pump-1",
        "in-use",
        None,
        NOON - MINUTE,
    )])
    .await;
    let aggregator = Aggregator::local(data.path(), &site, &Setup::at(&clock)).await;
    let devices = aggregator.json("/api/v1/devices").await;
    assert_eq!(
        row(&devices, "devices", "device", "pump-1")["silent"],
        false
    );
    clock.set_wall_ms(NOON + 20 * MINUTE);
    let devices = aggregator.json("/api/v1/devices").await;
    assert_eq!(row(&devices, "devices", "device", "pump-1")["silent"], true);
    crate::support::eventually("the silent device is published", || async {
        newest(&site.log, VIEW_DEVICE)
            .await
            .get("st-mary/pump-1")
            .is_some_and(|row| row["silent"] == true)
    })
    .await;
    aggregator.stop().await;
}

/// Before, everything that an agent had ever sent looked as if it had been folded at the restart.
#[tokio::test(flavor = "multi_thread")]
async fn p10_lag_and_coverage_are_the_same_before_and_after_a_restart() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    let clock = ManualClock::at(NOON);
    site.say(&story()).await;
    let mut seen = Vec::new();
    for minutes in [0, 40] {
        clock.set_wall_ms(NOON + minutes * MINUTE);
        let aggregator = Aggregator::local(data.path(), &site, &Setup::at(&clock)).await;
        let sources = aggregator.json("/api/v1/sources").await;
        let departments = aggregator.json("/api/v1/departments").await;
        let covered = departments["departments"].as_array().unwrap().iter();
        let covered: Vec<bool> = covered.map(|row| row["coverage"].is_null()).collect();
        seen.push((
            row(&sources, "sources", "kind", "agent")["lag_s"].clone(),
            covered,
        ));
        aggregator.stop().await;
    }
    assert_eq!(seen[0], seen[1]);
}
