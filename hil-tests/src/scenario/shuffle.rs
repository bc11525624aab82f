//! One day of the simulated hospital, told twice: in order to one site; shuffled, doubled and late to another. What is known
//! about the end of the day must be the same (P6).
//!
//! Two whole sites run, each with a log and a store of its own, because sharing either would hide what order does to it.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use wardline_demo::client::MllpClient;
use wardline_demo::{Hospital, HospitalConfig, Message};
use wardline_model::time::rfc3339;

use crate::check::{get, settled};
use crate::scenario::finish::{Outcome, same_digest, shuffle_in_place};
use crate::target::{Layout, Site};

const DAY_MS: i64 = 24 * 3_600_000;
const STEP_MS: i64 = 60_000;
/// How much faster than real patients these come and go: a day of a busy house.
const SPEED: f64 = 2.0;
/// Fields that rest on when and under which number something arrived, and how far an answer reaches; not on what happened.
const ARRIVAL_FIELDS: [&str; 6] = [
    "as_of",
    "coverage",
    "version",
    "catching_up",
    "complete_to",
    "lag_s",
];

pub async fn shuffle(seed: u64) -> anyhow::Result<Outcome> {
    let mut rng = StdRng::seed_from_u64(seed);
    let end = crate::load::wall_ms() / STEP_MS * STEP_MS - 2 * 3_600_000;
    let config = HospitalConfig {
        seed,
        devices: 0,
        speed: SPEED,
        ..HospitalConfig::default()
    };
    let mut hospital = Hospital::new(config);
    let day = day(&mut hospital, end);
    ensure!(
        day.len() > 200,
        "the simulated day has only {} messages",
        day.len()
    );
    let beds = hospital.beds_csv();
    let at = rfc3339(end);

    let parts = disturb(&day, &mut rng);
    let told = parts.iter().map(Vec::len).sum::<usize>();
    let (in_order, disturbed) = tokio::try_join!(
        tell(&beds, std::slice::from_ref(&day), &at),
        tell(&beds, &parts, &at)
    )?;
    for (path, expected) in &in_order.answers {
        let got = disturbed.answers.get(path).context("no answer")?;
        if let Some(where_) = difference(expected, got) {
            anyhow::bail!("P6: {path} differs after shuffling (seed {seed}): {where_}");
        }
    }
    let faults = BTreeMap::from([
        ("shuffled".to_owned(), u32::try_from(day.len())?),
        ("doubled".to_owned(), u32::try_from(told - day.len())?),
        (
            "late".to_owned(),
            u32::try_from(parts.last().map_or(0, Vec::len))?,
        ),
    ]);
    Ok(Outcome {
        scenario: "shuffle".to_owned(),
        seed,
        rounds: 1,
        faults,
        acked: told,
        in_log: told as u64,
        gaps: 0,
        unaccounted: 0,
        digest: Some(disturbed.digest),
    })
}

fn day(hospital: &mut Hospital, end: i64) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut now = end - DAY_MS;
    while now < end {
        let said = hospital.step(now);
        // A step says a bounded number of messages; the rest is due already.
        let more = !said.is_empty() && hospital.next_due_ms().is_some_and(|due| due <= now);
        out.extend(said.into_iter().filter_map(|message| match message {
            Message::Hl7(raw) => Some(raw),
            Message::Mqtt { .. } => None,
        }));
        now += if more { 0 } else { STEP_MS };
    }
    out
}

/// Shuffled, every tenth doubled, and every twentieth told after all others have been counted.
fn disturb(day: &[Vec<u8>], rng: &mut StdRng) -> Vec<Vec<Vec<u8>>> {
    let (mut first, mut late) = (Vec::new(), Vec::new());
    for message in day {
        let doubled = rng.random_range(0..10) == 0;
        let delayed = rng.random_range(0..20) == 0;
        let part = if delayed { &mut late } else { &mut first };
        part.push(message.clone());
        if doubled {
            first.push(message.clone());
        }
    }
    shuffle_in_place(&mut first, rng);
    shuffle_in_place(&mut late, rng);
    vec![first, late]
}

struct Told {
    answers: BTreeMap<String, Value>,
    digest: String,
}

/// A site of its own that is told these messages, part after part.
async fn tell(beds: &str, parts: &[Vec<Vec<u8>>], at: &str) -> anyhow::Result<Told> {
    let mut site = Site::start_with_beds(Layout::Together, &[], beds).await?;
    let api = site.api().context("no API")?;
    for part in parts {
        let mut client = MllpClient::connect(site.mllp().context("no MLLP listener")?).await?;
        for message in part {
            client.push(message).await?;
        }
        client.drain().await?;
        ensure!(
            client.acked().values().all(|code| code.is_taken()),
            "P1: a message was not taken"
        );
        let accounting = settled(&api).await?;
        ensure!(
            accounting.unaccounted == 0,
            "P4: unaccounted: {}",
            serde_json::to_string(&accounting)?
        );
    }
    let mut answers = BTreeMap::new();
    for path in ["/api/v1/beds", "/api/v1/departments"] {
        let mut answer: Value = get(&api, &format!("{path}?at={at}")).await?;
        without_arrival(&mut answer);
        answers.insert(path.to_owned(), answer);
    }
    site.stop().await?;
    let digest = same_digest(&site).await.context("P5")?;
    Ok(Told { answers, digest })
}

/// Takes out what rests on arrival. Event ids hold the agent's life and numbers: how many there are is what happened.
fn without_arrival(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in ARRIVAL_FIELDS {
                members.remove(name);
            }
            if let Some(conflict) = members.get_mut("conflict")
                && let Some(count) = conflict.as_array().map(Vec::len)
            {
                *conflict = Value::from(count);
            }
            members.values_mut().for_each(without_arrival);
        }
        Value::Array(items) => items.iter_mut().for_each(without_arrival),
        _ => {}
    }
}

/// The first row that differs, both ways.
fn difference(expected: &Value, got: &Value) -> Option<String> {
    if expected == got {
        return None;
    }
    let rows = |value: &Value| -> Vec<Value> {
        let members = value
            .as_object()
            .into_iter()
            .flat_map(|object| object.values());
        members
            .filter_map(Value::as_array)
            .flatten()
            .cloned()
            .collect()
    };
    let (expected, got) = (rows(expected), rows(got));
    let pair = expected.iter().zip(&got).find(|(a, b)| a != b);
    Some(match pair {
        Some((a, b)) => format!("in order {a}, shuffled {b}"),
        None => format!("{} rows in order, {} shuffled", expected.len(), got.len()),
    })
}
