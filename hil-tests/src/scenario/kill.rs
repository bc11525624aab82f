//! kill -9 at random moments under load, one part or all: what was acknowledged is there, and who asks meanwhile is never
//! told less than before without a word.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::check::Asker;
use crate::load::Load;
use crate::scenario::finish::{Outcome, Story, finish, place, shuffle_in_place};
use crate::target::{Layout, Part, Site};

/// Longest time between two kills.
const PAUSE_MS_MAX: u64 = 1200;

pub async fn kill(layout: Layout, seed: u64, rounds: u32) -> anyhow::Result<Outcome> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut site = Site::start(layout, &[]).await?;
    let load = Load::start(6, 3, 200);
    load.point_to(place(&site));
    let asker = Asker::start();
    asker.point_to(site.api());
    let mut victims = site.parts();
    if victims.len() > 1 {
        victims.push(Part::All);
    }
    let mut faults = BTreeMap::new();
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..PAUSE_MS_MAX))).await;
        // Every part gets its share, in an order that the seed gives.
        let turn = round as usize % victims.len();
        if turn == 0 {
            shuffle_in_place(&mut victims, &mut rng);
        }
        let Some(victim) = victims.get(turn).copied() else {
            continue;
        };
        *faults
            .entry(format!("{victim:?}").to_lowercase())
            .or_default() += 1;
        site.kill_and_restart(victim).await?;
        load.point_to(place(&site));
        asker.point_to(site.api());
    }
    let answers = asker.stop().await?;
    ensure!(
        answers.answered > 0 || !site.has_aggregator(),
        "nobody answered between the kills"
    );
    finish(
        site,
        load,
        Story {
            scenario: "kill",
            seed,
            rounds,
            faults,
        },
    )
    .await
}
