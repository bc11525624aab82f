//! A client that asks for views all the while, over every kill: its answers never go back in version, and none shows less
//! than an answer before it without saying that it is catching up (P10).

use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wardline_api::{Beds, Devices, Freshness};

use crate::check::get;
use crate::limits::POLL_MS;

/// What the answers came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answers {
    pub answered: u64,
    /// Of them so many said that something was missing.
    pub catching_up: u64,
    version: u64,
    /// Beds and devices are never taken away here, so that less of them is an answer about the past.
    rows: [usize; 2],
}

impl Answers {
    fn note(&mut self, fresh: &Freshness, rows: [usize; 2]) -> anyhow::Result<()> {
        let Freshness {
            version: Some(version),
            catching_up: Some(catching_up),
            ..
        } = fresh
        else {
            bail!("an answer says neither version nor catching_up");
        };
        ensure!(
            *version >= self.version,
            "P10: version {} was answered, and {version} after it",
            self.version
        );
        self.version = *version;
        self.answered += 1;
        if *catching_up {
            self.catching_up += 1;
            return Ok(());
        }
        for (row, known) in rows.into_iter().zip(&mut self.rows) {
            ensure!(
                row >= *known,
                "P10: {known} rows were answered, and {row} after it, not catching up: {fresh:?}"
            );
            *known = row;
        }
        Ok(())
    }
}

pub struct Asker {
    api: watch::Sender<Option<String>>,
    stop: watch::Sender<bool>,
    asking: JoinHandle<anyhow::Result<Answers>>,
}

impl Asker {
    pub fn start() -> Self {
        let (api, at) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        Self {
            api,
            stop,
            asking: tokio::spawn(ask(at, stopped)),
        }
    }

    /// Where the API listens now.
    pub fn point_to(&self, api: Option<String>) {
        self.api.send_replace(api);
    }

    /// # Errors
    /// What an answer said that it must not.
    pub async fn stop(self) -> anyhow::Result<Answers> {
        self.stop.send_replace(true);
        self.asking.await?
    }
}

async fn ask(
    api: watch::Receiver<Option<String>>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    while !*stop.borrow() {
        let url = api.borrow().clone();
        if let Some(url) = url {
            // No answer, or "not yet", is no wrong answer.
            if let Ok(beds) = get::<Beds>(&url, "/api/v1/beds").await {
                answers.note(&beds.fresh, [beds.beds.len(), answers.rows[1]])?;
            }
            if let Ok(devices) = get::<Devices>(&url, "/api/v1/devices").await {
                answers.note(&devices.fresh, [answers.rows[0], devices.devices.len()])?;
            }
        }
        tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
    }
    Ok(answers)
}
