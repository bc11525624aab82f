//! A whole site: one process with all parts, or the parts apart with Kafka behind the bridge.
//!
//! Apart, the agent's uplink goes through a proxy of ours: it gives the bridge an address that survives restarts, and is
//! the place where the link can be cut.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use wardline_log::{SharedLog, Target};

use crate::fault::Proxy;
use crate::target::process::tail;
use crate::target::{Binaries, Process};

pub const SITE: &str = "st-mary";
pub(crate) const AGENT: &str = "gw-1";
/// Beds that every scenario knows.
const BEDS: &str = include_str!("beds.csv");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Agent,
    Bridge,
    Aggregator,
    All,
}

#[derive(Debug, Clone)]
pub enum Layout {
    /// `wardline run`.
    Together,
    /// Three processes; the bridge writes to Kafka, the aggregator replicates from it. With `broker`, agent and bridge
    /// meet at an MQTT broker that the site already has.
    Apart {
        kafka: String,
        broker: Option<SocketAddr>,
    },
    /// Agent and bridge with the embedded log; no aggregator.
    Edge { broker: Option<SocketAddr> },
}

pub struct Site {
    binaries: Binaries,
    layout: Layout,
    root: tempfile::TempDir,
    pub link: Proxy,
    agent: Option<Process>,
    bridge: Option<Process>,
    aggregator: Option<Process>,
    together: Option<Process>,
    extra: Vec<String>,
}

impl Site {
    pub async fn start(layout: Layout, extra: &[&str]) -> anyhow::Result<Self> {
        Self::start_with_beds(layout, extra, BEDS).await
    }

