//! The loop around the mapping, on the embedded engine: nothing lost, nothing twice, nothing held up.

use std::sync::Arc;
use std::time::Duration;

use crate::transform_support::site_log::*;
use crate::transform_support::*;
use wardline_bridge::files;
use wardline_bridge::map::{SiteContext, map};
use wardline_log::{Record, SharedLog};
use wardline_model::topic::{
    BRIDGE_STATE, EDGE_FRAMES, FHIR_DEVICE, FHIR_ENCOUNTER, FHIR_LOCATION, RETRY, SIDELINE,
};
use wardline_model::{Event, LossRecord, record as names};

fn shared(ctx: SiteContext) -> Arc<SiteContext> {
    Arc::new(ctx)
}

fn state(n: u64) -> Event {
    let payload = format!(
        "{{\"ts\":{},\"value\":\"ready\",\"seq\":{n}}}",
        1_772_355_600_000 + n
    );
    mqtt(&format!("devices/ICU/pump-{}/state", n % 5), &payload)
}

/// Ten kinds of broken input, each with its cause and place.
fn broken() -> Vec<(Event, &'static str, &'static str)> {
    let adt = |trigger| Adt::new(trigger);
    let text = adt("A01").text();
    let device = |payload: &str| mqtt("devices/ICU/pump-1/state", payload);
    vec![
        (adt("A01").no_evn().event(), "hl7-no-evn", "EVN"),
        (adt("A02").pv1(19, "").event(), "hl7-no-visit", "PV1-19"),
        (
            hl7(&text.replace("|^~\\&|", "|^^\\&|")),
            "hl7-delimiters",
            "MSH-2",
        ),
        (
            adt("A01").pv1(3, &"x".repeat(81)).event(),
            "hl7-location-too-long",
            "PV1-3",
        ),
        (hl7(&text.replace("2026", "x")), "hl7-no-time", "EVN-2"),
        (adt("A99").event(), "hl7-unknown-event", "MSH-9.2"),
        (
            hl7_bytes(vec![0, 255, 13, 10], RECEIVED),
            "hl7-no-header",
            "MSH",
        ),
        (device("{\"ts\":"), "json-syntax", "$"),
        (device("{\"value\":\"off\"}"), "json-ts", "$.ts"),
        (
            device("{\"ts\":1772355600000,\"value\":7}"),
            "json-value",
            "$.value",
        ),
        (
            mqtt(
                "devices/ICU/p/location",
                "{\"ts\":1772355600000,\"value\":\"nowhere\"}",
            ),
            "json-value",
            "$.value",
        ),
        (
            mqtt(
                "devices/ICU/p/battery",
                "{\"ts\":1772355600000,\"value\":101}",
            ),
            "json-range",
            "$.value",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_bad_input_is_sidelined_once_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let mut events = Vec::new();
    for (n, (bad, _, _)) in (0..).zip(broken()) {
        events.extend([state(n), bad, Adt::new("A08").event()]);
    }
    let bad = broken().len();
    let total = events.len() as u64;
    log.append(EDGE_FRAMES, vec![frame("gw-1", 1, events.clone())])
        .await
        .unwrap();
    let running = start(&shared(context()), &log);
    let status = running.until(|s| s.counts.received == total).await;
    running.finish().await;
    assert_eq!(status.counts.sidelined, bad as u64);
    assert_eq!(status.counts.applied, total - bad as u64);
    assert_eq!(status.counts.unaccounted(), 0);
    assert_eq!(ids(&log, FHIR_DEVICE).await.len(), bad);
    assert_eq!(ids(&log, FHIR_ENCOUNTER).await.len(), bad);
    let sideline = all(&log, SIDELINE).await;
    assert_eq!(sideline.len(), bad);
    for (entry, (n, (event, cause, place))) in sideline.iter().zip((0..).zip(broken())) {
        let head = |name| entry.record.header_str(name).unwrap();
        assert_eq!((head("cause"), head("where")), (cause, place));
        assert_eq!(head(names::EVENT_ID), id(3 * n + 2).to_string());
        let raw = match event.body {
            wardline_model::Body::Hl7 { raw, .. } => raw,
            wardline_model::Body::Mqtt { payload, .. } => payload,
            wardline_model::Body::Loss(_) => unreachable!(),
        };
        assert_eq!(entry.record.value.as_ref(), Some(&raw), "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fr2_the_log_holds_exactly_what_the_mapping_gives() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let events = vec![Adt::new("A01").event(), state(1), a20("NPU|ICU^1^2|H")];
    let source = frame("gw-1", 7, events);
    log.append(EDGE_FRAMES, vec![source.clone()]).await.unwrap();
    let running = start(&shared(context()), &log);
    running.until(|s| s.records == 3).await;
    running.finish().await;
    let expected = logged(record(&Adt::new("A01").event()), source.time_ms);
    assert_eq!(all(&log, FHIR_ENCOUNTER).await[0].record, expected);
    assert_eq!(
        all(&log, FHIR_LOCATION).await[0].record.time_ms,
        source.time_ms
    );
}

async fn fill(log: &SharedLog, frames: u64, size: u64) -> u64 {
    for n in 0..frames {
        let first = n * size + 1;
        let events = (first..first + size)
            .map(|seq| match seq % 7 {
                0 => Adt::new("A01").no_evn().event(),
                1 => Adt::new("A31").event(),
                2 => Adt::new("A17")
                    .and("PID|1||9\rPV1||I|ICU^9^9||||||||||||||||V2")
                    .event(),
                3 => a20("NPU|ICU^1^2|U"),
                _ => state(seq),
            })
            .collect();
        log.append(EDGE_FRAMES, vec![frame("gw-1", first, events)])
            .await
            .unwrap();
    }
    frames * size
}

/// P3 over the transform: each event's outcome stands in the log exactly once.
async fn exactly_once(log: &SharedLog, total: u64) {
    let device = ids(log, FHIR_DEVICE).await;
    let encounter = ids(log, FHIR_ENCOUNTER).await;
    let location = ids(log, FHIR_LOCATION).await;
    let sideline = ids(log, SIDELINE).await;
    for topic in [&device, &encounter, &location, &sideline] {
        assert!(topic.values().all(|times| *times == 1), "{topic:?}");
    }
    for seq in 1..=total {
        let name = id(seq).to_string();
        let halves = [format!("{name}.1"), format!("{name}.2")];
        let found = (
            sideline.contains_key(&name),
            halves
                .iter()
                .filter(|half| encounter.contains_key(*half))
                .count(),
            location.contains_key(&name),
            device.contains_key(&name),
        );
        let expected = match seq % 7 {
            0 => (true, 0, false, false),
            1 => (false, 0, false, false),
            2 => (false, 2, false, false),
            3 => (false, 0, true, false),
            _ => (false, 0, false, true),
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fr31_a_restart_at_any_point_repeats_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = shared(context());
    let mut log = open(dir.path(), 1).await;
    let total = fill(&log, 200, 30).await;
    let mut seen = 0;
    let mut rounds = 0;
    loop {
        let running = start(&ctx, &log);
        // Cut off in the middle of whatever it does just then, a little later each time.
        let until = (seen + 1 + rounds * 300).min(total);
        let status = running.until(|s| s.counts.received >= until).await;
        assert_eq!(status.counts.unaccounted(), 0);
        seen = status.counts.received;
        running.task.abort();
        running.task.await.ok();
        log.close().await.unwrap();
        log = open(dir.path(), 1).await;
        rounds += 1;
        if seen == total {
            break;
        }
    }
    assert!(rounds >= 2, "{rounds}");
    let running = start(&ctx, &log);
    let status = running.until(|s| s.counts.received == total).await;
    running.finish().await;
    exactly_once(&log, total).await;
    let lines = async |topic| all(&log, topic).await.len() as u64;
    let records =
        lines(FHIR_DEVICE).await + lines(FHIR_ENCOUNTER).await + lines(FHIR_LOCATION).await;
    assert_eq!(status.records, records);
    assert_eq!(status.counts.sidelined, lines(SIDELINE).await);
    assert_eq!(
        status.filtered.get("moves-no-bed"),
        Some(&status.counts.filtered)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_one_frame_with_much_output_is_written_in_bounded_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = shared(context());
    let mut log = open(dir.path(), 1).await;
    let npu: String = (1..=60).map(|n| format!("NPU|ICU^1^{n}|U\r")).collect();
    let events: Vec<_> = (0..250).map(|_| a20(&npu)).collect();
    let total = events.len() as u64;
    log.append(EDGE_FRAMES, vec![frame("gw-1", 1, events)])
        .await
        .unwrap();
    let running = start(&ctx, &log);
    let first = running.until(|s| s.counts.received > 0).await;
    assert!(first.counts.received < total, "the frame went in one piece");
    running.task.abort();
    running.task.await.ok();
    log.close().await.unwrap();
    log = open(dir.path(), 1).await;
    let running = start(&ctx, &log);
    let status = running.until(|s| s.counts.received == total).await;
    running.finish().await;
    assert_eq!(status.records, total * 60);
    let found = ids(&log, FHIR_LOCATION).await;
    assert_eq!(found.len() as u64, total * 60);
    assert!(found.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn fr32_ledger_records_of_the_bridge_are_no_events() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let gap = Record {
        headers: vec![(names::KIND, names::KIND_LOSS)].into(),
        value: Some("{}".into()),
        ..Record::default()
    };
    let own = Event {
        body: wardline_model::Body::Loss(LossRecord::Refused {
            count: 1,
            since_ms: 0,
        }),
        ..state(1)
    };
    log.append(
        EDGE_FRAMES,
        vec![gap, frame("gw-1", 1, vec![own, state(2)])],
    )
    .await
    .unwrap();
    let running = start(&shared(context()), &log);
    let status = running.until(|s| s.records == 1).await;
    running.finish().await;
    let counts = status.counts;
    assert_eq!(
        (counts.received, counts.applied, counts.filtered),
        (2, 1, 1)
    );
    assert_eq!(status.filtered.get("loss"), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn fr24_a_frame_that_cannot_be_unpacked_is_sidelined_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let mut damaged = frame("gw-1", 1, vec![state(1), state(2), state(3)]);
    let mut bytes = damaged.value.take().unwrap().to_vec();
    bytes[60] ^= 1;
    damaged.value = Some(bytes.clone().into());
    log.append(EDGE_FRAMES, vec![damaged, frame("gw-1", 4, vec![state(4)])])
        .await
        .unwrap();
    let running = start(&shared(context()), &log);
    let status = running.until(|s| s.records == 1).await;
    running.finish().await;
    assert_eq!((status.counts.received, status.counts.sidelined), (4, 3));
    let sideline = all(&log, SIDELINE).await;
    assert_eq!(sideline.len(), 1);
    assert_eq!(sideline[0].record.value.as_deref(), Some(bytes.as_slice()));
    assert_eq!(
        sideline[0].record.header_str("cause"),
        Some("frame-unreadable")
    );
}

async fn replay_all(log: &SharedLog) -> usize {
    let records: Vec<Record> = all(log, SIDELINE)
        .await
        .into_iter()
        .map(|e| e.record)
        .collect();
    let count = records.len();
    log.append(RETRY, records).await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn fr23_a_replay_uses_todays_mapping() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let events = vec![
        a20("NPU|ICU^1^2|FREI"),
        mqtt(
            "devices/ICU/p/state",
            "{\"ts\":1772355600000,\"value\":\"busy\",\"type\":\"pump\"}",
        ),
        Adt::new("A01").no_evn().event(),
    ];
    log.append(EDGE_FRAMES, vec![frame("gw-1", 7, events)])
        .await
        .unwrap();
    let running = start(&shared(context()), &log);
    running.until(|s| s.counts.sidelined == 3).await;
    running.finish().await;
    // A person adds the two words that were missing.
    let own = tempfile::tempdir().unwrap();
    let hl7 =
        include_str!("../../mappings/hl7.toml").replace("U = \"U\"", "U = \"U\"\nFREI = \"U\"");
    let devices = include_str!("../../mappings/devices.toml")
        .replace("words = {", "words = { busy = \"in-use\",");
    std::fs::write(
        own.path().join("hl7.toml"),
        hl7.replace("version = 1", "version = 2"),
    )
    .unwrap();
    std::fs::write(own.path().join("devices.toml"), devices).unwrap();
    let mut ctx = context();
    ctx.mappings = files::mappings::load(own.path(), &["*.toml".to_owned()]).unwrap();
    let ctx = shared(ctx);
    assert_eq!(replay_all(&log).await, 3);
    let running = start(&ctx, &log);
    let status = running.until(|s| s.retried.received == 3).await;
    running.finish().await;
    assert_eq!((status.retried.applied, status.retried.sidelined), (2, 1));
    assert_eq!((status.counts.received, status.counts.sidelined), (3, 3));
    assert_eq!(status.records, 2);
    let location = all(&log, FHIR_LOCATION).await.pop().unwrap().record;
    assert_eq!(
        location.header_str("event-id"),
        Some("gw-1/00000000000000ab/7")
    );
    assert_eq!(location.header_str("mapping"), Some("hl7@2"));
    assert_eq!(location.header_str("retried"), Some("1"));
    // Apart from that remark it is what the first try would have given.
    let mut direct = match map(&a20("NPU|ICU^1^2|FREI"), &id(7), &ctx) {
        wardline_bridge::map::Mapped::Records(mut records) => {
            logged(records.pop().unwrap(), location.time_ms)
        }
        other => panic!("{other:?}"),
    };
    direct.headers.push("retried", "1");
    assert_eq!(location, direct);
    let again = all(&log, SIDELINE).await.pop().unwrap().record;
    assert_eq!(again.header_str("cause"), Some("hl7-no-evn"));
    assert_eq!(again.header_str("retried"), Some("1"));
    log.append(RETRY, vec![again]).await.unwrap();
    let running = start(&ctx, &log);
    running.until(|s| s.retried.received == 4).await;
    running.finish().await;
    let again = all(&log, SIDELINE).await.pop().unwrap().record;
    assert_eq!(again.header_str("retried"), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fr25_a_replay_without_its_headers_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let head = |name: &'static str, value: &str| (name, value.to_owned());
    let base = vec![
        head("event-id", "gw-1/00000000000000ab/7"),
        head("received", RECEIVED),
        head("kind", "hl7"),
    ];
    let mut records = vec![Record {
        value: Some("x".into()),
        ..Record::default()
    }];
    for n in 0..3 {
        let mut headers = base.clone();
        headers.remove(n);
        records.push(Record {
            value: Some("x".into()),
            headers: headers.into(),
            ..Record::default()
        });
    }
    records.push(Record {
        value: None,
        headers: base.clone().into(),
        ..Record::default()
    });
    let mut cut = base.clone();
    cut.push(head("cut-from", "900000"));
    let mut frame = base.clone();
    frame[2] = head("kind", "frame");
    let mut long = base.clone();
    long[2] = head("kind", "mqtt");
    long.push(head("mqtt-topic", &"x".repeat(300_000)));
    let mut huge = base.clone();
    huge[0] = head("event-id", &"x".repeat(300_000));
    for headers in [cut, frame, long, huge] {
        records.push(Record {
            value: Some("x".into()),
            headers: headers.into(),
            ..Record::default()
        });
    }
    let count = records.len() as u64;
    log.append(RETRY, records).await.unwrap();
    let running = start(&shared(context()), &log);
    let status = running.until(|s| s.retried.received == count).await;
    running.finish().await;
    assert_eq!(status.retried.sidelined, count);
    for entry in all(&log, SIDELINE).await {
        assert_eq!(entry.record.header_str("cause"), Some("retry-not-possible"));
        assert_eq!(entry.record.header_str("retried"), Some("1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fr30_every_partition_has_its_own_position() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 3).await;
    let agents = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5", "gw-6"];
    for agent in agents {
        log.append(
            EDGE_FRAMES,
            vec![frame(agent, 1, (1..=10).map(state).collect())],
        )
        .await
        .unwrap();
    }
    let ctx = shared(context());
    for _ in 0..2 {
        let running = start(&ctx, &log);
        let status = running
            .until(|s| s.records == 60 && s.lag_records == 0)
            .await;
        assert_eq!(status.counts.received, 60);
        running.finish().await;
    }
    assert_eq!(ids(&log, FHIR_DEVICE).await.len(), 60);
    let keys: std::collections::BTreeSet<_> = all(&log, BRIDGE_STATE)
        .await
        .into_iter()
        .map(|entry| String::from_utf8(entry.record.key.unwrap().to_vec()).unwrap())
        .collect();
    assert!(
        keys.len() >= 2 && keys.iter().all(|key| key.starts_with("transform/")),
        "{keys:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fr33_a_log_that_was_replaced_is_read_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let position = Record {
        key: Some("transform/0".into()),
        value: Some("{\"read\":{\"next\":99},\"skip\":0,\"counts\":{\"received\":99,\"applied\":99,\"late\":0,\"duplicate\":0,\"sidelined\":0,\"evicted\":0,\"filtered\":0,\"in_flight\":0},\"records\":99}".into()),
        ..Record::default()
    };
    log.append(BRIDGE_STATE, vec![position]).await.unwrap();
    log.append(EDGE_FRAMES, vec![frame("gw-1", 1, vec![state(1)])])
        .await
        .unwrap();
    let running = start(&shared(context()), &log);
    let status = running.until(|s| s.records == 100).await;
    assert_eq!(status.lag_records, 0);
    running.finish().await;
    assert_eq!(ids(&log, FHIR_DEVICE).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fr33_a_replaced_log_that_has_grown_past_the_position_is_read_from_its_beginning() {
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ctx = shared(context());
    let log = open(before.path(), 1).await;
    log.append(EDGE_FRAMES, vec![frame("gw-1", 1, vec![state(1)])])
        .await
        .unwrap();
    let running = start(&ctx, &log);
    running.until(|s| s.records == 1).await;
    running.finish().await;
    let position = all(&log, BRIDGE_STATE).await.pop().unwrap().record;

    let log = open(after.path(), 1).await;
    log.append(BRIDGE_STATE, vec![position]).await.unwrap();
    let other = (1..=3).map(|n| frame("gw-2", n, vec![state(n)])).collect();
    log.append(EDGE_FRAMES, other).await.unwrap();
    let running = start(&ctx, &log);
    running.until(|s| s.records > 1 && s.lag_records == 0).await;
    running.finish().await;
    assert_eq!(ids(&log, FHIR_DEVICE).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_an_idle_transform_takes_no_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).await;
    let running = start(&shared(context()), &log);
    running.until(|s| s.lag_records == 0).await;
    running.stop.stop();
    let ended = tokio::time::timeout(Duration::from_secs(10), running.task).await;
    ended.unwrap().unwrap();
}
