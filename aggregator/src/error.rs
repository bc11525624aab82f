//! What can go wrong in the aggregator, and whose fault it is.
//!
//! `Log` is the log's own matter (it says itself whether a retry helps), `Store` the state file's: the fold keeps what it
//! has in memory, opens the file again and repeats the commit, whose values are absolute. Everything else needs a person.

use std::net::SocketAddr;
use std::path::PathBuf;

use wardline_log::LogError;

#[derive(Debug, thiserror::Error)]
pub enum AggregatorError {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("state file {path}: cannot {doing}: {why}", path = path.display())]
    Store {
        path: PathBuf,
        doing: &'static str,
        why: String,
    },
    #[error("state file {path} is in use by another process; stop it, or give this one another data folder", path = path.display())]
    StoreLocked { path: PathBuf },
    #[error(
        "state file {path} is damaged: {what}; move it away and start again: the state is computed anew from the log",
        path = path.display()
    )]
    StoreDamaged { path: PathBuf, what: String },
    #[error(
        "state file {path} has format {found}, this version knows up to {known}; run the newer version",
        path = path.display()
    )]
    StoreNewer {
        path: PathBuf,
        found: u64,
        known: u64,
    },
    #[error("there is no state at {path}", path = path.display())]
    StoreMissing { path: PathBuf },
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
            Self::Store { .. } => true,
            _ => false,
        }
    }

    /// Whether what is on disk is the matter (exit code 3).
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_damage(),
            Self::StoreDamaged { .. } | Self::StoreNewer { .. } => true,
            _ => false,
        }
    }
}

impl From<tokio::task::JoinError> for AggregatorError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Task(error.to_string())
    }
}
