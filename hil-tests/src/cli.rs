//! What people type, and which scenario or measurement that is.

use std::time::Duration;

use clap::{Parser, Subcommand};
use wardline_hil::scenario::{self, Outcome};
use wardline_hil::target::Layout;
use wardline_log_contract::kafka_server::KafkaServer;

#[derive(Parser)]
#[command(
    version,
    about = "Load, faults, scenarios and measurements against the real programs"
)]
pub(crate) struct Cli {
    /// Same seed, same faults
    #[arg(long, global = true, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many faults
    #[arg(long, global = true, default_value_t = 10)]
    pub(crate) rounds: u32,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// kill -9 at random moments: `together` (one process), `edge` (agent and bridge) or `apart` (with Kafka)
    Kill {
        #[arg(value_parser = ["together", "edge", "apart"])]
        layout: String,
    },
    /// A broker between agent and bridge that forgets everything
    LossyBroker,
    /// The link cut without a word
    SilentCut {
        /// How long each cut lasts
        #[arg(long, default_value_t = 15)]
        seconds: u64,
    },
    /// Ten kinds of broken HL7 and JSON among good ones
    BrokenInput,
    /// The same events shuffled, doubled and late, through the whole pipeline
    Shuffle,
    /// A real Kafka broker on a free port until Ctrl-C, for trying things out
    Kafka,
    /// A listener without a store, for the bench to compare with: prints its address, ends with its input
    #[command(hide = true)]
    BenchListener,
    /// Measurements
    Bench(wardline_hil::bench::Options),
}

pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let (seed, rounds) = (cli.seed, cli.rounds);
    let outcome: Option<Outcome> = match cli.command {
        Command::Kill { layout } => match layout.as_str() {
            "together" => Some(scenario::kill(Layout::Together, seed, rounds).await?),
            "edge" => Some(scenario::kill(Layout::Edge { broker: None }, seed, rounds).await?),
            _ => apart(seed, rounds).await?,
        },
        Command::LossyBroker => scenario::lossy_broker(seed, rounds).await?,
        Command::SilentCut { seconds } => {
            Some(scenario::silent_cut(seed, rounds, Duration::from_secs(seconds)).await?)
        }
        Command::BrokenInput => Some(scenario::broken_input(seed).await?),
        Command::Shuffle => Some(scenario::shuffle(seed).await?),
        Command::Kafka => return kafka().await,
        Command::BenchListener => return wardline_hil::bench::listen().await,
        Command::Bench(options) => return wardline_hil::bench::run(options).await,
    };
    if let Some(outcome) = outcome {
        println!("{}", serde_json::to_string(&outcome)?);
    }
    Ok(())
}

async fn start_kafka() -> anyhow::Result<Option<KafkaServer>> {
    tokio::task::spawn_blocking(KafkaServer::start)
        .await?
        .map_err(|error| anyhow::anyhow!("{error}"))
}

async fn kafka() -> anyhow::Result<()> {
    if let Some(server) = start_kafka().await? {
        println!("{}", server.brokers());
        tokio::signal::ctrl_c().await?;
    }
    Ok(())
}

async fn apart(seed: u64, rounds: u32) -> anyhow::Result<Option<Outcome>> {
    let Some(kafka) = start_kafka().await? else {
        return Ok(None);
    };
    let layout = Layout::Apart {
        kafka: kafka.brokers(),
        broker: None,
    };
    scenario::kill(layout, seed, rounds).await.map(Some)
}
