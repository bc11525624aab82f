//! What people type.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use wardline_service::CommonArgs;
use wardline_service::program::Limits;

/// The bounds of all that is in this program.
pub(crate) const LIMITS: &Limits = &[
    ("wardline-model", wardline_model::limits::LIMITS),
    ("wardline-service", wardline_service::limits::LIMITS),
    ("wardline-disk", wardline_disk::limits::LIMITS),
    ("wardline-log", wardline_log::limits::LIMITS),
    ("wardline-mqtt", wardline_mqtt::limits::LIMITS),
    ("wardline-bridge", wardline_bridge::limits::LIMITS),
    ("wardline-aggregator", wardline_aggregator::limits::LIMITS),
    ("wardline-agent", wardline_agent::limits::LIMITS),
    ("wardline-tui", wardline_tui::limits::LIMITS),
    ("wardline-demo", wardline_demo::limits::LIMITS),
];

#[derive(Parser)]
#[command(version, about = "Carries what happens at the bedside to the people who run the hospital", long_about = None)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Without a command: all parts, and the dashboard if this is a terminal
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// A simulated hospital, on ports and a data folder of its own
    Demo(DemoOptions),
    /// All parts, no dashboard (service)
    Run,
    /// Read the configuration and print every problem
    Check,
    /// Print the effective configuration with where each value came from
    Config,
    /// Print every limit with its unit and what happens at it
    Limits,
    /// Records of the log as NDJSON, from the running program or a stopped data folder
    Log {
        #[command(subcommand)]
        command: LogCommand,
    },
}

#[derive(Args, Clone)]
pub(crate) struct DemoOptions {
    /// How many beds the hospital has
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(4..=2000))]
    pub(crate) beds: u32,
    /// How much shorter stays and turnarounds are than in life; times stay wall-clock times
    #[arg(long, default_value_t = 60.0)]
    pub(crate) speed: f64,
    /// Another seed, another hospital
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End after this long, e.g. 30s
    #[arg(long = "for", value_parser = duration)]
    pub(crate) how_long: Option<Duration>,
    /// Where the API listens: a port, or an address; a free one unless given
    #[arg(long, value_name = "PORT", value_parser = api)]
    pub(crate) api: Option<SocketAddr>,
    /// With a second HL7 sender that soon falls silent, messages that cannot be mapped, a misspelt topic and a wrong clock
    #[arg(long)]
    pub(crate) trouble: bool,
    /// Print the table once (after --for, or as soon as the hospital is known) and end
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Topics with their partitions and offsets
    Topics,
    /// Records of one topic
    Cat {
        topic: String,
        /// First offset of each partition
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At most so many records
        #[arg(long)]
        limit: Option<u64>,
        /// Go on with new records until interrupted
        #[arg(long)]
        follow: bool,
    },
}

impl Cli {
    pub(crate) fn log_level(&self) -> &'static str {
        match self.command {
            Some(Command::Run) => "info",
            _ => "warn",
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    wardline_service::grammar::duration(text)
        .ok_or_else(|| "a whole number with a unit: ms, s, min, h".to_owned())
}

fn api(text: &str) -> Result<SocketAddr, String> {
    let address = match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        Err(_) => text.parse(),
    };
    address.map_err(|_| "is no port and no address: 7070, 127.0.0.1:7070".to_owned())
}
