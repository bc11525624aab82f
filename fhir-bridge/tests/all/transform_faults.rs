//! The loop on a log that fails: errors that pass are waited out, others end the run, and whatever happened, what was
//! written twice is the same bytes and is counted once (FR31, FR34).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::transform_support::site_log::*;
use crate::transform_support::*;
use wardline_bridge::limits::STOP_WAIT_MS;
use wardline_bridge::map::{MapEvent, map};
use wardline_log::{Record, SharedLog, TopicSpec};
use wardline_log_contract::{Fault, FaultyLog};
use wardline_model::Body;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, FHIR_ENCOUNTER, SIDELINE};

/// By the number of the append and what it would write.
type Choose = fn(usize, &[(String, Vec<Record>)]) -> Fault;

fn faulty(inner: &SharedLog, decide: Choose) -> SharedLog {
    Arc::new(FaultyLog::new(inner.clone()).deciding(Box::new(decide)))
}

async fn filled(dir: &std::path::Path) -> SharedLog {
    let log = open(dir, 1).await;
    for n in 0..5_u64 {
        let events = vec![Adt::new("A01").event(), Adt::new("A01").no_evn().event()];
        log.append(EDGE_FRAMES, vec![frame("gw-1", 2 * n + 1, events)])
            .await
            .unwrap();
    }
    log
}

/// By event id, the different records that stand in a topic.
async fn distinct(log: &SharedLog, topic: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in all(log, topic).await {
        let id = entry.record.header_str("event-id").unwrap().to_owned();
        let text = format!("{:?}", entry.record);
        found.entry(id).or_default().insert(text);
    }
    found
}

