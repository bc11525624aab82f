//! The agent, asked over its own socket.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use wardline_model::status::AgentStatus;

use crate::limits::{POLL_MS, SETTLE_MS};

pub(crate) async fn status(data: &Path) -> anyhow::Result<AgentStatus> {
    let mut text = Vec::new();
    UnixStream::connect(data.join("run").join("agent.sock"))
        .await?
        .read_to_end(&mut text)
        .await?;
    Ok(serde_json::from_slice(&text)?)
}

/// Waits until every event that the agent took is named by a receipt.
pub async fn agent_holds_nothing(data: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_millis(SETTLE_MS);
    loop {
        let now = status(data).await?;
        if now.backlog_events == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "after {SETTLE_MS} ms the agent still holds {} events",
                now.backlog_events
            );
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
}
