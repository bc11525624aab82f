//! One ADT sender over MLLP: admits, moves and discharges visits of its own in beds of its own.

use std::time::Duration;

use anyhow::{Context, bail};
use wardline_demo::client::{AckCode, AdtBuilder, MllpClient, MllpOptions};

use crate::limits::ACK_MS;
use crate::load::run::Shared;

pub struct Senders {
    name: String,
    index: usize,
    pause: Duration,
}

impl Senders {
    pub(crate) fn new(index: usize, per_second: u32) -> Self {
        Self {
            name: format!("his-{index}"),
            index,
            pause: Duration::from_secs(1) / per_second.max(1),
        }
    }

    pub(crate) async fn run(self, shared: Shared) {
        while !shared.stopped() {
            let place = shared.place.borrow().mllp;
            let options = MllpOptions {
                ack_timeout: Duration::from_millis(ACK_MS),
                ..MllpOptions::default()
            };
            let connected = match place {
                Some(address) => MllpClient::connect_with(address, options).await.ok(),
                None => None,
            };
            match connected {
                // An error is the fault that the scenario made: the next connection goes on.
                Some(client) => self.send(client, &shared).await.unwrap_or(()),
                None => shared.pause().await,
            }
        }
    }

    async fn send(&self, mut client: MllpClient, shared: &Shared) -> anyhow::Result<()> {
        while !shared.stopped() {
            let number = shared.next(&self.name);
            let ack = client
                .send(&self.message(number))
                .await
                .context("no acknowledgement")?;
            if ack.code != AckCode::Accept {
                bail!("{:?}", ack.code);
            }
            shared.acked(&self.name, [number]);
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }

    /// Four messages a visit: admitted, moved, updated, discharged.
    fn message(&self, number: u64) -> Vec<u8> {
        let (visit, step) = (number / 4, number % 4);
        let now = crate::load::wall_ms();
        let bed = |ward: &str, n: u64| format!("{ward}^{n}^1");
        let first = bed("WARD-A", 1 + self.index as u64 % 40);
        let second = bed("ICU", 1 + self.index as u64 % 20);
        let event = match step {
            0 => "A01",
            1 => "A02",
            2 => "A08",
            _ => "A03",
        };
        let (here, prior) = if step == 0 {
            (&first, None)
        } else {
            (&second, Some(&first))
        };
        let builder = AdtBuilder::new(event, format!("{}-{number}", self.name))
            .visit(format!("{}-V{visit}", self.name))
            .evn2(now)
            .sent(now)
            .class("I")
            .bed(here.clone());
        match prior {
            Some(prior) if step == 1 => builder.prior_bed(prior.clone()).build(),
            _ => builder.build(),
        }
    }
}
