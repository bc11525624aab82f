//! A broker between agent and bridge that forgets everything at every restart, though it acknowledged it.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::fault::Mosquitto;
use crate::load::Load;
use crate::scenario::finish::{Outcome, Story, finish, place};
use crate::target::{Layout, Site};

/// `None` when there is no Mosquitto on this machine.
pub async fn lossy_broker(seed: u64, rounds: u32) -> anyhow::Result<Option<Outcome>> {
    let Some(mut broker) = Mosquitto::start().await? else {
        return Ok(None);
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let site = Site::start(
        Layout::Edge {
            broker: Some(broker.address()),
        },
        &[],
    )
    .await?;
    let load = Load::start(6, 3, 200);
    load.point_to(place(&site));
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(rng.random_range(200..2500))).await;
        broker.restart().await?;
    }
    let faults = BTreeMap::from([("broker".to_owned(), rounds)]);
    finish(
        site,
        load,
        Story {
            scenario: "lossy-broker",
            seed,
            rounds,
            faults,
        },
    )
    .await
    .map(Some)
}
