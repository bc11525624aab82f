//! Broken HL7 and JSON among good ones, over real sockets: the good ones arrive, and each bad one is set aside once, with
//! the right cause and place, and blocks nothing (P8).
//!
//! Each kind of damage is a row with the cause that it must be given; a new cause in the specs needs a row here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use wardline_api::BedStatus;
use wardline_api::{Accounting, Beds, Devices, Sideline};
use wardline_demo::client::{AdtBuilder, MllpClient, MqttClient};
use wardline_model::time::rfc3339;

use crate::check::{Frames, get, settled};
use crate::scenario::finish::{Outcome, same_digest, shuffle_in_place};
use crate::target::{Layout, Site};

/// Of each broken kind.
const COPIES: usize = 2;
/// Good messages of each protocol: one bed or device each.
const GOOD: usize = 16;

enum Input {
    Hl7 { raw: Vec<u8>, answer: &'static str },
    Json { topic: String, payload: Vec<u8> },
}

impl Input {
    fn bytes(&self) -> usize {
        match self {
            Self::Hl7 { raw, .. } => raw.len(),
            Self::Json { payload, .. } => payload.len(),
        }
    }
}

/// Where and why an input is set aside; `None` for a good one.
type Expected = Option<(&'static str, &'static str)>;

pub async fn broken_input(seed: u64) -> anyhow::Result<Outcome> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut site = Site::start(Layout::Together, &[]).await?;
    let mut inputs = good();
    inputs.extend((0..COPIES).flat_map(broken));
    shuffle_in_place(&mut inputs, &mut rng);
    send(&site, &inputs).await?;
    let api = site.api().context("no API")?;
    let accounting = settled(&api).await?;
    good_ones_arrived(&api).await?;
    let (faults, read) = bad_ones_set_aside(&api, &inputs, &accounting).await?;
    site.stop().await?;
    let log = site.site_log().await?;
    let frames = Frames::read(&log).await?;
    log.close().await?;
    let in_log = frames.events - frames.own;
    ensure!(
        in_log == inputs.len() as u64,
        "P1: {} were taken, the log has {in_log}",
        inputs.len()
    );
    ensure!(
        read == frames.events,
        "P4: the log has {} events, the transform counts {read}",
        frames.events
    );
    let digest = Some(same_digest(&site).await.context("P5")?);
    Ok(Outcome {
        scenario: "broken-input".to_owned(),
        seed,
        rounds: 1,
        faults,
        acked: inputs.len(),
        in_log,
        gaps: 0,
        unaccounted: accounting.unaccounted,
        digest,
    })
}

fn good() -> Vec<(Input, Expected)> {
    let mut out = Vec::new();
    for n in 1..=GOOD {
        let raw = admission(&format!("good-{n}"), &format!("ICU^{n}^1")).build();
        out.push((Input::Hl7 { raw, answer: "CA" }, None));
        out.push((
            json(&format!("good-{n}"), "state", &reading("\"in-use\"", "")),
            None,
        ));
    }
    out
}

fn admission(id: &str, bed: &str) -> AdtBuilder {
    let now = crate::load::wall_ms() - 60_000;
    AdtBuilder::new("A01", id)
        .visit(format!("V-{id}"))
        .evn2(now)
        .sent(now)
        .class("I")
        .bed(bed)
}

fn json(device: &str, metric: &str, payload: &str) -> Input {
    Input::Json {
        topic: format!("devices/ICU/{device}/{metric}"),
        payload: payload.as_bytes().to_vec(),
    }
}

fn reading(value: &str, more: &str) -> String {
    let now = rfc3339(crate::load::wall_ms());
    format!("{{\"ts\":\"{now}\",\"value\":{value}{more}}}")
}

/// One of each kind, with what docs/specs/hl7-mapping.md and json-mapping.md say about it.
fn broken(copy: usize) -> Vec<(Input, Expected)> {
    let mut out = broken_hl7(copy);
    out.extend(broken_json(copy));
    out
}

fn broken_hl7(copy: usize) -> Vec<(Input, Expected)> {
    let id = |kind: &str| format!("bad-{kind}-{copy}");
    let bed = "WARD-A^1^1";
    let text = |builder: AdtBuilder| String::from_utf8_lossy(&builder.build()).into_owned();
    let without = |message: String, segment: &str| -> String {
        message
            .split_inclusive('\r')
            .filter(|line| !line.starts_with(segment))
            .collect()
    };
    let now = crate::load::wall_ms();
    let timeless = AdtBuilder::new("A01", id("time"))
        .visit("V-t")
        .evn2("soon")
        .sent("later")
        .class("I")
        .bed(bed);
    let visitless = AdtBuilder::new("A01", id("visit"))
        .evn2(now)
        .sent(now)
        .class("I")
        .bed(bed);
    let rename = AdtBuilder::new("A44", id("event"))
        .visit("V-e")
        .evn2(now)
        .sent(now)
        .class("I")
        .bed(bed);
    let bed_status = AdtBuilder::new("A20", id("npu"))
        .evn2(now)
        .sent(now)
        .bed_status(bed, "?!");
    let headless = without(text(admission(&id("head"), bed)), "MSH");
    let charset = text(admission(&id("set"), bed)).replacen("UNICODE UTF-8", "ISO IR87", 1);
    let hl7 = |text: String, answer, cause, place| {
        (
            Input::Hl7 {
                raw: text.into_bytes(),
                answer,
            },
            Some((cause, place)),
        )
    };
    vec![
        hl7(text(rename), "CA", "hl7-unknown-event", "MSH-9.2"),
        hl7(
            without(text(admission(&id("evn"), bed)), "EVN"),
            "CA",
            "hl7-no-evn",
            "EVN",
        ),
        hl7(text(visitless), "CA", "hl7-no-visit", "PV1-19"),
        hl7(text(timeless), "CA", "hl7-no-time", "EVN-2"),
        hl7(
            text(admission(&id("long"), &"W".repeat(100))),
            "CA",
            "hl7-location-too-long",
            "PV1-3",
        ),
        hl7(text(bed_status), "CA", "hl7-bed-status", "NPU-2"),
        hl7(headless, "AE", "hl7-no-header", "MSH"),
        hl7(charset, "CE", "hl7-charset", "MSH-18"),
    ]
}

