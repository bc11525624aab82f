//! One program as a process: started with port 0, found by its addresses file, killed or stopped.
//!
//! Killed by its own pid and never by name; whatever ends the scenario, dropping the process ends it too, so a failed run
//! leaves nothing behind that holds a port or a data folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::limits::{POLL_MS, START_MS, STOP_MS};

/// Where the programs are: `WARDLINE_BIN_DIR`, else beside this program.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// A test's programs are built first, so that it never runs against those of yesterday.
    pub fn find() -> anyhow::Result<Self> {
        if let Some(dir) = std::env::var_os("WARDLINE_BIN_DIR") {
            return Ok(Self(PathBuf::from(dir)));
        }
        let own = std::env::current_exe()?;
        let folder = own.parent().context("this program has no folder")?;
        if folder.ends_with("deps") {
            let profile = folder
                .parent()
                .context("this test has no profile's folder")?;
            let built = BUILT.get_or_init(|| build(profile).map_err(|error| format!("{error:#}")));
            return match built {
                Ok(()) => Ok(Self(profile.to_owned())),
                Err(why) => bail!("cannot build the programs: {why}"),
            };
        }
        if !folder.join("wardline-agent").is_file() {
            bail!(
                "wardline-agent is not in {}: run `cargo build --workspace --bins`, or set WARDLINE_BIN_DIR",
                folder.display()
            );
        }
        Ok(Self(folder.to_owned()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Of one test program, once.
static BUILT: OnceLock<Result<(), String>> = OnceLock::new();

fn build(profile: &Path) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--workspace", "--bins"])
        // A test that is built as well takes the features that tests ask for into account: without it the libraries
        // have fewer than they were built with a moment ago, and all is built once more.
        .args(["--test", "promises", "--target-dir"])
        .arg(profile.parent().context("no target folder")?)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    Ok(())
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pub addresses: BTreeMap<String, SocketAddr>,
}

impl Process {
    /// Starts a program on its data folder and waits until all its listeners are up.
    pub async fn start(
        binaries: &Binaries,
        name: &str,
        data: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)?;
        let file = data.join("run").join("addresses.json");
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(data.join("program.log"))?;
        let mut command = Command::new(binaries.path(name));
        command
            .arg("--data")
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", binaries.path(name).display()))?;
        let mut process = Self {
            name: name.to_owned(),
            child,
            addresses: BTreeMap::new(),
        };
        process.addresses = process.await_addresses(&file, data).await?;
        Ok(process)
    }

    async fn await_addresses(
        &mut self,
        file: &Path,
        data: &Path,
    ) -> anyhow::Result<BTreeMap<String, SocketAddr>> {
        let deadline = Instant::now() + Duration::from_millis(START_MS);
        loop {
            if let Ok(text) = std::fs::read(file) {
                return Ok(serde_json::from_slice(&text)?);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} at its start: {}",
                    self.name,
                    tail(data)
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{} had no listeners after {START_MS} ms: {}",
                    self.name,
                    tail(data)
                );
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
    }

    pub fn address(&self, name: &str) -> anyhow::Result<SocketAddr> {
        self.addresses
            .get(name)
            .copied()
            .with_context(|| format!("{} has no listener {name}", self.name))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the program gets no chance to do anything.
    pub fn kill9(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the orderly end.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("no process id")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_millis(STOP_MS);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} did not end {STOP_MS} ms after SIGTERM", self.name);
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// The last lines that a program logged, for a failure's message.
pub(super) fn tail(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("program.log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
