//! Reading records from a log: as many as are asked for, each like a `fhir.*` record (about 1 kB of JSON, 14 headers), from
//! one partition and from the start, with each engine.

use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use serde_json::json;
use wardline_log::{Cleanup, Record, SharedLog, Target, TopicSpec};
use wardline_log_contract::kafka_server::KafkaServer;

use super::Options;
use super::proc::cpu_s;
use super::report::say;

const TOPIC: &str = "fhir.encounter";
const APPEND_RECORDS: u64 = 2_000;
const READ_RECORDS: usize = 1_000;
const READ_WAIT_S: u64 = 30;

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let target = Target::Embedded {
        dir: dir.path().join("log"),
    };
    measure(&target, "embedded", options).await?;
    let kafka = tokio::task::spawn_blocking(KafkaServer::start).await?;
    let Some(kafka) = kafka.map_err(|error| anyhow::anyhow!("{error}"))? else {
        return Ok(());
    };
    let target = Target::Kafka {
        brokers: kafka.brokers().to_owned(),
        prefix: "wardline.".to_owned(),
    };
    measure(&target, "kafka", options).await
}

async fn measure(target: &Target, engine: &str, options: &Options) -> anyhow::Result<()> {
    let log = wardline_log::open(target, wardline_service::SystemClock::shared()).await?;
    fill(&log, options.events).await?;
    for turn in 1..=options.turns {
        let (begun, cpu) = (Instant::now(), cpu_s(std::process::id())?);
        read(&log, options.events).await?;
        let wall_s = begun.elapsed().as_secs_f64();
        let cpu_s = cpu_s(std::process::id())? - cpu;
        let more = json!({"turn": turn, "log": engine, "n": options.events, "wall_s": wall_s, "cpu_s": cpu_s});
        let records = options.events as f64;
        say("log-read", "wall", records / wall_s, "records/s", &more);
        say(
            "log-read",
            "per core",
            records / cpu_s,
            "records/s/core",
            &more,
        );
    }
    log.close().await?;
    Ok(())
}

async fn fill(log: &SharedLog, records: u64) -> anyhow::Result<()> {
    let spec = TopicSpec {
        name: TOPIC.to_owned(),
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention_bytes: None,
            retention_ms: None,
        },
    };
    log.create_topics(&[spec]).await?;
    let mut n = 0;
    while n < records {
        let upto = records.min(n + APPEND_RECORDS);
        log.append(TOPIC, (n..upto).map(record).collect()).await?;
        n = upto;
    }
    Ok(())
}

async fn read(log: &SharedLog, records: u64) -> anyhow::Result<()> {
    let mut reader = log.reader(TOPIC, 0, 0).await?;
    let (mut seen, mut bytes) = (0, 0);
    while seen < records {
        let entries = reader
            .next(READ_RECORDS, Duration::from_secs(READ_WAIT_S))
            .await?;
        ensure!(!entries.is_empty(), "nothing came at {seen} of {records}");
        seen += entries.len() as u64;
        for entry in &entries {
            let value = entry.record.value.as_deref().unwrap_or_default();
            let id = entry.record.header("event-id").unwrap_or_default();
            bytes += value.len() + id.len();
        }
    }
    ensure!(bytes as u64 > records * 900, "the records are too small");
    Ok(())
}

/// Like what the transform writes: the numbers differ from record to record, the rest repeats.
fn record(n: u64) -> Record {
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let patient = format!("{scattered:016x}");
    let resource = json!({
        "resourceType": "Encounter",
        "id": format!("enc-{patient}"),
        "meta": {"source": "urn:wardline:st-mary", "versionId": n.to_string(), "profile": ["http://hl7.org/fhir/StructureDefinition/Encounter"]},
        "identifier": [{"system": "urn:wardline:visit", "value": patient, "use": "official", "assigner": {"display": "ADT1"}}],
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP", "display": "inpatient encounter"},
        "subject": {"identifier": {"system": "urn:wardline:patient", "value": format!("{:016x}", scattered.rotate_left(17))}},
        "period": {"start": format!("2026-03-01T{:02}:{:02}:{:02}+01:00", n / 3600 % 24, n / 60 % 60, n % 60)},
        "location": [{"location": {"identifier": {"system": "urn:wardline:location", "value": format!("WARD-{}^{}^{}", n % 17, n % 23, n % 4)}, "display": "bed"}, "status": "active",
            "physicalType": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/location-physical-type", "code": "bd", "display": "Bed"}]}}],
        "serviceProvider": {"identifier": {"system": "urn:wardline:site", "value": "st-mary"}},
    });
    let headers = [
        ("event-id", format!("gw-1/00000000000000ab/{n}")),
        ("event-time", "2026-03-01T10:00:00+01:00".to_owned()),
        ("event-time-from", "EVN-2".to_owned()),
        ("event-time-precision-ms", "1000".to_owned()),
        ("recorded", "2026-03-01T10:00:01+01:00".to_owned()),
        ("received", "2026-03-01T09:00:02Z".to_owned()),
        ("event-type", "ADT^A01".to_owned()),
        ("mapping", "hl7@1".to_owned()),
        ("site", "st-mary".to_owned()),
        ("fhir-version", "4.0.1".to_owned()),
        ("traceparent", format!("00-{scattered:032x}-{n:016x}-01")),
        ("message-key", format!("{:032x}", scattered.rotate_left(29))),
        ("control-id", n.to_string()),
        (
            "message-hash",
            format!("{:032x}", scattered.rotate_left(41)),
        ),
    ];
    Record {
        key: Some(Bytes::from(patient)),
        value: Some(Bytes::from(resource.to_string())),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Bytes::from(value)))
            .collect(),
        time_ms: 1_772_355_606_000,
    }
}
