//! The link cut without a word, for longer than the keep-alive: bytes vanish, nobody gets a reset.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::fault::Link;
use crate::load::Load;
use crate::scenario::finish::{Outcome, Story, finish, place};
use crate::target::{Layout, Site};

pub async fn silent_cut(seed: u64, rounds: u32, cut: Duration) -> anyhow::Result<Outcome> {
    let mut rng = StdRng::seed_from_u64(seed);
    let site = Site::start(Layout::Edge { broker: None }, &[]).await?;
    let load = Load::start(6, 3, 200);
    load.point_to(place(&site));
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(rng.random_range(200..1500))).await;
        site.link.set(Link::Silent);
        tokio::time::sleep(cut).await;
        site.link.set(Link::Up);
    }
    let faults = BTreeMap::from([("silent cut".to_owned(), rounds)]);
    finish(
        site,
        load,
        Story {
            scenario: "silent-cut",
            seed,
            rounds,
            faults,
        },
    )
    .await
}
