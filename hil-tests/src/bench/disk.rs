//! Bytes that the agent gives to the disk for one event, when events trickle.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::Options;
use super::ingest::agent_alone;
use super::proc::written_bytes;
use super::report::say;
use crate::load::raw_mqtt::{RawMqtt, put_publish};

const PAYLOAD: &[u8] =
    br#"{"ts":"2026-01-01T00:00:00Z","value":72,"unit":"/min","seq":1,"type":"monitor"}"#;

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    for per_second in [10_u64, 100] {
        let dir = tempfile::tempdir()?;
        let agent = agent_alone(dir.path()).await?;
        let mut client = RawMqtt::connect(agent.address("agent_mqtt")?, "disk").await?;
        let before = written_bytes(agent.pid())?;
        let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / per_second));
        let (mut ids, mut packet) = (Vec::new(), Vec::new());
        let events = per_second * options.seconds.max(10);
        for _ in 0..events {
            tick.tick().await;
            packet.clear();
            put_publish(&mut packet, "devices/ICU/disk/heart_rate", 1, PAYLOAD)?;
            client.send(&packet).await?;
            client.acked(&mut ids).await.context("no acknowledgement")?;
        }
        let written = written_bytes(agent.pid())? - before;
        let day_gb = written / events as f64 * per_second as f64 * 86_400.0 / 1e9;
        let more = json!({"per_second": per_second, "n": events, "gb_per_day": (day_gb * 100.0).round() / 100.0});
        say(
            "disk",
            "written per event, each acknowledged before the next",
            written / events as f64,
            "bytes",
            &more,
        );
        agent.stop().await?;
    }
    Ok(())
}
