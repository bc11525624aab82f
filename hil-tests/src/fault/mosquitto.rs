//! Mosquitto from the distribution, without persistence: whatever it acknowledged is gone when it restarts.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::limits::{POLL_MS, START_MS};

#[derive(Debug)]
pub struct Mosquitto {
    address: SocketAddr,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    /// `None` when there is no Mosquitto and none is demanded; that is said on a line.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        if program().is_none() {
            return crate::skip("mosquitto").map(|()| None);
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let port = address.port();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmessage_size_limit 0\n\
             max_queued_messages 100000\nmax_inflight_messages 1000\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config)?;
        let mut broker = Self {
            address,
            folder,
            child: None,
        };
        broker.run().await?;
        Ok(Some(broker))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// kill -9 and a new life that knows nothing.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.end();
        self.run().await
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        let child = Command::new(program().context("mosquitto is not installed")?)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start mosquitto")?;
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_millis(START_MS);
        while std::net::TcpStream::connect(self.address).is_err() {
            if Instant::now() > deadline {
                bail!("mosquitto does not listen on {}", self.address);
            }
            tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.end();
    }
}

/// Debian keeps servers in a folder that is not on everybody's path.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join("mosquitto"))
        .find(|file| file.is_file())
}
