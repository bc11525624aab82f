//! The log in a Kafka cluster.

use std::sync::Arc;

use crate::LogError;

/// The Kafka engine.
pub struct KafkaLog;

impl KafkaLog {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// `Unavailable` if no broker answers.
    pub async fn open(
        _brokers: &str,
        _prefix: &str,
    ) -> Result<Arc<crate::embedded::EmbeddedLog>, LogError> {
        Err(LogError::Closed)
    }
}
