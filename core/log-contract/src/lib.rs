//! For tests only: the suite that every engine passes, the broker that the Kafka engine is tested against, and a log that
//! fails when told to.
//!
//! Cases return what went wrong instead of panicking, so that a bench can run them as well as a test. Each gets a log
//! of its own from `make`. A case waits for conditions, up to `PATIENCE`; it never assumes a duration.

mod cases;
mod cleanup;
pub mod crash;
mod faulty_log;
mod kafka_jars;
pub mod kafka_server;
mod seam;

use std::sync::Arc;
use std::time::Duration;

use wardline_log::embedded::EmbeddedLog;
use wardline_log::follow::Scan;
use wardline_log::{
    Cleanup, Entry, Headers, Log, LogError, PartitionOffsets, Record, SharedLog, TopicSpec,
};

pub use faulty_log::{Decide, Fault, FaultyLog};

/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Why a case did not hold.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The engine did something else than promised.
    #[error("{0}")]
    Broken(String),
    /// The engine refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The surroundings failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Whether a case held, and what it found.
pub type Result<T = (), E = Failed> = std::result::Result<T, E>;

/// A log under test, and what makes it clean up.
pub struct Tested {
    /// The log.
    pub log: SharedLog,
    /// Cleans up when told to; `None`: by itself, soon.
    pub embedded: Option<Arc<EmbeddedLog>>,
}

impl Tested {
    async fn clean(&self) -> Result<(), LogError> {
        if let Some(embedded) = &self.embedded {
            embedded.maintain().await?;
        }
        Ok(())
    }
}

/// Runs all cases that hold for every engine beside each other, each on a log of its own: most of them wait for the engine.
///
/// # Errors
/// The first case that did not hold, with its name.
pub async fn suite(make: impl AsyncFn() -> Result<Tested, LogError>) -> Result {
    macro_rules! run {
        ($($case:path),* $(,)?) => {
            tokio::try_join!($(async {
                named(stringify!($case), $case(&make().await?).await)
            }),*)
        };
    }
    run!(
        cases::lg1_topics_are_made_once,
        cases::lg9_wrong_calls_are_typed_errors,
        cases::lg4_what_was_appended_is_read_back,
        cases::lg5_several_topics_at_once,
        cases::lg6_order_holds_under_concurrent_appends,
        cases::lg7_readers_are_independent,
        cases::lg8_the_tail_wakes,
        cases::lg9_outside_is_out_of_range,
        seam::lg7_one_reader_reads_many_partitions,
        seam::lg100_an_identity_stays_and_differs,
        seam::lg101_a_barrier_is_behind_what_was_appended_and_nobody_reads_it,
        seam::lg103_offsets_are_found_by_the_time_of_writing,
        cleanup::lg40_retention_moves_the_start,
        cleanup::lg50_compaction_keeps_the_newest,
        cases::lg2_closed_is_closed,
    )
    .map(drop)
}

fn named(case: &str, held: Result) -> Result {
    held.map_err(|failed| Failed::Broken(format!("{case}: {failed}")))
}

/// Fails with `why` unless `holds`.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result {
    if holds {
        Ok(())
    } else {
        Err(Failed::Broken(why()))
    }
}

pub(crate) fn spec(name: &str, partitions: u32, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        cleanup,
    }
}

pub(crate) const KEEP: Cleanup = Cleanup::Delete {
    retention_bytes: None,
    retention_ms: None,
};

pub(crate) fn record(key: &str, value: impl AsRef<[u8]>) -> Record {
    Record {
        key: Some(key.as_bytes().to_vec().into()),
        value: Some(value.as_ref().to_vec().into()),
        headers: Headers::new(),
        time_ms: 1_700_000_000_000,
    }
}

/// Bytes that do not compress, the same for the same seed.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// Reads a partition from `from` to its end.
///
/// # Errors
/// What the log says, or that the end was not reached in time.
pub async fn read_all(
    log: &dyn Log,
    topic: &str,
    partition: u32,
    from: u64,
) -> Result<Vec<Entry>, LogError> {
    let offsets = log.offsets(topic).await?;
    let mut entries = Vec::new();
    if let Some(range) = offsets.get(partition as usize) {
        let start = range.start.max(from);
        let mut scan = Scan::new(log, topic, PartitionOffsets { start, ..*range });
        while let Some(more) = scan.next().await? {
            entries.extend(more);
        }
    }
    Ok(entries)
}
