//! One device: publishes its state with QoS 1 and a few messages in flight.

use std::time::Duration;

use anyhow::Context;
use wardline_model::time::rfc3339;

use crate::limits::ACK_MS;
use crate::load::raw_mqtt::{RawMqtt, put_publish};
use crate::load::run::Shared;

const IN_FLIGHT: usize = 4;

pub struct Devices {
    name: String,
    pause: Duration,
}

impl Devices {
    pub(crate) fn new(n: usize, per_second: u32) -> Self {
        let name = format!("dev-{n}");
        Self {
            name,
            pause: Duration::from_secs(1) * u32::try_from(IN_FLIGHT).unwrap_or(1)
                / per_second.max(1),
        }
    }

    pub(crate) async fn run(self, shared: Shared) {
        while !shared.stopped() {
            let place = shared.place.borrow().mqtt;
            let connected = match place {
                Some(address) => RawMqtt::connect(address, &self.name).await.ok(),
                None => None,
            };
            match connected {
                // An error is the fault that the scenario made: the next connection goes on.
                Some(client) => self.publish(client, &shared).await.unwrap_or(()),
                None => shared.pause().await,
            }
        }
    }

    async fn publish(&self, mut client: RawMqtt, shared: &Shared) -> anyhow::Result<()> {
        let mut packet_ids = Vec::new();
        while !shared.stopped() {
            let mut packets = Vec::new();
            let mut waiting = std::collections::BTreeMap::new();
            for id in 1..=u16::try_from(IN_FLIGHT)? {
                let number = shared.next(&self.name);
                put_publish(
                    &mut packets,
                    &format!("devices/ICU/{}/state", self.name),
                    id,
                    &payload(number),
                )?;
                waiting.insert(id, number);
            }
            client.send(&packets).await?;
            while !waiting.is_empty() {
                let acks = tokio::time::timeout(
                    Duration::from_millis(ACK_MS),
                    client.acked(&mut packet_ids),
                );
                acks.await.context("no acknowledgement")??;
                shared.acked(
                    &self.name,
                    packet_ids.iter().filter_map(|id| waiting.remove(id)),
                );
            }
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }
}

fn payload(number: u64) -> Vec<u8> {
    let now = crate::load::wall_ms();
    let value = if number.is_multiple_of(2) {
        "ready"
    } else {
        "in-use"
    };
    serde_json::json!({"ts": rfc3339(now), "value": value, "seq": number, "type": "pump"})
        .to_string()
        .into_bytes()
}
