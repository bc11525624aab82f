//! Which log: one line of configuration, `embedded` or `kafka://host:9092,host2:9092`.

use std::path::{Path, PathBuf};

use crate::{LogError, SharedLog};

/// What Kafka topics of an installation begin with, unless configured.
pub const KAFKA_PREFIX: &str = "wardline.";

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
    /// Reads `embedded` (which lives in `dir`) or `kafka://host:port,...`.
    ///
    /// # Errors
    /// `Target`, which says what is allowed.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, LogError> {
        let wrong = |why: &str| LogError::Target {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        if text == "embedded" {
            return Ok(Self::Embedded {
                dir: dir.to_owned(),
            });
        }
        let Some(brokers) = text.strip_prefix("kafka://") else {
            return Err(wrong(
                "allowed are \"embedded\" and \"kafka://host:9092,host2:9092\"",
            ));
        };
        let brokers = brokers.trim_end_matches('/');
        for broker in brokers.split(',') {
            let port = broker
                .rsplit_once(':')
                .filter(|(host, _)| !host.is_empty())
                .and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                return Err(wrong(
                    "every broker needs host:port, as in kafka://host:9092",
                ));
            }
        }
        Ok(Self::Kafka {
            brokers: brokers.to_owned(),
            prefix: KAFKA_PREFIX.to_owned(),
        })
    }

    /// The same log with another topic prefix; the embedded engine has none.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        match self {
            Self::Kafka { brokers, .. } => Self::Kafka {
                brokers,
                prefix: prefix.to_owned(),
            },
            embedded @ Self::Embedded { .. } => embedded,
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

/// Opens the log.
///
/// # Errors
/// What keeps the engine from starting; `Unavailable` may pass.
pub async fn open(target: &Target) -> Result<SharedLog, LogError> {
    match target {
        Target::Embedded { dir } => {
            let dir = dir.clone();
            let log = tokio::task::spawn_blocking(move || crate::embedded::EmbeddedLog::open(&dir))
                .await
                .map_err(|_| LogError::Closed)??;
            Ok(log)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lg2_targets_are_read_or_explained() {
        let dir = Path::new("/d");
        assert_eq!(
            Target::parse("embedded", dir).unwrap(),
            Target::Embedded { dir: dir.into() }
        );
        assert_eq!(
            Target::parse("kafka://a:9092,b:9093", dir).unwrap(),
            Target::Kafka {
                brokers: "a:9092,b:9093".to_owned(),
                prefix: "wardline.".to_owned()
            }
        );
        for wrong in [
            "",
            "redis://x",
            "kafka://",
            "kafka://a",
            "kafka://a:0",
            "kafka://a:1,",
        ] {
            assert!(
                matches!(Target::parse(wrong, dir), Err(LogError::Target { .. })),
                "{wrong}"
            );
        }
    }
}