async fn same_bytes_only(log: &SharedLog) {
    for topic in [FHIR_ENCOUNTER, SIDELINE] {
        let found = distinct(log, topic).await;
        assert_eq!(found.len(), 5, "{topic}");
        assert!(found.values().all(|records| records.len() == 1), "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fr34_errors_that_pass_are_waited_out_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    let log = faulty(&inner, |call, _| match call {
        0..3 => Fault::Refused,
        _ => Fault::None,
    });
    let running = start(&Arc::new(context()), &log);
    let shown = running.until(|s| s.problem.is_some()).await;
    assert_eq!(shown.counts.received, 0);
    let status = running.until(|s| s.counts.received == 10).await;
    assert_eq!(status.problem, None);
    running.finish().await;
    same_bytes_only(&inner).await;
    assert_eq!(all(&inner, FHIR_ENCOUNTER).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn fr31_an_append_of_unknown_outcome_is_repeated_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    let log = faulty(&inner, |call, _| match call {
        0 | 2 => Fault::AnswerLost,
        _ => Fault::None,
    });
    let running = start_on(&Arc::new(context()), &log, false);
    let status = running.until(|s| s.counts.received == 10).await;
    running.finish().await;
    same_bytes_only(&inner).await;
    assert_eq!((status.counts.applied, status.counts.sidelined), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn fr31_a_crash_between_outputs_and_position_counts_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    // Outputs go through, the position (written once the input is idle) never does.
    let log = faulty(&inner, |_, batches| {
        match batches.iter().any(|(topic, _)| topic == BRIDGE_STATE) {
            true => Fault::Closed,
            false => Fault::None,
        }
    });
    let ctx = Arc::new(context());
    for _ in 0..2 {
        let running = start_on(&ctx, &log, false);
        let shown = running
            .until(|s| s.problem.is_some())
            .await
            .problem
            .unwrap();
        assert!(shown.contains("edge.frames/0"), "{shown}");
        running.finish().await;
    }
    assert!(all(&inner, BRIDGE_STATE).await.is_empty());
    let running = start_on(&ctx, &inner, false);
    let status = running.until(|s| s.counts.received == 10).await;
    running.finish().await;
    assert_eq!((status.records, status.counts.unaccounted()), (5, 0));
    assert!(all(&inner, FHIR_ENCOUNTER).await.len() >= 15);
    same_bytes_only(&inner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fr31_an_orderly_stop_leaves_nothing_to_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let log = filled(dir.path()).await;
    let ctx = Arc::new(context());
    for _ in 0..3 {
        let running = start_on(&ctx, &log, false);
        running.until(|s| s.counts.received == 10).await;
        running.finish().await;
        assert_eq!(all(&log, FHIR_ENCOUNTER).await.len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fr31_with_the_embedded_engine_outputs_and_position_are_one_append() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    let log = faulty(&inner, |_, batches| {
        let has = |name: &str| batches.iter().any(|(topic, _)| topic == name);
        match has(BRIDGE_STATE) && has(FHIR_ENCOUNTER) && has(SIDELINE) {
            true => Fault::None,
            false => Fault::Closed,
        }
    });
    let running = start(&Arc::new(context()), &log);
    running.until(|s| s.counts.received == 10).await;
    running.finish().await;
    assert_eq!(all(&inner, FHIR_ENCOUNTER).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn fr34_a_transform_that_waits_for_its_log_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    let log = faulty(&inner, |_, _| Fault::Refused);
    let running = start(&Arc::new(context()), &log);
    running.until(|s| s.problem.is_some()).await;
    running.stop.stop();
    let ended = tokio::time::timeout(Duration::from_secs(10), running.task).await;
    ended.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fr33_what_retention_took_is_counted_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let log = filled(dir.path()).await;
    let ctx = Arc::new(context());
    let running = start(&ctx, &log);
    running.until(|s| s.counts.received == 10).await;
    running.finish().await;
    for n in 5..10_u64 {
        log.append(
            EDGE_FRAMES,
            vec![frame("gw-1", 2 * n + 1, vec![Adt::new("A02").event()])],
        )
        .await
        .unwrap();
    }
    let keep_nothing = TopicSpec {
        name: EDGE_FRAMES.to_owned(),
        partitions: 1,
        cleanup: wardline_log::Cleanup::Delete {
            retention_bytes: Some(1),
            retention_ms: None,
        },
    };
    log.create_topics(&[keep_nothing]).await.unwrap();
    log.close().await.unwrap();
    let embedded = wardline_log::embedded::EmbeddedLog::open(
        dir.path(),
        wardline_service::SystemClock::shared(),
    )
    .unwrap();
    embedded.maintain().await.unwrap();
    let log: SharedLog = embedded;
    let start_offset = log.offsets(EDGE_FRAMES).await.unwrap()[0].start;
    assert!(start_offset > 5, "retention kept everything");
    let running = start(&ctx, &log);
    let status = running
        .until(|s| s.lost_records > 0 && s.lag_records == 0)
        .await;
    running.finish().await;
    assert_eq!(status.lost_records, start_offset - 5);
    assert_eq!(status.counts.received, 10 + (10 - start_offset));
}

#[tokio::test(flavor = "multi_thread")]
async fn fr34_a_log_that_does_not_answer_is_shown_and_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    let log = faulty(&inner, |_, _| Fault::Silence);
    let running = start(&Arc::new(context()), &log);
    let shown = running
        .until(|s| s.problem.is_some())
        .await
        .problem
        .unwrap();
    assert!(shown.contains("does not answer"), "{shown}");
    running.stop.stop();
    let limit = Duration::from_millis(STOP_WAIT_MS) + Duration::from_secs(5);
    let ended = tokio::time::timeout(limit, running.task).await;
    assert!(ended.is_ok(), "the end is held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn fr34_a_transform_that_fails_is_shown_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let inner = filled(dir.path()).await;
    let log = faulty(&inner, |call, _| match call {
        0..2 => Fault::Closed,
        _ => Fault::None,
    });
    let running = start(&Arc::new(context()), &log);
    let shown = running.until(|s| s.problem.is_some()).await;
    assert_eq!(shown.counts.received, 0);
    let status = running.until(|s| s.counts.received == 10).await;
    assert_eq!((status.problem, status.counts.unaccounted()), (None, 0));
    running.finish().await;
    same_bytes_only(&inner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_an_event_on_which_the_mapping_breaks_is_set_aside_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let log = filled(dir.path()).await;
    // The fault is in the program, so no input makes it: a mapping that breaks on A01.
    let broken: MapEvent = |event, id, ctx| match &event.body {
        Body::Hl7 { raw, .. } if raw.windows(7).any(|part| part == b"ADT^A01") => {
            assert!(id.seq != 3, "words of the panic");
            map(event, id, ctx)
        }
        _ => map(event, id, ctx),
    };
    let running = start_with(&Arc::new(context()), &log, true, broken);
    let status = running.until(|s| s.counts.received == 10).await;
    running.finish().await;
    assert_eq!((status.counts.applied, status.counts.sidelined), (4, 6));
    assert_eq!((status.internal, status.counts.unaccounted()), (1, 0));
    let sidelined = all(&log, SIDELINE).await;
    let of_fault: Vec<_> = sidelined
        .iter()
        .filter(|e| e.record.header_str("cause") == Some("internal"))
        .collect();
    assert_eq!(of_fault.len(), 1);
    assert_eq!(
        of_fault[0].record.header_str("event-id"),
        Some("gw-1/00000000000000ab/3")
    );
    let detail = of_fault[0].record.header_str("detail").unwrap();
    assert!(!detail.contains("words of the panic"), "{detail}");
}