fn broken_json(copy: usize) -> Vec<(Input, Expected)> {
    let device = format!("bad-{copy}");
    let whole = reading("72", "");
    let cut: String = whole.chars().take(whole.len() / 2).collect();
    let case = |metric: &str, payload: &str, cause, place| {
        (json(&device, metric, payload), Some((cause, place)))
    };
    vec![
        case("heart_rate", &cut, "json-syntax", "$"),
        case("heart_rate", "[1,2,3]", "json-shape", "$"),
        case("heart_rate", "{\"value\":72}", "json-ts", "$.ts"),
        case("heart_rate", &reading("9000", ""), "json-range", "$.value"),
        case(
            "heart_rate",
            &reading("72", ",\"unit\":\"furlong\""),
            "json-unit",
            "$.unit",
        ),
        case("state", &reading("\"asleep\"", ""), "json-value", "$.value"),
        case(
            "location",
            &reading("\"somewhere\"", ""),
            "json-value",
            "$.value",
        ),
    ]
}

async fn send(site: &Site, inputs: &[(Input, Expected)]) -> anyhow::Result<()> {
    let mut mllp = MllpClient::connect(site.mllp().context("no MLLP listener")?).await?;
    let mut mqtt = MqttClient::connect(site.mqtt().context("no MQTT listener")?, "broken").await?;
    for (input, _) in inputs {
        match input {
            Input::Hl7 { raw, answer } => {
                let framed = [b"\x0b".as_slice(), raw, b"\x1c\r"].concat();
                mllp.send_raw(&framed).await?;
                let ack = mllp.read_raw().await?;
                let ack = String::from_utf8_lossy(&ack);
                ensure!(
                    ack.contains(&format!("MSA|{answer}")),
                    "P1: expected {answer}, the agent answered {ack:?}"
                );
            }
            Input::Json { topic, payload } => {
                mqtt.publish_acked(topic, payload).await?;
            }
        }
    }
    mqtt.disconnect().await;
    Ok(())
}

async fn good_ones_arrived(api: &str) -> anyhow::Result<()> {
    let beds: Beds = get(api, "/api/v1/beds?department=ICU").await?;
    let occupied: BTreeSet<String> = beds
        .beds
        .into_iter()
        .filter(|row| row.status == BedStatus::Occupied)
        .map(|row| row.bed)
        .collect();
    let devices: Devices = get(api, "/api/v1/devices").await?;
    let devices: BTreeSet<String> = devices.devices.into_iter().map(|row| row.device).collect();
    for n in 1..=GOOD {
        let (bed, device) = (format!("ICU^{n}^1"), format!("good-{n}"));
        ensure!(
            occupied.contains(&bed),
            "P8: {bed} is not occupied although its admission was good"
        );
        ensure!(
            devices.contains(&device),
            "P8: device {device} is not shown although its state was good"
        );
    }
    ensure!(
        occupied.len() == GOOD,
        "more beds are occupied than were admitted to: {occupied:?}"
    );
    ensure!(
        !devices.iter().any(|name| name.starts_with("bad-")),
        "a bad reading is shown: {devices:?}"
    );
    Ok(())
}

type Aside = BTreeMap<(String, String, u64), u32>;

async fn bad_ones_set_aside(
    api: &str,
    inputs: &[(Input, Expected)],
    accounting: &Accounting,
) -> anyhow::Result<(BTreeMap<String, u32>, u64)> {
    let (mut expected, mut found, mut causes) = (Aside::new(), Aside::new(), BTreeMap::new());
    for (input, why) in inputs {
        if let Some((cause, place)) = why {
            let key = (
                (*cause).to_owned(),
                (*place).to_owned(),
                input.bytes() as u64,
            );
            *expected.entry(key).or_default() += 1;
            *causes.entry((*cause).to_owned()).or_default() += 1;
        }
    }
    let sideline: Sideline = get(api, "/api/v1/sideline?limit=500").await?;
    let count = sideline.items.len() as u64;
    let ids: BTreeSet<&String> = sideline.items.iter().map(|item| &item.event_id).collect();
    ensure!(
        ids.len() as u64 == count,
        "P8: an event is in the sideline twice"
    );
    for item in &sideline.items {
        ensure!(
            !item.rule.is_empty() && !item.mapping.is_empty(),
            "P8: {} names no rule or mapping",
            item.event_id
        );
        *found
            .entry((item.cause.clone(), item.place.clone(), item.bytes))
            .or_default() += 1;
    }
    if expected != found {
        bail!("P8: set aside (cause, where, bytes) should be {expected:?}, is {found:?}");
    }
    ensure!(
        accounting.unaccounted == 0,
        "P4: unaccounted: {}",
        serde_json::to_string(accounting)?
    );
    let transform = accounting
        .stages
        .iter()
        .find(|stage| stage.stage == "transform")
        .context("no transform stage")?;
    ensure!(
        transform.sidelined == count,
        "P4: {} counted as sidelined, {count} are there",
        transform.sidelined
    );
    Ok((causes, transform.received))
}
