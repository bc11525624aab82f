//! The aggregator's fold: decoding and applying in memory, and with state, positions and view topics on disk.
//!
//! The two are measured apart because they have different limits: the first says what the rules cost, the second what a
//! commit costs. A fold that became slower shows in one of them before it shows as lag on a site.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;
use wardline_aggregator::decode::origin::ReadFrom;
use wardline_aggregator::ledger::{BedList, Ledger};
use wardline_aggregator::{SiteBeds, Source, decode};
use wardline_log::follow::Scan;
use wardline_log::{SharedLog, Target};
use wardline_model::topic::FHIR_TOPICS;
use wardline_service::{Settings, SystemClock};

use super::Options;
use super::bridge::{Kind, fill, map_all};
use super::proc::cpu_s;
use super::report::say;

const WAIT_S: u64 = 300;

const FROM: ReadFrom<'_> = ReadFrom {
    site: "bench",
    copies: false,
};

pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    for (kind, what) in [(Kind::Adt, "ADT"), (Kind::Device, "device events")] {
        let dir = tempfile::tempdir()?;
        let log = wardline_log::open(
            &Target::Embedded {
                dir: dir.path().join("log"),
            },
            SystemClock::shared(),
        )
        .await?;
        fill(&log, kind, options.events).await?;
        map_all(&log, dir.path(), options.events).await?;
        for turn in 1..=options.turns {
            in_memory(&log, what, turn).await?;
            durable(&log, what, options.events, turn).await?;
        }
        log.close().await?;
    }
    Ok(())
}

async fn in_memory(log: &SharedLog, what: &str, turn: u32) -> anyhow::Result<()> {
    let (mut facts, mut decoding) = (Vec::new(), Duration::ZERO);
    for topic in FHIR_TOPICS {
        for at in log.offsets(topic).await? {
            let mut scan = Scan::new(&**log, topic, at);
            while let Some(entries) = scan.next().await? {
                let begun = Instant::now();
                facts.extend(entries.iter().filter_map(|entry| {
                    let origin = FROM.origin(topic, at.partition, entry.offset, &entry.record);
                    decode::fact(&origin, &entry.record).ok()?
                }));
                decoding += begun.elapsed();
            }
        }
    }
    let count = facts.len() as f64;
    let mut ledger = Ledger::new("bench", BedList::empty());
    let begun = Instant::now();
    for fact in facts {
        ledger.apply(fact);
    }
    let applying = begun.elapsed();
    let more = json!({"turn": turn, "n": count});
    say(
        "ledger",
        &format!("{what}: decode, one core"),
        count / decoding.as_secs_f64(),
        "facts/s",
        &more,
    );
    say(
        "ledger",
        &format!("{what}: apply in memory, one core"),
        count / applying.as_secs_f64(),
        "facts/s",
        &more,
    );
    Ok(())
}

async fn durable(log: &SharedLog, what: &str, events: u64, turn: u32) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let values = [
        ("site.name", "bench"),
        ("aggregator.api.listen", "127.0.0.1:0"),
    ];
    let settings = Settings::for_tests(dir.path(), &values)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let config = wardline_aggregator::Config::from_settings(&settings)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let (wall_s, cpu_s) = caught_up(config.clone(), log).await?;
    let (restart_s, _) = caught_up(config, log).await?;
    let kept = wardline_aggregator::summary_of_store(dir.path())?.facts;
    let facts = events as f64;
    let more = json!({"turn": turn, "n": events, "kept": kept, "wall_s": wall_s, "cpu_s": cpu_s});
    say(
        "ledger",
        &format!("{what}: from the log, state on disk"),
        facts / wall_s,
        "facts/s",
        &more,
    );
    say(
        "ledger",
        &format!("{what}: from the log, state on disk, per core"),
        facts / cpu_s,
        "facts/s/core",
        &more,
    );
    say(
        "ledger",
        &format!("{what}: restart until it is ready again"),
        restart_s,
        "s",
        &more,
    );
    Ok(())
}

/// Starts an aggregator, waits until it is ready, stops it: seconds by the clock and of the processor until then.
async fn caught_up(
    config: wardline_aggregator::Config,
    log: &SharedLog,
) -> anyhow::Result<(f64, f64)> {
    let (begun, cpu) = (Instant::now(), cpu_s(std::process::id())?);
    let source = Source {
        site: "bench".to_owned(),
        beds: SiteBeds::default(),
        log: log.clone(),
        local: true,
    };
    let running =
        wardline_aggregator::start(config, log.clone(), vec![source], SystemClock::shared())
            .await?;
    let address = running.addresses.get("api").copied();
    let url = address
        .map(|at| format!("http://{at}/readyz"))
        .unwrap_or_default();
    while !ready(&url).await? {
        if begun.elapsed().as_secs() > WAIT_S {
            bail!("the aggregator has not caught up after {WAIT_S} s");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let spent = (
        begun.elapsed().as_secs_f64(),
        cpu_s(std::process::id())? - cpu,
    );
    running.stop().await?;
    Ok(spent)
}

async fn ready(url: &str) -> anyhow::Result<bool> {
    let url = url.to_owned();
    Ok(tokio::task::spawn_blocking(move || ureq::get(&url).call().is_ok()).await?)
}
