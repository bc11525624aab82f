//! A log that fails when told to: unreachable, or appending and then losing the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use wardline_log::{
    Log, LogError, LogId, PartitionOffsets, Position, Reader, Record, SharedLog, Start, TopicInfo,
    TopicSpec,
};

pub struct Flaky {
    inner: SharedLog,
    pub down: AtomicBool,
    /// Offsets are told, but nothing can be read.
    pub unreadable: AtomicBool,
    /// So many appends to `fhir.*` are written and then answered with an unknown end.
    pub lost_answers: AtomicU64,
}

impl Flaky {
    pub fn new(inner: SharedLog) -> Arc<Self> {
        Arc::new(Self {
            inner,
            down: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
            lost_answers: AtomicU64::new(0),
        })
    }

    fn check(&self, fails: bool) -> Result<(), LogError> {
        if self.down.load(Ordering::SeqCst) || fails {
            return Err(LogError::Unavailable {
                doing: "answer",
                why: "the test says so".into(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Log for Flaky {
    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        self.check(false)?;
        self.inner.create_topics(specs).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.check(false)?;
        self.inner.topics().await
    }

    async fn append(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, LogError> {
        self.check(false)?;
        let positions = self.inner.append(topic, records).await?;
        let lose = self
            .lost_answers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_ok();
        self.check(lose)?;
        Ok(positions)
    }

    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError> {
        self.check(false)?;
        self.inner.append_many(batches).await
    }

    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        self.check(false)?;
        self.inner.offsets(topic).await
    }

    async fn id(&self, topic: &str) -> Result<LogId, LogError> {
        self.inner.id(topic).await
    }

    fn atomic_append(&self) -> bool {
        self.inner.atomic_append()
    }

    async fn barrier(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        self.inner.barrier(topic).await
    }

    async fn offsets_at_time(&self, topic: &str, time_ms: i64) -> Result<Vec<Position>, LogError> {
        self.inner.offsets_at_time(topic, time_ms).await
    }

    async fn multi_reader(&self, from: &[Start]) -> Result<Box<dyn Reader>, LogError> {
        self.check(self.unreadable.load(Ordering::SeqCst))?;
        self.inner.multi_reader(from).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.inner.close().await
    }
}
