//! A log that does as it is told: away, silent, replaced by another, holding appends back, failing them, or writing
//! them and saying that it failed, at once or while they are still on their way.
//!
//! It stands in front of a real log, so what was written is really there and can be read back and counted. Faults are
//! chosen by the number of the append or by a switch, never by time or chance: a test that fails, fails every time.
//! Closing lets go of what is held back, so that no test hangs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use wardline_log::{
    Batch, Log, LogError, LogId, PartitionOffsets, Position, Reader, Record, SharedLog, Start,
    TopicInfo, TopicSpec,
};

/// What becomes of one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing goes wrong.
    None,
    /// Nothing is written, and `Unavailable` says so.
    Refused,
    /// It is written, and `Unavailable` is the answer all the same.
    AnswerLost,
    /// The same, and offsets do not show it before a barrier is asked for: it was still on its way.
    InFlight,
    /// Nothing is written, and the log is closed for the one who asked.
    Closed,
    /// Nothing is written, and no answer ever comes, as from a cluster that is away.
    Silence,
}

/// Decides by the number of the append (from 0) and what it carries.
pub type Decide = Box<dyn Fn(usize, &[(String, Vec<Record>)]) -> Fault + Send + Sync>;

/// Stands in front of a real log.
pub struct FaultyLog {
    inner: RwLock<SharedLog>,
    controls: Arc<Controls>,
    decide: Option<Decide>,
    only: Option<String>,
    atomic: Option<bool>,
    /// By topic, what offsets say while appends are on their way.
    known: Mutex<BTreeMap<String, Vec<PartitionOffsets>>>,
    /// Appends to come that are refused.
    pub refuse: AtomicUsize,
    /// Appends to come that are written, and whose answer is lost.
    pub lose_answers: AtomicUsize,
    /// Appends that were let through or failed.
    pub appends: AtomicUsize,
    /// Appends that are held back now.
    pub waiting: AtomicUsize,
}

struct Controls {
    down: AtomicBool,
    unreadable: AtomicBool,
    silent: AtomicBool,
    /// How often the log was replaced: readers of an earlier one fail.
    life: AtomicUsize,
    open: watch::Sender<bool>,
}

impl FaultyLog {
    /// Nothing goes wrong yet.
    pub fn new(inner: SharedLog) -> Self {
        Self {
            inner: RwLock::new(inner),
            controls: Arc::new(Controls {
                down: AtomicBool::new(false),
                unreadable: AtomicBool::new(false),
                silent: AtomicBool::new(false),
                life: AtomicUsize::new(0),
                open: watch::Sender::new(true),
            }),
            decide: None,
            only: None,
            atomic: None,
            known: Mutex::default(),
            refuse: AtomicUsize::new(0),
            lose_answers: AtomicUsize::new(0),
            appends: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Faults of appends by decision.
    #[must_use]
    pub fn deciding(mut self, decide: Decide) -> Self {
        self.decide = Some(decide);
        self
    }

    /// Only appends that begin with this topic are counted, held and failed.
    #[must_use]
    pub fn only(mut self, topic: &str) -> Self {
        self.only = Some(topic.to_owned());
        self
    }

    /// Says that an append over several topics is no single commit.
    #[must_use]
    pub fn not_atomic(mut self) -> Self {
        self.atomic = Some(false);
        self
    }

    /// Every call fails while it is away, those of its readers as well.
    pub fn set_down(&self, down: bool) {
        self.controls.down.store(down, Ordering::SeqCst);
    }

    /// Offsets are told, but no reader can be had.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.controls.unreadable.store(unreadable, Ordering::SeqCst);
    }

    /// Readers give nothing, whatever the offsets say.
    pub fn set_silent(&self, silent: bool) {
        self.controls.silent.store(silent, Ordering::SeqCst);
    }

    /// Another log takes the place of this one; readers of the old one fail.
    pub fn replace(&self, other: SharedLog) {
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = other;
        self.controls.life.fetch_add(1, Ordering::SeqCst);
    }

    /// Appends wait from now on.
    pub fn hold(&self) {
        self.controls.open.send_replace(false);
    }

    /// Appends go on.
    pub fn release(&self) {
        self.controls.open.send_replace(true);
    }

    fn inner(&self) -> Result<SharedLog, LogError> {
        self.controls.check()?;
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(&inner))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Vec<PartitionOffsets>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while appends are held back, and says what becomes of this one.
    async fn fault(&self, batches: &[(String, Vec<Record>)]) -> Result<Fault, LogError> {
        let counted = |only: &String| batches.first().is_some_and(|(topic, _)| topic == only);
        if !self.only.as_ref().is_none_or(counted) {
            return Ok(Fault::None);
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut open = self.controls.open.subscribe();
        let held = open.wait_for(|open| *open).await.map(|_| ());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        held.map_err(|_| LogError::Closed)?;
        let number = self.appends.fetch_add(1, Ordering::SeqCst);
        Ok(match &self.decide {
            Some(decide) => decide(number, batches),
            None if take(&self.refuse) => Fault::Refused,
            None if take(&self.lose_answers) => Fault::AnswerLost,
            None => Fault::None,
        })
    }
}

impl Controls {
    fn check(&self) -> Result<(), LogError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(unavailable("answer"));
        }
        Ok(())
    }
}