    pub async fn start_with_beds(
        layout: Layout,
        extra: &[&str],
        beds: &str,
    ) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let root = tempfile::Builder::new().prefix("wardline-hil-").tempdir()?;
        std::fs::write(root.path().join("beds.csv"), beds)?;
        let link = Proxy::start().await?;
        let extra = extra.iter().map(|s| format!("--set={s}")).collect();
        let (agent, bridge, aggregator, together) = (None, None, None, None);
        let mut site = Self {
            binaries,
            layout,
            root,
            link,
            agent,
            bridge,
            aggregator,
            together,
            extra,
        };
        site.write_config()?;
        for part in site.parts() {
            site.start_part(part).await?;
        }
        Ok(site)
    }

    /// The parts that can be killed one by one, in the order in which they start.
    pub fn parts(&self) -> Vec<Part> {
        match self.layout {
            Layout::Together => vec![Part::All],
            Layout::Apart { .. } => vec![Part::Bridge, Part::Agent, Part::Aggregator],
            Layout::Edge { .. } => vec![Part::Bridge, Part::Agent],
        }
    }

    pub fn data(&self, part: Part) -> PathBuf {
        let name = match part {
            Part::Agent => "agent",
            Part::Bridge => "bridge",
            Part::Aggregator => "aggregator",
            Part::All => "together",
        };
        self.root.path().join(name)
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let (log, source) = match &self.layout {
            Layout::Apart { kafka, .. } => (
                format!("kafka://{kafka}"),
                format!("[[aggregator.source]]\nsite = \"{SITE}\"\nlog = \"kafka://{kafka}\"\n"),
            ),
            Layout::Together | Layout::Edge { .. } => ("embedded".to_owned(), String::new()),
        };
        let uplink = match &self.layout {
            Layout::Together => String::new(),
            Layout::Apart { .. } | Layout::Edge { .. } => {
                format!("uplink.url = \"mqtt://{}\"\n", self.link.address())
            }
        };
        let broker = match self.broker() {
            Some(broker) => format!("upstream.url = \"mqtt://{broker}\"\n"),
            None => String::new(),
        };
        let text = format!(
            "[site]\nname = \"{SITE}\"\ntimezone = \"Europe/Berlin\"\nbeds = \"beds.csv\"\n\
             [agent]\nname = \"{AGENT}\"\nmqtt.listen = \"127.0.0.1:0\"\nmllp.listen = \"127.0.0.1:0\"\n{uplink}\
             uplink.receipt_timeout = \"3s\"\n\
             [bridge]\nmqtt.listen = \"127.0.0.1:0\"\nlog = \"{log}\"\n{broker}\
             [aggregator]\napi.listen = \"127.0.0.1:0\"\n{source}"
        );
        std::fs::write(self.config(), text).context("cannot write the configuration")
    }

    fn broker(&self) -> Option<SocketAddr> {
        match &self.layout {
            Layout::Apart { broker, .. } | Layout::Edge { broker } => *broker,
            Layout::Together => None,
        }
    }

    fn config(&self) -> PathBuf {
        self.root.path().join("wardline.toml")
    }

    pub async fn start_part(&mut self, part: Part) -> anyhow::Result<()> {
        let program = match part {
            Part::Agent => "wardline-agent",
            Part::Bridge => "wardline-bridge",
            Part::Aggregator => "wardline-aggregator",
            Part::All => "wardline",
        };
        let mut arguments = vec!["--config".to_owned(), self.config().display().to_string()];
        arguments.extend(self.extra.iter().cloned());
        arguments.push("run".to_owned());
        let process = Process::start(&self.binaries, program, &self.data(part), &arguments).await?;
        if part == Part::Bridge {
            let next = self
                .broker()
                .map_or_else(|| process.address("bridge_mqtt"), Ok)?;
            self.link.point_to(next);
        }
        *self.slot(part) = Some(process);
        Ok(())
    }

    fn slot(&mut self, part: Part) -> &mut Option<Process> {
        match part {
            Part::Agent => &mut self.agent,
            Part::Bridge => &mut self.bridge,
            Part::Aggregator => &mut self.aggregator,
            Part::All => &mut self.together,
        }
    }

    /// kill -9 and start again; `All` of a site that runs apart kills every part before the first comes back.
    pub async fn kill_and_restart(&mut self, part: Part) -> anyhow::Result<()> {
        let parts = match (part, &self.layout) {
            (Part::All, Layout::Apart { .. } | Layout::Edge { .. }) => self.parts(),
            (one, _) => vec![one],
        };
        for part in &parts {
            if let Some(process) = self.slot(*part).take() {
                process.kill9()?;
            }
        }
        for part in parts {
            self.start_part(part).await?;
        }
        Ok(())
    }

    /// SIGTERM for everything; each must say 143.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        for part in [Part::Agent, Part::Bridge, Part::Aggregator, Part::All] {
            if let Some(process) = self.slot(part).take() {
                let status = process.stop().await?;
                if status.code() != Some(143) {
                    let said = tail(&self.data(part));
                    bail!("{part:?} ended with {status} after SIGTERM, not 143: {said}");
                }
            }
        }
        Ok(())
    }

    fn edge(&self) -> Option<&Process> {
        self.agent.as_ref().or(self.together.as_ref())
    }

    /// Where devices connect right now; `None` while the agent is down.
    pub fn mqtt(&self) -> Option<SocketAddr> {
        self.edge()?.address("agent_mqtt").ok()
    }

    pub fn mllp(&self) -> Option<SocketAddr> {
        self.edge()?.address("agent_mllp").ok()
    }

    pub fn api(&self) -> Option<String> {
        let process = self.aggregator.as_ref().or(self.together.as_ref())?;
        process
            .address("api")
            .ok()
            .map(|address| format!("http://{address}"))
    }

    pub fn pid(&self, part: Part) -> Option<u32> {
        let process = match part {
            Part::Agent => &self.agent,
            Part::Bridge => &self.bridge,
            Part::Aggregator => &self.aggregator,
            Part::All => &self.together,
        };
        process.as_ref().map(Process::pid)
    }

    pub fn has_aggregator(&self) -> bool {
        !matches!(self.layout, Layout::Edge { .. })
    }

    pub fn aggregator_data(&self) -> PathBuf {
        match self.layout {
            Layout::Together => self.data(Part::All),
            Layout::Apart { .. } | Layout::Edge { .. } => self.data(Part::Aggregator),
        }
    }

    pub fn beds_file(&self) -> PathBuf {
        self.root.path().join("beds.csv")
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The site's log. The embedded one can only be opened while nothing runs.
    pub async fn site_log(&self) -> anyhow::Result<SharedLog> {
        let data = match self.layout {
            Layout::Together => self.data(Part::All),
            Layout::Apart { .. } | Layout::Edge { .. } => self.data(Part::Bridge),
        };
        let target = match &self.layout {
            Layout::Apart { kafka, .. } => Target::Kafka {
                brokers: kafka.clone(),
                prefix: "wardline.".to_owned(),
            },
            Layout::Together | Layout::Edge { .. } => Target::Embedded {
                dir: data.join("log"),
            },
        };
        Ok(wardline_log::open(&target, wardline_service::SystemClock::shared()).await?)
    }

    /// The aggregator copies the site's records to a log of its own.
    pub fn has_a_centre(&self) -> bool {
        matches!(self.layout, Layout::Apart { .. })
    }

    /// The log that the aggregator folds: its own copy, or the site's.
    pub async fn centre_log(&self) -> anyhow::Result<SharedLog> {
        match self.layout {
            Layout::Apart { .. } => {
                let dir = self.data(Part::Aggregator).join("centre");
                Ok(wardline_log::open(
                    &Target::Embedded { dir },
                    wardline_service::SystemClock::shared(),
                )
                .await?)
            }
            Layout::Together | Layout::Edge { .. } => self.site_log().await,
        }
    }
}
