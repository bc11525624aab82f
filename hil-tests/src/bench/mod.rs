//! Measurements: one JSON line a figure. What is compared is measured in one run, turn and turn about, so that both sides
//! see the same machine in the same mood. docs/BENCHMARKS.md says what they gave.

mod bridge;
mod disk;
mod footprint;
mod ingest;
mod latency;
mod ledger;
mod listener;
mod log_read;
mod mllp;
mod proc;
mod publishers;
mod report;

pub use listener::listen;

const NAMES: [&str; 8] = [
    "ingest",
    "mllp",
    "bridge",
    "ledger",
    "log-read",
    "latency",
    "disk",
    "footprint",
];

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Which: ingest mllp bridge ledger log-read latency disk footprint; all without a name
    #[arg(value_parser = NAMES)]
    names: Vec<String>,
    /// How long each side is measured in each turn
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Turns
    #[arg(long, default_value_t = 2)]
    turns: u32,
    /// MQTT connections
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Messages in flight on each connection
    #[arg(long, default_value_t = 20)]
    window: u16,
    /// Events that the bridge and the ledger are given, and records that are read from a log
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Devices of the latency measurement
    #[arg(long, default_value_t = 1_000)]
    devices: usize,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|n| n == name);
    if wanted("ingest") {
        ingest::run(&options).await?;
    }
    if wanted("mllp") {
        mllp::run(&options).await?;
    }
    if wanted("bridge") {
        bridge::run(&options).await?;
    }
    if wanted("ledger") {
        ledger::run(&options).await?;
    }
    if wanted("log-read") {
        log_read::run(&options).await?;
    }
    if wanted("latency") {
        latency::run(&options).await?;
    }
    if wanted("disk") {
        disk::run(&options).await?;
    }
    if wanted("footprint") {
        footprint::run(&options).await?;
    }
    Ok(())
}
