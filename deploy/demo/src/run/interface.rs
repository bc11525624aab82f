//! The HL7 interface of the house: one message at a time, in order, until it is taken.
//!
//! Only an answer lets the next message go, so that what the other side has is always a prefix of
//! what the house has said.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::mpsc;

use super::{Tally, add, backoff};
use crate::client::{AckCode, MllpClient};

pub(super) async fn run(
    address: SocketAddr,
    mut queue: mpsc::Receiver<Vec<u8>>,
    tally: Arc<Tally>,
) {
    let mut client = None;
    while let Some(message) = queue.recv().await {
        let mut tries = 0_u32;
        let mut backoff = backoff();
        loop {
            match attempt(address, &mut client, &message, &tally, &mut tries).await {
                Some(AckCode::Accept) => add(&tally.acked, 1),
                Some(AckCode::Error) => add(&tally.refused, 1),
                Some(AckCode::Reject) | None => {
                    tokio::time::sleep(backoff.draw()).await;
                    continue;
                }
            }
            break;
        }
    }
}

/// One attempt, over a new connection if there is none. Nothing if no answer came.
async fn attempt(
    address: SocketAddr,
    client: &mut Option<MllpClient>,
    message: &[u8],
    tally: &Tally,
    tries: &mut u32,
) -> Option<AckCode> {
    if client.is_none() {
        *client = MllpClient::connect(address)
            .await
            .inspect_err(|error| tracing::debug!(%error, "demo: no HL7 connection yet"))
            .ok();
    }
    let link = client.as_mut()?;
    add(
        if *tries == 0 {
            &tally.sent
        } else {
            &tally.resent
        },
        1,
    );
    *tries += 1;
    match link.send(message).await {
        Ok(ack) => {
            // Counted by the tally; a day of control ids need not be kept.
            link.take_acked();
            Some(ack.code)
        }
        Err(error) => {
            tracing::info!(%error, "demo: HL7 connection lost, the same bytes go again");
            *client = None;
            None
        }
    }
}
