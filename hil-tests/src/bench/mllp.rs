//! ADT messages a second over MLLP, each acknowledgement synced.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use wardline_demo::client::{AdtBuilder, Patient};

use super::Options;
use super::ingest::agent_alone;
use super::report::say;

const IN_FLIGHT: usize = 16;

/// Two days ago: old events are let go of at once, and would not be measured.
pub(super) fn start_ms() -> i64 {
    static START: OnceLock<i64> = OnceLock::new();
    *START.get_or_init(|| crate::load::wall_ms() / 1000 * 1000 - 2 * 86_400_000)
}

pub(super) fn admission(n: u64) -> Vec<u8> {
    let at = start_ms() + i64::try_from(n).unwrap_or(0) * 1000;
    let event = match n % 3 {
        0 => "A01",
        1 => "A02",
        _ => "A03",
    };
    AdtBuilder::new(event, format!("B{n:08}"))
        .visit(format!("V{:08}", n / 3))
        .evn2(at)
        .sent(at)
        .class("I")
        .bed(format!("WARD-{}^{}^1", n % 7, n % 40))
        .patient(Patient::synthetic(
            u32::try_from(n / 3 % 10_000).unwrap_or(0),
        ))
        .build()
}

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    for connections in [1, 32] {
        for turn in 1..=options.turns {
            let dir = tempfile::tempdir()?;
            let agent = agent_alone(dir.path()).await?;
            let address = agent.address("agent_mllp")?;
            let time = Duration::from_secs(options.seconds);
            let begun = Instant::now();
            let mut tasks = JoinSet::new();
            for n in 0..connections {
                tasks.spawn(send(address, n, time));
            }
            let mut acked = 0;
            while let Some(done) = tasks.join_next().await {
                acked += done??;
            }
            let rate = acked as f64 / begun.elapsed().as_secs_f64();
            let more = json!({"turn": turn, "connections": connections, "window": IN_FLIGHT, "n": acked, "bytes": admission(0).len()});
            say(
                "mllp",
                "ADT, every acknowledgement synced",
                rate,
                "msg/s",
                &more,
            );
            agent.stop().await?;
        }
    }
    Ok(())
}

async fn send(address: SocketAddr, n: u64, time: Duration) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let framed = [b"\x0b".as_slice(), &admission(n), b"\x1c\r"].concat();
    stream.write_all(&framed.repeat(IN_FLIGHT)).await?;
    let (mut acked, mut in_flight, begun) = (0, IN_FLIGHT, Instant::now());
    let mut buffer = vec![0; 64 * 1024];
    let mut first = true;
    while in_flight > 0 {
        let read = stream.read(&mut buffer).await?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            bail!("the agent closed the connection");
        }
        if std::mem::take(&mut first) {
            ensure!(
                bytes.windows(6).any(|six| six == b"MSA|CA"),
                "the agent does not accept"
            );
        }
        let answers = bytes.iter().filter(|b| **b == 0x1c).count();
        acked += answers as u64;
        if begun.elapsed() < time {
            stream.write_all(&framed.repeat(answers)).await?;
        } else {
            in_flight -= answers;
        }
    }
    Ok(acked)
}
