//! Many MQTT publishers that always have a window in flight.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::load::raw_mqtt::{RawMqtt, put_publish};

#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) acked: u64,
    pub(super) elapsed: Duration,
    /// From send to acknowledgement, sorted.
    pub(super) latencies_us: Vec<u32>,
}

impl Measured {
    pub(super) fn per_second(&self) -> f64 {
        self.acked as f64 / self.elapsed.as_secs_f64()
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) clients: usize,
    pub(super) window: u16,
    pub(super) payload_bytes: usize,
    pub(super) time: Duration,
}

pub(super) async fn publish(address: SocketAddr, shape: Shape) -> anyhow::Result<Measured> {
    let mut connections = Vec::with_capacity(shape.clients);
    for n in 0..shape.clients {
        connections.push(RawMqtt::connect(address, &format!("bench-{n}")).await?);
    }
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    for (n, connection) in connections.into_iter().enumerate() {
        tasks.spawn(one(connection, n, shape, begun));
    }
    let mut all = Measured::default();
    while let Some(done) = tasks.join_next().await {
        let (acked, latencies) = done??;
        all.acked += acked;
        all.latencies_us.extend(latencies);
    }
    all.elapsed = begun.elapsed();
    all.latencies_us.sort_unstable();
    Ok(all)
}

async fn one(
    mut client: RawMqtt,
    n: usize,
    shape: Shape,
    begun: Instant,
) -> anyhow::Result<(u64, Vec<u32>)> {
    let topic = format!("devices/ICU/bench-{n}/heart_rate");
    let mut packets = BTreeMap::new();
    let mut out = Vec::new();
    for id in 1..=shape.window {
        let mut packet = Vec::new();
        put_publish(
            &mut packet,
            &topic,
            id,
            &payload(n, id, shape.payload_bytes),
        )?;
        out.extend_from_slice(&packet);
        packets.insert(id, (packet, Instant::now()));
    }
    client.send(&out).await?;
    let (mut acked, mut latencies, mut ids) = (0, Vec::new(), Vec::new());
    let mut in_flight = usize::from(shape.window);
    while in_flight > 0 {
        client.acked(&mut ids).await?;
        let now = Instant::now();
        let more = now.duration_since(begun) < shape.time;
        out.clear();
        for id in &ids {
            acked += 1;
            let Some((packet, sent)) = packets.get_mut(id) else {
                continue;
            };
            latencies
                .push(u32::try_from(now.duration_since(*sent).as_micros()).unwrap_or(u32::MAX));
            if more {
                *sent = now;
                out.extend_from_slice(packet);
            } else {
                in_flight -= 1;
            }
        }
        client.send(&out).await?;
    }
    Ok((acked, latencies))
}

fn payload(client: usize, id: u16, bytes: usize) -> Vec<u8> {
    let mut text = format!(
        "{{\"ts\":\"2026-01-01T00:00:00Z\",\"value\":72,\"seq\":{id},\"type\":\"monitor-{client}\",\"pad\":\""
    );
    let mut noise = u64::from(id) << 32 | client as u64 | 1;
    while text.len() + 2 < bytes {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(
            b'a' + u8::try_from((noise >> 33) % 26).unwrap_or(0),
        ));
    }
    text.push_str("\"}");
    text.into_bytes()
}
