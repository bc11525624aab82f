//! A real Kafka broker for tests: one node, its own ports and folder, gone when dropped.
//!
//! It cleans eagerly (small segments, cleaner and retention several times a second), so that retention and compaction
//! can be seen in seconds. A shell waits beside it and ends it if the test process dies without dropping it.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::kafka_jars::{self, Kit};
use super::{Failed, PATIENCE, Result};

pub use super::kafka_jars::KAFKA_VERSION;

const POLL: Duration = Duration::from_millis(50);
const STARTED: &str = "Kafka Server started";
const LOGGING: &str = "status=error
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server
logger.server.level=info
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c %m%n
";

/// What formatting leaves in a data folder; nothing in it names a port, so every broker gets the same.
const FORMATTED: [&str; 2] = ["meta.properties", "bootstrap.checkpoint"];
const CLASSES: &str = "classes.jsa";

/// A running (or stopped) broker.
pub struct KafkaServer {
    dir: TempDir,
    lib: PathBuf,
    /// The virtual machine's option for its archive of loaded classes.
    classes: String,
    port: u16,
    broker: Option<Running>,
    starts: u32,
}

struct Running {
    java: Child,
    guard: Child,
}

impl KafkaServer {
    /// Starts a broker on an empty folder. Without java or mvn it says `skipped: needs java` and gives `None`, or an
    /// error if `WARDLINE_REQUIRE_TOOLS=1`. Blocks for seconds.
    ///
    /// # Errors
    /// If the tools are there (or required) and it does not start.
    pub fn start() -> Result<Option<Self>, Failed> {
        let jars = || kafka_jars::fetched() || kafka_jars::has("mvn", "-v");
        if !kafka_jars::has("java", "-version") || !jars() {
            if std::env::var_os("WARDLINE_REQUIRE_TOOLS").is_some_and(|value| value == "1") {
                return Err(Failed::Broken(
                    "java and mvn are required and not installed".to_owned(),
                ));
            }
            println!("skipped: needs java");
            return Ok(None);
        }
        let kit = kafka_jars::kit()?;
        // A port that was free can be taken before the broker binds it: then others are chosen.
        let mut last = Failed::Broken("not started".to_owned());
        for _ in 0..3 {
            match Self::start_in(&kit) {
                Ok(server) => return Ok(Some(server)),
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    fn start_in(kit: &Kit) -> Result<Self> {
        let archive = kit.start.join(CLASSES);
        let classes = format!("-XX:SharedArchiveFile={}", archive.display());
        let mut server = Self::stopped(&kit.lib, classes)?;
        std::fs::create_dir(server.data())?;
        for name in FORMATTED {
            std::fs::copy(kit.start.join(name), server.data().join(name))?;
        }
        server.restart()?;
        Ok(server)
    }

    /// Formats a folder, and runs a broker once so that its classes can be kept. The archive is written at an orderly end;
    /// a virtual machine that cannot write or use one starts without.
    pub(super) fn prepare(lib: &Path, into: &Path) -> Result {
        let archive = into.join(CLASSES);
        let classes = format!("-XX:ArchiveClassesAtExit={}", archive.display());
        let mut server = Self::stopped(lib, classes)?;
        server.format()?;
        for name in FORMATTED {
            std::fs::copy(server.data().join(name), into.join(name))?;
        }
        server.restart()?;
        server.stop()
    }

    fn stopped(lib: &Path, classes: String) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("wardline-kafka-")
            .tempdir()?;
        let (one, two) = (free_port()?, free_port()?);
        let (port, controller) = (one.local_addr()?.port(), two.local_addr()?.port());
        let server = Self {
            dir,
            lib: lib.to_owned(),
            classes,
            port,
            broker: None,
            starts: 0,
        };
        std::fs::write(
            server.dir.path().join("server.properties"),
            properties(port, controller, &server.data()),
        )?;
        std::fs::write(server.dir.path().join("log4j2.properties"), LOGGING)?;
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `host:port`, for `Target::Kafka`.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts again on the same folder and port, and waits until it serves. Does nothing if it runs.
    ///
    /// # Errors
    /// If it ends, or does not serve in time; with the end of its log.
    pub fn restart(&mut self) -> Result {
        if self.broker.is_some() {
            return Ok(());
        }
        self.starts += 1;
        let log = self.dir.path().join(format!("broker-{}.log", self.starts));
        let mut java = self
            .java()
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(&self.classes)
            .args(["-cp", &self.classpath(), "kafka.Kafka"])
            .arg(self.dir.path().join("server.properties"))
            .stdout(File::create(&log)?)
            .stderr(Stdio::null())
            .spawn()?;
        let guard = guard(&java, self.dir.path());
        let guard = match guard {
            Ok(guard) => guard,
            Err(error) => {
                java.kill()?;
                java.wait()?;
                return Err(error.into());
            }
        };
        self.broker = Some(Running { java, guard });
        self.wait_started(&log)
    }

    fn wait_started(&mut self, log: &Path) -> Result {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(log)?;
            if said.contains(STARTED) {
                return Ok(());
            }
            let Some(running) = &mut self.broker else {
                return Err(Failed::Broken("the broker was stopped".to_owned()));
            };
            let ended = running.java.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                self.kill9()?;
                let lines: Vec<&str> = said.lines().rev().take(20).collect();
                return Err(Failed::Broken(format!(
                    "the broker did not start ({ended:?}): {lines:#?}"
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Stops it in order, as an operator would.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn stop(&mut self) -> Result {
        self.signal("-TERM")?;
        let deadline = Instant::now() + PATIENCE;
        while let Some(running) = &mut self.broker {
            if running.java.try_wait()?.is_some() || Instant::now() > deadline {
                self.kill9()?;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Kills it with no time to do anything.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill9(&mut self) -> Result {
        if let Some(mut running) = self.broker.take() {
            // The guard first: it must not signal a process id that is free again.
            running.guard.kill()?;
            running.guard.wait()?;
            running.java.kill()?;
            running.java.wait()?;
        }
        Ok(())
    }

    /// Holds it still, as a machine that hangs.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn pause(&self) -> Result {
        self.signal("-STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn resume(&self) -> Result {
        self.signal("-CONT")
    }

    /// Takes the newest batch of a partition from a broker that is down, as a disk does that had not written what it said
    /// it had. The broker reads back from what is left which sequence number each producer came to.
    ///
    /// # Errors
    /// If there is none, or the files cannot be changed.
    pub fn lose_last_batch(&self, topic: &str, partition: u32) -> Result {
        let folder = self.data().join(format!("{topic}-{partition}"));
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("log") if path.metadata()?.len() > 0 => segments.push(path),
                Some("snapshot") => std::fs::remove_file(path)?,
                _ => {}
            }
        }
        let newest = segments
            .into_iter()
            .max()
            .ok_or_else(|| Failed::Broken(format!("{} holds no batch", folder.display())))?;
        let kept = last_batch_at(&std::fs::read(&newest)?);
        File::options().write(true).open(&newest)?.set_len(kept)?;
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result {
        let Some(running) = &self.broker else {
            return Ok(());
        };
        let id = running.java.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status()?;
        if status.success() {
            return Ok(());
        }
        Err(Failed::Broken(format!("kill {signal} {id}: {status}")))
    }

    fn format(&self) -> Result {
        let output = self
            .java()
            .args([
                "-cp",
                &self.classpath(),
                "kafka.tools.StorageTool",
                "format",
            ])
            .args(["-t", "d2FyZGxpbmUta2Fma2EtMQ", "-c"])
            .arg(self.dir.path().join("server.properties"))
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Failed::Broken(format!(
            "the broker's folder could not be formatted: {said}"
        )))
    }

    fn java(&self) -> Command {
        let mut command = Command::new("java");
        let logging = self.dir.path().join("log4j2.properties");
        command
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .stdin(Stdio::null());
        command
    }

    fn classpath(&self) -> String {
        format!("{}/*", self.lib.display())
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.kill9().ok();
    }
}

/// Where the last batch of a segment begins. Each begins with its offset (8 bytes) and the length of what follows (4 bytes).
fn last_batch_at(segment: &[u8]) -> u64 {
    let (mut last, mut at) = (0, 0);
    while let Some(length) = segment.get(at + 8..).and_then(|rest| rest.first_chunk()) {
        last = at;
        at += 12 + u32::from_be_bytes(*length) as usize;
    }
    last as u64
}

fn free_port() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// Ends the broker when this process is gone: its input ends then.
fn guard(java: &Child, dir: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            "cat >/dev/null; kill -9 \"$1\"; rm -rf \"$2\"",
            "guard",
        ])
        .arg(java.id().to_string())
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn properties(port: u16, controller: u16, data: &Path) -> String {
    let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.bytes=1048576
log.roll.ms=1000
log.initial.task.delay.ms=500
log.retention.check.interval.ms=500
log.cleaner.backoff.ms=500
log.cleaner.min.cleanable.ratio=0.01
log.cleaner.dedupe.buffer.size=8388608
log.segment.delete.delay.ms=1000
",
        data = data.display()
    )
}
