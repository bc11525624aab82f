//! The log in one redb file: one thread writes and syncs, readers take short snapshots.
//!
//! What it keeps true (docs/specs/embedded-log.md has the rules):
//! - an append is answered after the sync of the commit that holds all of it, and one sync serves all who waited;
//! - an append that failed is not in the log, neither now nor after the file was opened again;
//! - a reader never waits for a writer, and a writer never for a reader, except while the file is opened again;
//! - nothing here blocks the async runtime: writes have their thread, reads run as blocking tasks.

mod append;
mod block;
mod committer;
mod compact;
mod file;
mod maintain;
mod reader;
mod state;
mod tables;

use std::path::Path;
use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};
use wardline_disk::Disk;

pub use file::{FILE_NAME, KIND, disk};
pub use maintain::{Maintenance, Removed};

use append::{Append, Positions};
use committer::{Command, Committer};
use reader::{EmbeddedReader, Source};
use state::Shared;

use wardline_service::SharedClock;

use crate::check::Load;
use crate::limits::{PENDING_BYTES_MAX, RECORD_OVERHEAD_BYTES};
use crate::{
    Log, LogError, LogId, PartitionOffsets, Position, Reader, Record, Start, TopicInfo, TopicSpec,
};

/// What can be chosen when the log is opened.
#[derive(Clone)]
pub struct Options {
    /// Make the folder and the file if they are missing.
    pub create: bool,
    /// Run a background maintenance pass every minute.
    pub background: bool,
    /// Dates blocks, for retention by time and the grace of tombstones.
    pub clock: SharedClock,
}

impl Options {
    /// Made if missing, and kept small in the background.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self {
            create: true,
            background: true,
            clock,
        }
    }
}

/// The embedded engine.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    /// One permit is a KiB that waits for its commit.
    pending: Arc<Semaphore>,
}

impl EmbeddedLog {
    /// Opens the log of a folder, and makes it if there is none. Blocks for as long as a repair after a crash takes.
    ///
    /// # Errors
    /// `Disk`, and `Unavailable` if the system does not let us.
    pub fn open(dir: &Path, clock: SharedClock) -> Result<Arc<Self>, LogError> {
        Self::open_with(dir, Options::new(clock))
    }

    /// Opens a log that must be there, as in a stopped data folder.
    ///
    /// # Errors
    /// `Disk` also if there is none, and what `open` says.
    pub fn open_existing(dir: &Path, clock: SharedClock) -> Result<Arc<Self>, LogError> {
        let options = Options {
            create: false,
            background: false,
            ..Options::new(clock)
        };
        Self::open_with(dir, options)
    }

