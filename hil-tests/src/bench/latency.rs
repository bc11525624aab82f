//! From a device's publish to the change on the API's stream: many devices that each say something now and then.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use wardline_model::time::rfc3339;

use super::Options;
use super::report::{percentile_ms, say};
use crate::load::raw_mqtt::{RawMqtt, put_publish};
use crate::target::{Layout, Site};

/// Each device says something this often.
const EVERY_S: u64 = 10;

/// What each device said last, and when; taken out when it is seen.
type Said = Arc<Mutex<BTreeMap<String, (u64, Instant)>>>;

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut site = Site::start(Layout::Together, &[]).await?;
    let api = site.api().context("no API")?;
    let (said, seen) = (Said::default(), Arc::new(Mutex::new(Vec::<u32>::new())));
    let (watch_said, watch_seen) = (said.clone(), seen.clone());
    // Ends when the site does.
    let watcher = std::thread::spawn(move || watch(&api, &watch_said, &watch_seen));
    let mut clients = Vec::new();
    for n in 0..options.devices {
        clients.push(
            RawMqtt::connect(
                site.mqtt().context("no MQTT listener")?,
                &format!("lat-{n}"),
            )
            .await?,
        );
    }
    let pause = Duration::from_secs(EVERY_S) / u32::try_from(options.devices.max(1))?;
    let mut tick = tokio::time::interval(pause);
    let mut sent = 0_u64;
    let rounds = (options.seconds / EVERY_S).max(2);
    for round in 0..rounds {
        for (n, client) in clients.iter_mut().enumerate() {
            tick.tick().await;
            say_one(client, n, round % 100, &said).await?;
            sent += 1;
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut times = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    times.sort_unstable();
    let more =
        json!({"devices": options.devices, "every_s": EVERY_S, "n": sent, "seen": times.len()});
    for (name, q) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        say(
            "latency",
            &format!("publish to stream, {name}"),
            percentile_ms(&times, q),
            "ms",
            &more,
        );
    }
    drop(clients);
    site.stop().await?;
    // Its error is that the stream ended, as it should.
    watcher.join().ok();
    Ok(())
}

async fn say_one(client: &mut RawMqtt, n: usize, value: u64, said: &Said) -> anyhow::Result<()> {
    let (device, now) = (format!("lat-{n}"), rfc3339(crate::load::wall_ms()));
    let payload = json!({"ts": now, "value": value, "unit": "%"}).to_string();
    let mut packet = Vec::new();
    put_publish(
        &mut packet,
        &format!("devices/ICU/{device}/battery"),
        1,
        payload.as_bytes(),
    )?;
    said.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(device, (value, Instant::now()));
    client.send(&packet).await?;
    let mut ids = Vec::new();
    client.acked(&mut ids).await
}

fn watch(api: &str, said: &Said, seen: &Mutex<Vec<u32>>) -> anyhow::Result<()> {
    let answer = ureq::get(&format!("{api}/api/v1/stream")).call()?;
    let mut lines = BufReader::new(answer.into_body().into_reader());
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let Ok(change) = serde_json::from_str::<Value>(data.trim()) else {
            continue;
        };
        let (Some(device), Some(battery)) = (change.get("device"), change.get("battery")) else {
            continue;
        };
        let (Some(device), Some(battery)) = (device.as_str(), battery.as_f64()) else {
            continue;
        };
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        #[allow(clippy::float_cmp, reason = "small whole numbers")]
        let hit = said
            .get(device)
            .is_some_and(|(value, _)| *value as f64 == battery);
        if let (true, Some((_, at))) = (hit, said.remove(device)) {
            let us = u32::try_from(at.elapsed().as_micros()).unwrap_or(u32::MAX);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(us);
        }
    }
}
