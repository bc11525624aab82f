//! The end of every scenario: let it come to rest, hold the promises, say the figures.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use serde::Serialize;
use wardline_aggregator::decode::origin::ReadFrom;

use crate::check::{Frames, acked_stand_once_and_in_order, settled};
use crate::load::{Acked, Load, Where};
use crate::target::Site;

#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub scenario: String,
    pub seed: u64,
    pub rounds: u32,
    pub faults: BTreeMap<String, u32>,
    pub acked: usize,
    pub in_log: u64,
    pub gaps: u64,
    pub unaccounted: i64,
    pub digest: Option<String>,
}

pub(crate) fn place(site: &Site) -> Where {
    Where {
        mqtt: site.mqtt(),
        mllp: site.mllp(),
    }
}

pub(crate) struct Story {
    pub(crate) scenario: &'static str,
    pub(crate) seed: u64,
    pub(crate) rounds: u32,
    pub(crate) faults: BTreeMap<String, u32>,
}

pub(crate) async fn finish(mut site: Site, load: Load, story: Story) -> anyhow::Result<Outcome> {
    let acked = load.stop().await;
    ensure!(
        acked.count() > 0,
        "nothing was acknowledged: the load did not reach the agent"
    );
    let unaccounted = match site.api() {
        Some(api) => {
            let accounting = settled(&api).await?;
            ensure!(
                accounting.unaccounted == 0,
                "P4: unaccounted: {}",
                serde_json::to_string(&accounting)?
            );
            0
        }
        None => drained(&site).await?,
    };
    site.stop().await?;
    let log = site.site_log().await?;
    let frames = Frames::read(&log).await?;
    log.close().await?;
    check(&frames, &acked)?;
    let digest = if site.has_aggregator() {
        Some(same_digest(&site).await.context("P5")?)
    } else {
        None
    };
    let Story {
        scenario,
        seed,
        rounds,
        faults,
    } = story;
    Ok(Outcome {
        scenario: scenario.to_owned(),
        seed,
        rounds,
        faults,
        acked: acked.count(),
        in_log: frames.events,
        gaps: frames.gaps,
        unaccounted,
        digest,
    })
}

fn check(frames: &Frames, acked: &Acked) -> anyhow::Result<()> {
    ensure!(
        frames.gaps == 0,
        "{} gaps were recorded although nothing was lost",
        frames.gaps
    );
    acked_stand_once_and_in_order(frames, acked)
}

/// Without an aggregator: the agent itself says that it holds nothing any more.
async fn drained(site: &Site) -> anyhow::Result<i64> {
    let socket = site.data(crate::target::Part::Agent);
    crate::check::agent_holds_nothing(&socket).await?;
    Ok(0)
}

/// P5: what the aggregator keeps equals what the log alone gives.
pub(crate) async fn same_digest(site: &Site) -> anyhow::Result<String> {
    let kept = wardline_aggregator::summary_of_store(&site.aggregator_data())?;
    let log = site.centre_log().await?;
    let from = ReadFrom {
        site: crate::target::SITE,
        copies: site.has_a_centre(),
    };
    let computed =
        wardline_aggregator::digest_of_log(&log, from, &kept.beds, kept.horizon_ms).await?;
    log.close().await?;
    ensure!(
        kept.digest == computed,
        "the kept state {} is not what the log gives, {computed}",
        kept.digest
    );
    Ok(computed)
}

pub(crate) fn shuffle_in_place<T>(items: &mut [T], rng: &mut StdRng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.random_range(0..=i));
    }
}
