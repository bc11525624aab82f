//! What can go wrong in the aggregator, and whose fault it is.
//!
//! `Log` is the log's own matter (it says itself whether a retry helps), `Disk` the state file's: the fold keeps what it
//! has in memory, opens the file again and repeats the commit, whose values are absolute. Everything else needs a person.

use std::net::SocketAddr;

use wardline_disk::DiskError;
use wardline_log::LogError;

#[derive(Debug, thiserror::Error)]
pub enum AggregatorError {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("state file: {0}")]
    Disk(DiskError),
    #[error("bed list: {0}")]
    Beds(String),
    #[error("cannot listen on {address}: {why}; free the address or set aggregator.api.listen")]
    Listen { address: SocketAddr, why: String },
    /// A test's fault point was reached: the task ends where a crash would have ended it.
    #[error("stopped at the fault point {0}")]
    Fault(&'static str),
    #[error("a task ended unexpectedly: {0}")]
    Task(String),
}

impl AggregatorError {
    /// Whether the same step can succeed later without anyone changing anything.
    pub fn retriable(&self) -> bool {
        match self {
            Self::Log(error) => error.retriable(),
            Self::Disk(error) => error.retriable(),
            _ => false,
        }
    }

    /// Whether what is on disk is the matter (exit code 3).
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_damage(),
            Self::Disk(error) => error.is_damage(),
            _ => false,
        }
    }
}

impl From<DiskError> for AggregatorError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<tokio::task::JoinError> for AggregatorError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Task(error.to_string())
    }
}
