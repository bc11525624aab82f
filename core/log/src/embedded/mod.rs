//! The log in one redb file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Log, LogError, Maintenance, PartitionOffsets, Position, Reader, Record, TopicInfo, TopicSpec,
};

/// The embedded engine.
pub struct EmbeddedLog;

impl EmbeddedLog {
    /// Opens the log of a folder, and makes it if there is none.
    ///
    /// # Errors
    /// `Locked`, `Damaged`, `NewerVersion`, `Storage`.
    pub fn open(_dir: &Path) -> Result<Arc<Self>, LogError> {
        Err(LogError::Closed)
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn create_topics(&self, _specs: &[TopicSpec]) -> Result<(), LogError> {
        Err(LogError::Closed)
    }
    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        Err(LogError::Closed)
    }
    async fn append(&self, _: &str, _: Vec<Record>) -> Result<Vec<Position>, LogError> {
        Err(LogError::Closed)
    }
    async fn append_many(
        &self,
        _: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError> {
        Err(LogError::Closed)
    }
    async fn offsets(&self, _: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        Err(LogError::Closed)
    }
    async fn reader(&self, _: &str, _: u32, _: u64) -> Result<Box<dyn Reader>, LogError> {
        Err(LogError::Closed)
    }
    async fn maintain(&self) -> Result<Maintenance, LogError> {
        Err(LogError::Closed)
    }
    async fn close(&self) -> Result<(), LogError> {
        Ok(())
    }
}
