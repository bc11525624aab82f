//! A log that does as it is told: holds appends back, fails them, or writes and says that it failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use wardline_log::{
    Log, LogError, LogId, PartitionOffsets, Position, Reader, Record, SharedLog, Start, TopicInfo,
    TopicSpec,
};
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES};

pub struct Faulty {
    inner: SharedLog,
    open: watch::Sender<bool>,
    /// Appends of frames to come that fail without writing, and that write and then fail.
    pub fail: AtomicUsize,
    pub fail_after: AtomicUsize,
    pub appends: AtomicUsize,
    pub waiting: AtomicUsize,
    /// Appends to `fhir.*` fail for good.
    pub refuse_fhir: AtomicBool,
}

impl Faulty {
    pub fn around(inner: SharedLog) -> Arc<Self> {
        Arc::new(Self {
            inner,
            open: watch::Sender::new(true),
            fail: AtomicUsize::new(0),
            fail_after: AtomicUsize::new(0),
            appends: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            refuse_fhir: AtomicBool::new(false),
        })
    }

    pub fn hold(&self) {
        self.open.send_replace(false);
    }

    pub fn release(&self) {
        self.open.send_replace(true);
    }

    async fn gate(&self) -> Result<(), LogError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.appends.fetch_add(1, Ordering::SeqCst);
        if take(&self.fail) {
            Err(unavailable())
        } else {
            Ok(())
        }
    }

    fn end<T>(&self, done: T) -> Result<T, LogError> {
        if take(&self.fail_after) {
            Err(unavailable())
        } else {
            Ok(done)
        }
    }
}

fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

fn unavailable() -> LogError {
    LogError::Unavailable {
        doing: "append",
        why: "told to fail".to_owned(),
    }
}

#[async_trait]
impl Log for Faulty {
    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        self.inner.create_topics(specs).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.inner.topics().await
    }

    async fn append(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, LogError> {
        if topic != EDGE_FRAMES {
            return self.inner.append(topic, records).await;
        }
        self.gate().await?;
        let done = self.inner.append(topic, records).await?;
        self.end(done)
    }

    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError> {
        if self.refuse_fhir.load(Ordering::SeqCst)
            && batches.iter().any(|(topic, _)| topic == BRIDGE_STATE)
        {
            return Err(LogError::Closed);
        }
        self.gate().await?;
        let done = self.inner.append_many(batches).await?;
        self.end(done)
    }

    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
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
        self.inner.multi_reader(from).await
    }

    async fn close(&self) -> Result<(), LogError> {
        // The tests that hold appends back also close: nothing may hang then.
        self.release();
        tokio::time::timeout(Duration::from_secs(30), self.inner.close())
            .await
            .unwrap()
    }
}
