//! What the agent says about itself: on a unix socket in its run folder, and retained on MQTT.
//!
//! One line of JSON per question, no request needed. Numbers only: nothing that a device said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wardline_model::AgentName;
use wardline_model::status::AgentStatus;
use wardline_mqtt::Meter;
use wardline_service::{Exit, Stop};

use crate::Error;
use crate::clock::{Stamper, UNCERTAINTY_UNKNOWN};
use crate::limits::{
    STATUS_ACCEPT_PAUSE_MS, STATUS_BYTES_MAX, STATUS_CLIENTS_MAX, STATUS_WRITE_TIMEOUT_MS,
};
use crate::store::Store;

/// How many senders are connected.
#[derive(Default)]
pub struct Connections {
    mqtt: Option<Meter>,
    /// Counted by the HL7 listener.
    pub mllp: Arc<AtomicU64>,
}

impl Connections {
    pub fn of(mqtt: Meter) -> Self {
        Self {
            mqtt: Some(mqtt),
            mllp: Arc::default(),
        }
    }

    fn mqtt(&self) -> u64 {
        let stats = self.mqtt.as_ref().map(Meter::stats);
        stats.map_or(0, |stats| stats.connections as u64)
    }
}

/// Where the numbers come from.
pub struct StatusSource {
    pub agent: AgentName,
    pub store: Store,
    pub clock: Stamper,
    pub quota_bytes: u64,
    pub insecure: bool,
    pub connections: Connections,
    /// Is the uplink connected?
    pub online: AtomicBool,
}

impl StatusSource {
    /// `online`: is the uplink connected, as the reader will see it.
    pub fn now(&self, online: bool) -> AgentStatus {
        let held = self.store.held();
        let stamp = self.clock.stamp();
        let known = Some(stamp.uncertainty_ms).filter(|ms| *ms != UNCERTAINTY_UNKNOWN);
        AgentStatus {
            v: 1,
            agent: self.agent.to_string(),
            incarnation: held.incarnation,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            online,
            at_ms: stamp.wall_ms,
            next_seq: held.next_seq,
            oldest_held: held.oldest,
            backlog_events: held.events,
            backlog_bytes: held.bytes,
            quota_bytes: self.quota_bytes,
            refused: held.refused,
            last_event_ms: held.last_event_ms,
            clock_uncertainty_ms: known,
            mqtt_connections: self.connections.mqtt(),
            mllp_connections: self.connections.mllp.load(Ordering::Relaxed),
            insecure: self.insecure,
        }
    }
}

pub fn socket_path(data: &Path) -> PathBuf {
    data.join("run").join("agent.sock")
}

/// Binds the socket. An old file of that name is a dead one: the store's lock has shown that no other agent runs here.
pub fn bind(path: &Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::File {
        what: "cannot open the status socket",
        path: path.display().to_string(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    UnixListener::bind(path).map_err(failed)
}

/// Answers until stopped, then takes the socket away.
pub async fn serve(listener: UnixListener, path: PathBuf, source: Arc<StatusSource>, stop: Stop) {
    let places = Arc::new(Semaphore::new(STATUS_CLIENTS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.stopped() => break,
            accepted = listener.accept() => accepted,
        };
        let (Ok((stream, _)), Ok(place)) = (accepted, Arc::clone(&places).try_acquire_owned())
        else {
            tokio::time::sleep(Duration::from_millis(STATUS_ACCEPT_PAUSE_MS)).await;
            continue;
        };
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            let answer = answer(stream, &source);
            // A reader that does not read loses its answer, nothing else.
            timeout(Duration::from_millis(STATUS_WRITE_TIMEOUT_MS), answer)
                .await
                .ok();
            drop(place);
        });
    }
    std::fs::remove_file(&path).ok();
}

async fn answer(mut stream: UnixStream, source: &StatusSource) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&source.now(source.online.load(Ordering::Relaxed)))?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}

/// Asks a running agent.
pub async fn ask(path: &Path) -> Result<AgentStatus, Error> {
    let failed = |why: String| Error::Status {
        path: path.display().to_string(),
        why,
    };
    let read = async {
        let stream = UnixStream::connect(path).await?;
        let mut line = Vec::new();
        stream.take(STATUS_BYTES_MAX).read_to_end(&mut line).await?;
        Ok::<_, std::io::Error>(line)
    };
    let line = timeout(Duration::from_millis(STATUS_WRITE_TIMEOUT_MS), read)
        .await
        .map_err(|_| failed("no answer".to_owned()))?
        .map_err(|e| failed(e.to_string()))?;
    serde_json::from_slice(&line).map_err(|e| failed(e.to_string()))
}

/// `wardline-agent status`.
///
/// # Errors
/// No agent answers.
pub async fn print(data: &Path, json: bool) -> anyhow::Result<Exit> {
    println!("{}", report(data, json).await?);
    Ok(Exit::Done)
}

/// The running agent's status for people, or as one JSON object.
pub async fn report(data: &Path, json: bool) -> anyhow::Result<String> {
    let status = ask(&socket_path(data)).await.map_err(Error::into_anyhow)?;
    Ok(if json {
        serde_json::to_string(&status)?
    } else {
        text(&status)
    })
}

fn text(status: &AgentStatus) -> String {
    let when =
        |ms: Option<i64>| ms.map_or_else(|| "never".to_owned(), wardline_model::time::rfc3339);
    let clock = status.clock_uncertainty_ms.map_or_else(
        || "not known to be right".to_owned(),
        |ms| format!("within {ms} ms"),
    );
    let rows = [
        ("agent", format!("{} {}", status.agent, status.version)),
        ("incarnation", status.incarnation.to_string()),
        (
            "uplink",
            if status.online {
                "connected"
            } else {
                "not connected"
            }
            .to_owned(),
        ),
        ("taken in", status.next_seq.saturating_sub(1).to_string()),
        (
            "held",
            format!(
                "{} events, {} bytes of {}",
                status.backlog_events, status.backlog_bytes, status.quota_bytes
            ),
        ),
        ("refused", status.refused.to_string()),
        ("last event", when(status.last_event_ms)),
        ("clock", clock),
        (
            "connections",
            format!(
                "{} MQTT, {} MLLP",
                status.mqtt_connections, status.mllp_connections
            ),
        ),
        ("insecure", status.insecure.to_string()),
    ];
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("{name:<12} {value}"))
        .collect();
    lines.join("\n")
}
