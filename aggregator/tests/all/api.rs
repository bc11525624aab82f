//! The query API over real sockets: docs/specs/query-api.md, what is asked once.

use std::sync::Arc;

use crate::support::records::{adt, agent_status, bridge_status, sidelined, story};
use crate::support::world::world;
use crate::support::{Aggregator, LogDir, MINUTE, NOON, Setup, read_all, row};
use serde_json::Value;
use wardline_aggregator::Source;
use wardline_api::{
    About, Accounting, Beds, Departments, Devices, Explanation, LogLine, Sideline, Sources,
};
use wardline_log_contract::FaultyLog;
use wardline_model::status::{AgentWatermark, BridgeStatus, StageCounts};
use wardline_model::topic::{RETRY, SIDELINE, STATUS};
use wardline_service::ManualClock;

/// The answer has the shape of the shared type, member for member.
fn typed<T: serde::de::DeserializeOwned + serde::Serialize>(answer: &Value) -> T {
    let value: T = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(serde_json::to_value(&value).unwrap(), *answer);
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn q1_departments_beds_and_devices_have_their_shape_and_filters() {
    let w = world().await;
    let departments: Departments = typed(&w.aggregator.json("/api/v1/departments").await);
    assert_eq!(departments.departments.len(), 3);
    for d in &departments.departments {
        let sum = d.occupied + d.available + d.reserved + d.dirty;
        assert_eq!(
            d.beds,
            sum + d.cleaning + d.blocked + d.closed + d.unknown,
            "{d:?}"
        );
    }
    let beds: Beds = typed(&w.aggregator.json("/api/v1/beds").await);
    assert_eq!(beds.beds.len(), 5);
    let icu: Beds = typed(&w.aggregator.json("/api/v1/beds?department=icu").await);
    assert_eq!(icu.beds.len(), 2);
    let devices: Devices = typed(&w.aggregator.json("/api/v1/devices").await);
    assert_eq!(devices.devices.len(), 2);
    let pump = &devices.devices[0];
    assert_eq!(
        (pump.device.as_str(), pump.department.as_str()),
        ("pump-1", "ICU")
    );
    assert_eq!(pump.battery, Some(80.0));
    assert_eq!(pump.state.unwrap().as_str(), "ready");
    let ed: Devices = typed(&w.aggregator.json("/api/v1/devices?department=ED").await);
    assert!(ed.devices.is_empty());
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q2_at_and_known_give_past_moments() {
    let w = world().await;
    let status = async |path: &str, bed: &str| {
        let answer = w.aggregator.json(path).await;
        row(&answer, "beds", "bed", bed)["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // Before the transfer v1 was in ICU^1^1; 07:30 is 270 minutes before noon.
    assert_eq!(
        status("/api/v1/beds?at=2026-03-01T04:00:00Z", "ICU^1^1").await,
        "occupied"
    );
    assert_eq!(status("/api/v1/beds", "ICU^1^1").await, "reserved");
    // The discharge of v2 was cancelled later: in the light of all that is known it never happened ...
    assert_eq!(
        status("/api/v1/beds?at=2026-03-01T07:30:00Z", "ICU^1^2").await,
        "occupied"
    );
    // ... and by what was known then it had.
    let then = "/api/v1/beds?at=2026-03-01T07:30:00Z&known=2026-03-01T07:30:00Z";
    assert_eq!(status(then, "ICU^1^2").await, "dirty");
    let past = w
        .aggregator
        .json("/api/v1/departments?at=2026-03-01T04:00:00Z")
        .await;
    assert_eq!(past["as_of"], "2026-03-01T04:00:00Z");
    let icu = row(&past, "departments", "department", "ICU");
    assert_eq!(icu["occupied"], 2);
    assert!(icu["coverage"].is_null(), "nobody knows who was heard then");
    w.aggregator.stop().await;
}

/// Path, status, code, and what the message names.
const WRONG: &[(&str, u16, &str, &str)] = &[
    ("/nowhere", 404, "unknown_path", "/nowhere"),
    ("/api/v1/nothing", 404, "unknown_path", "/api/v1/nothing"),
    ("/api/v1/beds?at=noon", 400, "wrong_parameter", "at"),
    ("/api/v1/beds?known=x", 400, "wrong_parameter", "known"),
    ("/api/v1/beds?bed=1", 400, "wrong_parameter", "bed"),
    (
        "/api/v1/beds?department=MOON",
        404,
        "unknown_department",
        "MOON",
    ),
    (
        "/api/v1/devices?department=MOON",
        404,
        "unknown_department",
        "MOON",
    ),
    (
        "/api/v1/departments?department=ICU",
        400,
        "wrong_parameter",
        "department",
    ),
    ("/api/v1/sources?x=1", 400, "wrong_parameter", "x"),
    (
        "/api/v1/explain/bed/MOON%5E1%5E1",
        404,
        "unknown_bed",
        "MOON^1^1",
    ),
    ("/api/v1/sideline?limit=x", 400, "wrong_parameter", "limit"),
    ("/api/v1/sideline?after=x", 400, "wrong_parameter", "after"),
    ("/api/v1/log/no.topic", 404, "unknown_topic", "no.topic"),
    (
        "/api/v1/log/fhir.encounter?from=x",
        400,
        "wrong_parameter",
        "from",
    ),
    (
        "/api/v1/log/fhir.encounter?from=999",
        400,
        "wrong_parameter",
        "from",
    ),
    (
        "/api/v1/log/fhir.encounter?partition=7",
        400,
        "wrong_parameter",
        "partition",
    ),
    (
        "/api/v1/log/fhir.encounter?site=moon",
        400,
        "wrong_parameter",
        "site",
    ),
    (
        "/api/v1/log/fhir.encounter?follow=perhaps",
        400,
        "wrong_parameter",
        "follow",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn q3_wrong_questions_are_answered_with_what_is_wrong() {
    let w = world().await;
    for (path, status, code, names) in WRONG {
        let (got, error) = w.aggregator.failure(path).await;
        assert_eq!(
            (got, error["code"].as_str().unwrap()),
            (*status, *code),
            "{path}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(names),
            "{path}: {error}"
        );
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{path}");
    }
    let (status, body) = w.aggregator.post("/api/v1/beds").await;
    assert_eq!(status, 405, "{body}");
    assert!(body.contains("wrong_method"));
    let (status, body) = w.aggregator.post("/api/v1/sideline/0-99/replay").await;
    assert_eq!(status, 404, "{body}");
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q4_explain_names_the_events_a_bed_rests_on() {
    let w = world().await;
    let answer = w.aggregator.json("/api/v1/explain/bed/ICU%5E1%5E2").await;
    let explained: Explanation = typed(&answer);
    assert_eq!(explained.bed, "ICU^1^2");
    assert_eq!(explained.status.as_str(), "occupied");
    let discharge = explained
        .events
        .iter()
        .find(|e| e.event_type == "ADT^A03")
        .unwrap();
    assert!(!discharge.counts, "{answer:#}");
    let admit = explained
        .events
        .iter()
        .find(|e| e.event_type == "ADT^A01")
        .unwrap();
    assert!(admit.counts);
    assert_eq!(admit.event_id, "gw-1/00000000000000ab/5");
    assert_eq!(admit.log_position, "st-mary/fhir.encounter/0/1");
    assert_eq!(admit.mapping, "hl7@1");
    let silent = w.aggregator.json("/api/v1/explain/bed/ED%5E1%5E1").await;
    assert_eq!(
        (&silent["status"], &silent["events"]),
        (&"unknown".into(), &Value::Array(Vec::new()))
    );
    let plain = w.aggregator.json("/api/v1/explain/bed/ICU^1^2").await;
    assert_eq!(plain["events"], answer["events"]);
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_an_unplugged_agent_lowers_the_coverage_of_its_departments() {
    let w = world().await;
    let say = async |name: &str, online: bool, at: i64| {
        let status = agent_status(name, online, 20, 3, at);
        w.site.log.append(STATUS, vec![status]).await.unwrap();
    };
    say("gw-1", true, NOON - 1000).await;
    say("gw-2", true, NOON - 2000).await;
    let coverage =
        |answer: &Value| row(answer, "departments", "department", "ICU")["coverage"].clone();
    w.aggregator
        .until("/api/v1/departments", |a| coverage(a) == 1.0)
        .await;
    say("gw-2", false, NOON - 500).await;
    let answer = w
        .aggregator
        .until("/api/v1/departments", |a| coverage(a) == 0.5)
        .await;
    // The ward rests on gw-1 and on gw-2's pump as well, the emergency department on nobody.
    assert!(row(&answer, "departments", "department", "ED")["coverage"].is_null());
    let sources: Sources = typed(&w.aggregator.json("/api/v1/sources").await);
    let gw2 = sources.sources.iter().find(|s| s.name == "gw-2").unwrap();
    assert!(
        !gw2.connected && gw2.problem.as_ref().unwrap().starts_with("offline since"),
        "{gw2:?}"
    );
    assert_eq!(gw2.backlog, 3);
    // And one that simply says nothing any more is noticed by time alone.
    w.clock.set_wall_ms(NOON + 2 * MINUTE);
    w.aggregator
        .until("/api/v1/departments", |a| coverage(a) == 0.0)
        .await;
    w.aggregator.stop().await;
}

fn bridge_word() -> BridgeStatus {
    BridgeStatus {
        v: 1,
        site: "st-mary".into(),
        version: "0.1.0".into(),
        at_ms: NOON - 1000,
        ingest: StageCounts {
            received: 20,
            applied: 18,
            duplicate: 2,
            ..StageCounts::default()
        },
        transform: StageCounts {
            received: 18,
            applied: 16,
            sidelined: 2,
            ..StageCounts::default()
        },
        records: 16,
        gaps: 0,
        agents: vec![AgentWatermark {
            agent: "gw-1".into(),
            incarnation: wardline_model::Incarnation(0xab),
            up_to: 12,
            ranges: Vec::new(),
            gap_events: 0,
            last_frame_ms: NOON - 2000,
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_accounting_has_every_stage_and_nothing_unaccounted() {
    let w = world().await;
    let agent = agent_status("gw-1", true, 13, 0, NOON - 5000);
    let bridge = bridge_word();
    w.site
        .log
        .append(STATUS, vec![agent, bridge_status(&bridge)])
        .await
        .unwrap();
    let answer = w
        .aggregator
        .until("/api/v1/accounting", |a| {
            a["stages"].as_array().unwrap().len() == 4
        })
        .await;
    let accounting: Accounting = typed(&answer);
    assert_eq!(accounting.unaccounted, 0, "{answer:#}");
    let stage = |name: &str| accounting.stages.iter().find(|s| s.stage == name).unwrap();
    assert_eq!(
        (stage("agent/gw-1").received, stage("agent/gw-1").applied),
        (12, 12)
    );
    assert_eq!(
        (stage("ingest").duplicate, stage("transform").sidelined),
        (2, 2)
    );
    assert_eq!(stage("ledger").received, 16);
    let sources: Sources = typed(&w.aggregator.json("/api/v1/sources").await);
    let gw1 = sources.sources.iter().find(|s| s.name == "gw-1").unwrap();
    assert_eq!(
        (gw1.watermark, gw1.connected, gw1.problem.clone()),
        (Some(12), true, None)
    );
    assert_eq!(gw1.clock_uncertainty_ms, Some(20));
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_records_that_never_arrived_are_shown_once_it_is_sure() {
    let w = world().await;
    w.aggregator.stage("ledger", 16).await;
    // A bridge that has written more than ever arrived: shown, once its word is old enough to be sure.
    let more = BridgeStatus {
        records: 19,
        ..bridge_word()
    };
    for step in 1..=3 {
        let at_ms = NOON + step * 20_000;
        w.clock.set_wall_ms(at_ms);
        let status = BridgeStatus {
            at_ms,
            ..more.clone()
        };
        w.site
            .log
            .append(STATUS, vec![bridge_status(&status)])
            .await
            .unwrap();
        let said = step;
        crate::support::eventually("the bridge's word is on the board", || async {
            let (_, metrics) = w.aggregator.get("/metrics").await;
            metrics.contains(&format!("wardline_status_records_total {said}\n"))
        })
        .await;
    }
    w.aggregator
        .until("/api/v1/accounting", |a| a["unaccounted"] == 3)
        .await;
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q5_the_sideline_is_paged_and_replayed_into_the_sites_retry_topic() {
    let w = world().await;
    let items: Vec<_> = (0..5)
        .map(|n| sidelined(500 + n, "MSH|broken", NOON - 1000))
        .collect();
    w.site.log.append(SIDELINE, items).await.unwrap();
    let first: Sideline = typed(&w.aggregator.json("/api/v1/sideline?limit=2").await);
    assert_eq!(first.items.len(), 2);
    assert_eq!(first.next.as_deref(), Some("0-1"));
    assert_eq!(
        (first.items[0].cause.as_str(), first.items[0].place.as_str()),
        ("hl7-no-visit", "PV1-19")
    );
    assert_eq!(first.items[0].bytes, 10);
    let rest: Sideline = typed(
        &w.aggregator
            .json("/api/v1/sideline?after=0-1&limit=100")
            .await,
    );
    assert_eq!((rest.items.len(), rest.next), (3, None));
    let (status, body) = w.aggregator.post("/api/v1/sideline/0-3/replay").await;
    assert_eq!(status, 202, "{body}");
    let retried = read_all(&w.site.log, RETRY).await;
    assert_eq!(retried.len(), 1);
    let record = &retried[0].record;
    assert_eq!(record.value.as_deref(), Some(b"MSH|broken".as_slice()));
    assert_eq!(
        record.header_str("event-id"),
        Some("gw-1/00000000000000ab/503")
    );
    assert_eq!(record.header_str("sideline-id"), Some("0-3"));
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q9_health_readiness_about_and_metrics_answer() {
    let w = world().await;
    assert_eq!(w.aggregator.json("/healthz").await["alive"], true);
    assert_eq!(w.aggregator.json("/readyz").await["ready"], true);
    let about: About = typed(&w.aggregator.json("/api/v1/about").await);
    assert_eq!(about.addresses["api"], w.aggregator.api.to_string());
    assert_eq!(about.site.as_deref(), Some("st-mary"));
    assert!(about.warnings.is_empty());
    let (status, metrics) = w.aggregator.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "wardline_beds{site=\"st-mary\",department=\"ICU\",status=\"occupied\"} 1",
        "wardline_department_occupancy_ratio{site=\"st-mary\",department=\"ICU\"} 0.5",
        "wardline_stage_events_total{site=\"st-mary\",stage=\"ledger\",fate=\"received\"} 16",
        "wardline_unaccounted_events{site=\"st-mary\",stage=\"ledger\"} 0",
        "wardline_unaccounted_events_sum 0",
        "wardline_fold_lag_records{partition=\"st-mary/fhir.encounter/0\"} 0",
        "wardline_ready 1",
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "{line}\n{metrics}");
    }
    for line in metrics.lines().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("wardline_") && value.parse::<f64>().is_ok(),
            "{line}"
        );
    }
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_no_answer_holds_a_patient_or_visit() {
    let w = world().await;
    // With a patient, as the bridge writes one; and a record that cannot be read, with one too.
    let (topic, mut admitted) = adt(61, "A01", "visit-canary-77", "ED^1^1", NOON - 1000);
    let value = String::from_utf8(admitted.value.take().unwrap().to_vec()).unwrap();
    let subject = r#"{"subject":{"identifier":{"system":"urn:wardline:patient","value":"patient-canary-99"}},"#;
    admitted.value = Some(value.replacen('{', subject, 1).into());
    let (_, mut broken) = adt(62, "A01", "visit-canary-78", "ED^1^2", NOON - 1000);
    broken.value = Some("patient-canary-99".into());
    w.site.say(&[(topic, admitted), (topic, broken)]).await;
    w.aggregator
        .until("/api/v1/beds", |b| {
            row(b, "beds", "bed", "ED^1^1")["status"] == "occupied"
        })
        .await;
    for path in [
        "/api/v1/departments",
        "/api/v1/beds",
        "/api/v1/devices",
        "/api/v1/sources",
        "/api/v1/accounting",
        "/api/v1/explain/bed/ED%5E1%5E1",
        "/api/v1/about",
        "/metrics",
        "/api/v1/unreadable",
        "/api/v1/reasons",
        "/api/v1/log/view.bed",
        "/api/v1/log/view.department",
        "/api/v1/log/view.device",
    ] {
        let (status, body) = w.aggregator.get(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(!body.contains("canary"), "{path}: {body}");
    }
    let read = |unreadable: &Value| !unreadable["items"].as_array().unwrap().is_empty();
    let unreadable = w.aggregator.until("/api/v1/unreadable", read).await;
    assert!(!unreadable.to_string().contains("canary"), "{unreadable}");
    w.aggregator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q9_ready_only_when_caught_up_and_meanwhile_it_says_why() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let flaky = Arc::new(FaultyLog::new(site.log.clone()));
    flaky.set_unreadable(true);
    let source = Source {
        log: flaky.clone(),
        ..site.local("st-mary")
    };
    let clock = ManualClock::at(NOON);
    let aggregator =
        Aggregator::start(data.path(), &site.log, vec![source], &Setup::at(&clock)).await;
    aggregator
        .until("/api/v1/sources", |sources| {
            let problem = &row(sources, "sources", "kind", "bridge")["problem"];
            problem
                .as_str()
                .is_some_and(|p| p.contains("reading fhir."))
        })
        .await;
    let (status, error) = aggregator.failure("/readyz").await;
    assert_eq!((status, &error["code"]), (503, &"not_ready".into()));
    assert_eq!(aggregator.json("/healthz").await["alive"], true);
    flaky.set_unreadable(false);
    aggregator.ready().await;
    let stage = aggregator.stage("ledger", 16).await;
    assert_eq!(stage["unaccounted"], 0);
    aggregator
        .until("/api/v1/sources", |sources| {
            row(sources, "sources", "kind", "bridge")["problem"].is_null()
        })
        .await;
    aggregator.stop().await;
}

/// Every example in the specification is an answer that the types know.
#[test]
fn the_examples_of_the_specification_are_answers() {
    fn is<T: serde::de::DeserializeOwned + serde::Serialize>(example: &Value) -> bool {
        serde_json::from_value::<T>(example.clone())
            .is_ok_and(|value| serde_json::to_value(value).unwrap() == *example)
    }
    let text = include_str!("../../../docs/specs/query-api.md");
    let blocks: Vec<&str> = text
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 11, "{}", blocks.len());
    for block in blocks {
        let example: Value = serde_json::from_str(block).unwrap_or_else(|e| panic!("{e}: {block}"));
        let known = is::<Departments>(&example)
            || is::<Beds>(&example)
            || is::<Devices>(&example)
            || is::<Sources>(&example)
            || is::<Accounting>(&example)
            || is::<Explanation>(&example)
            || is::<Sideline>(&example)
            || is::<wardline_api::Reasons>(&example)
            || is::<LogLine>(&example)
            || is::<wardline_api::ErrorBody>(&example)
            || example.get("retry").is_some()
            || example.get("topics").is_some()
            || example["items"][0].get("cause").is_some();
        assert!(known, "{block}");
    }
}

/// Rows are never older than an answer before, and an answer says what it does not have.
#[tokio::test(flavor = "multi_thread")]
async fn p10_answers_say_their_version_and_what_is_not_in_yet() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    let clock = ManualClock::at(NOON);
    site.say(&story()).await;
    // The agent numbered more than the log has, and the bridge said so later.
    let bridge = |up_to, at_ms| {
        bridge_status(&BridgeStatus {
            at_ms,
            agents: vec![AgentWatermark {
                agent: "gw-1".into(),
                incarnation: wardline_model::Incarnation(0xab),
                up_to,
                ranges: Vec::new(),
                gap_events: 0,
                last_frame_ms: at_ms,
            }],
            ..BridgeStatus::default()
        })
    };
    let words = vec![
        agent_status("gw-1", true, 100, 0, NOON - 2000),
        bridge(98, NOON - 1000),
    ];
    site.log.append(STATUS, words).await.unwrap();
    let mut version = 0;
    for _ in 0..3 {
        let aggregator = Aggregator::local(data.path(), &site, &Setup::at(&clock)).await;
        for path in ["departments", "beds", "devices"] {
            let catching_up = |answer: &Value| answer["catching_up"] == true;
            let answer = aggregator
                .until(&format!("/api/v1/{path}"), catching_up)
                .await;
            let now = answer["version"].as_u64().unwrap();
            assert!(now >= version, "{answer}");
            version = now;
            assert_eq!(answer["complete_to"], Value::Null, "{answer}");
            assert_eq!(answer["lag_s"], 0);
        }
        aggregator.stop().await;
    }
    let aggregator = Aggregator::local(data.path(), &site, &Setup::at(&clock)).await;
    let all = vec![bridge(99, NOON - 500)];
    site.log.append(STATUS, all).await.unwrap();
    let answer = aggregator
        .until("/api/v1/departments?site=st-mary", |answer| {
            answer["catching_up"] == false
        })
        .await;
    assert_eq!(answer["complete_to"], "2026-03-01T11:59:58Z", "{answer}");
    aggregator.stop().await;
}

/// Before, a moment beyond the history was answered like an empty hospital.
#[tokio::test(flavor = "multi_thread")]
async fn p10_a_moment_that_is_not_kept_any_more_is_gone() {
    let (site, data) = (LogDir::site().await, tempfile::tempdir().unwrap());
    site.say(&story()).await;
    let mut setup = Setup::at(&ManualClock::at(NOON));
    setup.history = Some("1d");
    let aggregator = Aggregator::local(data.path(), &site, &setup).await;
    for path in [
        "departments?at=2026-02-28T11:59:59Z",
        "beds?at=2026-02-28T11:59:59Z",
        "beds?known=2026-02-28T11:59:59Z",
        "explain/bed/ICU%5E1%5E1?at=2026-02-28T11:59:59Z",
    ] {
        let (status, body) = aggregator.get(&format!("/api/v1/{path}")).await;
        assert_eq!(status, 410, "{path}: {body}");
        let error: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["error"]["history_from"], "2026-02-28T12:00:00Z");
    }
    aggregator
        .json("/api/v1/beds?at=2026-02-28T12:00:00Z")
        .await;
    aggregator.stop().await;
}