fn take(left: &AtomicUsize) -> bool {
    let one_less = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok()
}

fn unavailable(doing: &'static str) -> LogError {
    LogError::Unavailable {
        doing,
        why: "the test says so".to_owned(),
    }
}

#[async_trait]
impl Log for FaultyLog {
    async fn id(&self, topic: &str) -> Result<LogId, LogError> {
        self.inner()?.id(topic).await
    }

    fn atomic_append(&self) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        self.atomic.unwrap_or_else(|| inner.atomic_append())
    }

    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        self.inner()?.create_topics(specs).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.inner()?.topics().await
    }

    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError> {
        let inner = self.inner()?;
        match self.fault(&batches).await? {
            Fault::None => inner.append_many(batches).await,
            Fault::Refused => Err(unavailable("append")),
            Fault::Closed => Err(LogError::Closed),
            Fault::Silence => std::future::pending().await,
            fault @ (Fault::AnswerLost | Fault::InFlight) => {
                for (topic, _) in batches.iter().filter(|_| fault == Fault::InFlight) {
                    let before = inner.offsets(topic).await?;
                    self.known().entry(topic.clone()).or_insert(before);
                }
                inner.append_many(batches).await?;
                Err(unavailable("append"))
            }
        }
    }

    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        let inner = self.inner()?;
        if let Some(known) = self.known().get(topic) {
            return Ok(known.clone());
        }
        inner.offsets(topic).await
    }

    async fn barrier(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        let inner = self.inner()?;
        self.known().remove(topic);
        inner.barrier(topic).await
    }

    async fn offsets_at_time(&self, topic: &str, time_ms: i64) -> Result<Vec<Position>, LogError> {
        self.inner()?.offsets_at_time(topic, time_ms).await
    }

    async fn multi_reader(&self, from: &[Start]) -> Result<Box<dyn Reader>, LogError> {
        let inner = self.inner()?;
        if self.controls.unreadable.load(Ordering::SeqCst) {
            return Err(unavailable("read"));
        }
        Ok(Box::new(FaultyReader {
            inner: inner.multi_reader(from).await?,
            controls: Arc::clone(&self.controls),
            life: self.controls.life.load(Ordering::SeqCst),
        }))
    }

    async fn close(&self) -> Result<(), LogError> {
        // Whoever holds appends also closes: nothing may hang then.
        self.release();
        let inner = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&inner)
        };
        inner.close().await
    }
}

struct FaultyReader {
    inner: Box<dyn Reader>,
    controls: Arc<Controls>,
    life: usize,
}

#[async_trait]
impl Reader for FaultyReader {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Option<Batch>, LogError> {
        self.controls.check()?;
        if self.life != self.controls.life.load(Ordering::SeqCst) {
            return Err(unavailable("read"));
        }
        if self.controls.silent.load(Ordering::SeqCst) {
            tokio::time::sleep(wait).await;
            return Ok(None);
        }
        self.inner.next(max, wait).await
    }
}
