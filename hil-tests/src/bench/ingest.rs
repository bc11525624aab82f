//! Durable ingest: the agent, which syncs before each acknowledgement, Mosquitto, which acknowledges from memory, and the
//! listener without a store.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::Options;
use super::publishers::{Shape, publish};
use super::report::{median, percentile_ms, say};
use crate::fault::Mosquitto;
use crate::target::{Binaries, Process};

const PAYLOAD_BYTES: usize = 256;

/// An agent without an uplink: nothing but devices and its disk.
pub(super) async fn agent_alone(dir: &std::path::Path) -> anyhow::Result<Process> {
    agent_with(dir, &[]).await
}

pub(super) async fn agent_with(dir: &std::path::Path, more: &[&str]) -> anyhow::Result<Process> {
    let set = [
        "site.name=bench",
        "agent.mqtt.listen=127.0.0.1:0",
        "agent.mllp.listen=127.0.0.1:0",
        "agent.buffer.quota=16GiB",
    ];
    let mut arguments: Vec<String> = set
        .iter()
        .chain(more)
        .map(|s| format!("--set={s}"))
        .collect();
    arguments.push("run".to_owned());
    Process::start(&Binaries::find()?, "wardline-agent", dir, &arguments).await
}

struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command
            .arg("bench-listener")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self {
            child,
            address: line.trim().parse()?,
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let shape = Shape {
        clients: options.clients,
        window: options.window,
        payload_bytes: PAYLOAD_BYTES,
        time: Duration::from_secs(options.seconds),
    };
    let (mut ours, mut theirs, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 1..=options.turns {
        let dir = tempfile::tempdir()?;
        let agent = agent_alone(dir.path()).await?;
        let rate = one(
            "wardline-agent (synced)",
            agent.address("agent_mqtt")?,
            shape,
            turn,
        )
        .await?;
        ours.push(rate);
        agent.stop().await?;
        if let Some(broker) = Mosquitto::start().await? {
            theirs.push(one("mosquitto (from memory)", broker.address(), shape, turn).await?);
        }
        let bare = Bare::start()?;
        bares.push(one("listener without a store", bare.address, shape, turn).await?);
    }
    let ours = median(ours);
    let more = json!({"turns": options.turns});
    if !theirs.is_empty() {
        say(
            "ingest",
            "wardline-agent / mosquitto",
            ours / median(theirs),
            "ratio",
            &more,
        );
    }
    say(
        "ingest",
        "wardline-agent / listener without a store",
        ours / median(bares),
        "ratio",
        &more,
    );
    Ok(())
}

async fn one(what: &str, address: SocketAddr, shape: Shape, turn: u32) -> anyhow::Result<f64> {
    let measured = publish(address, shape).await?;
    let more = json!({
        "turn": turn, "clients": shape.clients, "window": shape.window, "payload_bytes": shape.payload_bytes,
        "n": measured.acked, "p50_ms": percentile_ms(&measured.latencies_us, 0.5), "p99_ms": percentile_ms(&measured.latencies_us, 0.99),
    });
    say("ingest", what, measured.per_second(), "acked/s", &more);
    Ok(measured.per_second())
}