    /// Opens with chosen options.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(dir: &Path, options: Options) -> Result<Arc<Self>, LogError> {
        Self::open_on(disk(dir), options)
    }

    /// Opens the log of a disk, which may be a simulated one.
    ///
    /// # Errors
    /// As `open`.
    #[allow(
        clippy::disallowed_methods,
        reason = "what waits in it is bounded by the permits of PENDING_BYTES_MAX"
    )]
    pub fn open_on(disk: impl Disk, options: Options) -> Result<Arc<Self>, LogError> {
        let file = file::open(disk, options.create)?;
        let shared = Arc::new(Shared::new(file)?);
        let (commands, queue) = mpsc::channel();
        let committer = Committer::new(
            Arc::clone(&shared),
            queue,
            options.clock,
            options.background,
        );
        std::thread::Builder::new()
            .name("log-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| LogError::Unavailable {
                doing: "start its thread",
                why: error.to_string(),
            })?;
        Ok(Arc::new(Self {
            shared,
            commands,
            pending: Arc::new(Semaphore::new(PENDING_BYTES_MAX / 1024)),
        }))
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Command,
    ) -> Result<T, LogError> {
        self.shared.check_open()?;
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply));
        // The thread ends when it is closed, and never before.
        sent.map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    /// A full retention and compaction pass; one that wears the disk less runs by itself every minute.
    ///
    /// # Errors
    /// The first thing that went wrong; the pass goes on where it can.
    pub async fn maintain(&self) -> Result<Maintenance, LogError> {
        self.ask(Command::Maintain).await
    }

    async fn append_all(&self, batches: Vec<(String, Vec<Record>)>) -> Result<Positions, LogError> {
        let mut of_topics = Vec::with_capacity(batches.len());
        let mut load = Load::default();
        for (name, records) in batches {
            let topic = self.shared.topic(&name)?;
            load.add(&name, topic.cleanup().kind(), &records)?;
            of_topics.push((topic, records));
        }
        if of_topics.iter().all(|(_, records)| records.is_empty()) {
            return Ok(of_topics.iter().map(|_| Vec::new()).collect());
        }
        // At most 32 MiB and 50,000 records, so less than all permits: always to be had.
        let bytes = load.bytes + load.records * RECORD_OVERHEAD_BYTES;
        let permits = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.pending).acquire_many_owned(permits).await;
        let permit = permit.map_err(|_| LogError::Closed)?;
        self.ask(|reply| {
            Command::Append(Append {
                batches: of_topics,
                bytes: load.bytes,
                reply,
                permit,
            })
        })
        .await
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn id(&self, topic: &str) -> Result<LogId, LogError> {
        let topic = self.shared.topic(topic)?;
        Ok(LogId::new(format!("{:032x}/{}", self.shared.id, topic.id)))
    }

    fn atomic_append(&self) -> bool {
        true
    }

    async fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        self.ask(|reply| Command::Create(specs.to_vec(), reply))
            .await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.shared.check_open()?;
        let topics = self.shared.topics().into_iter().map(|topic| TopicInfo {
            name: topic.name.clone(),
            partitions: topic.count(),
            cleanup: topic.cleanup().kind(),
        });
        Ok(topics.collect())
    }

    async fn append_many(
        &self,
        batches: Vec<(String, Vec<Record>)>,
    ) -> Result<Vec<Vec<Position>>, LogError> {
        self.append_all(batches).await
    }

    async fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        let topic = self.shared.topic(topic)?;
        let rows = (0_u32..).zip(&topic.partitions);
        Ok(rows
            .map(|(partition, state)| {
                let row = state.row();
                PartitionOffsets {
                    partition,
                    start: row.start,
                    end: row.end,
                }
            })
            .collect())
    }

    async fn barrier(&self, topic: &str) -> Result<Vec<PartitionOffsets>, LogError> {
        // What waits is committed before the thread comes to this; what failed is not in the log.
        self.ask(Command::Barrier).await?;
        self.offsets(topic).await
    }

    async fn offsets_at_time(&self, topic: &str, time_ms: i64) -> Result<Vec<Position>, LogError> {
        let (shared, topic) = (Arc::clone(&self.shared), self.shared.topic(topic)?);
        let find = move || {
            let find = |partition| {
                let at = (topic.id, partition);
                let offset =
                    shared.with_db("find a time", |db| reader::offset_at_time(db, at, time_ms));
                offset.map(|offset| Position { partition, offset })
            };
            (0..topic.count()).map(find).collect()
        };
        let found = tokio::task::spawn_blocking(find).await;
        found.map_err(|_| LogError::Closed)?
    }

    async fn multi_reader(&self, from: &[Start]) -> Result<Box<dyn Reader>, LogError> {
        let sources = from.iter().map(|start| {
            let topic = self.shared.topic(&start.topic)?;
            Source::new(topic, start.partition, start.from)
        });
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(EmbeddedReader::new(shared, sources)))
    }

    async fn close(&self) -> Result<(), LogError> {
        match self.ask(Command::Close).await {
            Err(LogError::Closed) => Ok(()),
            other => other,
        }
    }
}

/// The topics of `specs` that are new or have other settings; checks all of them first.
fn topics_change(shared: &Shared, specs: &[TopicSpec]) -> Result<Vec<TopicSpec>, LogError> {
    let mut change: Vec<TopicSpec> = Vec::new();
    for spec in specs {
        spec.check()?;
        let known = match shared.topic(&spec.name) {
            Ok(topic) => Some((topic.count(), topic.cleanup())),
            Err(LogError::UnknownTopic { .. }) => None,
            Err(other) => return Err(other),
        };
        match known {
            Some((found, _)) if found != spec.partitions => {
                return Err(LogError::PartitionMismatch {
                    topic: spec.name.clone(),
                    found,
                    wanted: spec.partitions,
                });
            }
            Some((_, cleanup)) if cleanup == spec.cleanup => {}
            _ => {
                // Twice in one call: the later settings hold.
                change.retain(|other| other.name != spec.name);
                change.push(spec.clone());
            }
        }
    }
    Ok(change)
}
