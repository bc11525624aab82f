//! Which log, and where. Its grammar is `LogUrl`'s.

use std::path::{Path, PathBuf};

use wardline_service::{LogUrl, SharedClock};

use crate::{LogError, SharedLog};

/// Which engine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The redb engine in a folder of its own.
    Embedded {
        /// The folder; made if missing.
        dir: PathBuf,
    },
    /// A Kafka cluster.
    Kafka {
        /// `host:port` of some brokers, comma separated.
        brokers: String,
        /// What topic names begin with.
        prefix: String,
    },
}

impl Target {
    /// The log that was configured: the embedded one lives in `dir`, Kafka's topics begin with `prefix`.
    #[must_use]
    pub fn new(url: &LogUrl, dir: &Path, prefix: &str) -> Self {
        match url {
            LogUrl::Embedded => Self::Embedded {
                dir: dir.to_owned(),
            },
            LogUrl::Kafka(brokers) => Self::Kafka {
                brokers: brokers.clone(),
                prefix: prefix.to_owned(),
            },
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded { dir } => write!(f, "embedded ({})", dir.display()),
            Self::Kafka { brokers, .. } => write!(f, "kafka://{brokers}"),
        }
    }
}

/// Opens the log. The clock dates what an embedded log writes; a cluster has its own.
///
/// # Errors
/// What keeps the engine from starting; `Unavailable` may pass.
pub async fn open(target: &Target, clock: SharedClock) -> Result<SharedLog, LogError> {
    match target {
        Target::Embedded { dir } => {
            let dir = dir.clone();
            let open = move || crate::embedded::EmbeddedLog::open(&dir, clock);
            let opened = tokio::task::spawn_blocking(open).await;
            Ok(opened.map_err(|_| LogError::Closed)??)
        }
        #[cfg(feature = "kafka")]
        Target::Kafka { brokers, prefix } => {
            let log = crate::kafka::KafkaLog::open(brokers, prefix).await?;
            Ok(log)
        }
        #[cfg(not(feature = "kafka"))]
        Target::Kafka { .. } => Err(LogError::Target {
            text: target.to_string(),
            why: "this build has no Kafka engine; use \"embedded\" or the full build".to_owned(),
        }),
    }
}
