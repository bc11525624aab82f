//! Bytes that the agent gives to the disk for one event, when events trickle.

use std::time::Duration;

use serde_json::json;

use super::Options;
use super::ingest::agent_with;
use super::proc::written_bytes;
use super::report::say;
use crate::load::raw_mqtt::{RawMqtt, put_publish};

const PAYLOAD: &[u8] =
    br#"{"ts":"2026-01-01T00:00:00Z","value":72,"unit":"/min","seq":1,"type":"monitor"}"#;

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    for linger in ["5ms", "1s"] {
        for per_second in [10_u64, 100] {
            trickle(linger, per_second, options.seconds.max(10)).await?;
        }
    }
    Ok(())
}

async fn trickle(linger: &str, per_second: u64, seconds: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let agent = agent_with(dir.path(), &[&format!("agent.buffer.linger={linger}")]).await?;
    let mut client = RawMqtt::connect(agent.address("agent_mqtt")?, "disk").await?;
    let before = written_bytes(agent.pid())?;
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / per_second));
    let (mut ids, mut packet) = (Vec::new(), Vec::new());
    let (mut sent, mut acked, events) = (0_u64, 0_u64, per_second * seconds);
    while acked < events {
        tokio::select! {
            _ = tick.tick(), if sent < events => {
                sent += 1;
                packet.clear();
                let id = u16::try_from(sent % 60_000 + 1)?;
                put_publish(&mut packet, "devices/ICU/disk/heart_rate", id, PAYLOAD)?;
                client.send(&packet).await?;
            }
            answer = client.acked(&mut ids) => {
                answer?;
                acked += ids.len() as u64;
            }
        }
    }
    let written = written_bytes(agent.pid())? - before;
    let day_gb = written / events as f64 * per_second as f64 * 86_400.0 / 1e9;
    let more = json!({"linger": linger, "per_second": per_second, "n": events, "gb_per_day": (day_gb * 100.0).round() / 100.0});
    say(
        "disk",
        "written per event",
        written / events as f64,
        "bytes",
        &more,
    );
    agent.stop().await?;
    Ok(())
}
