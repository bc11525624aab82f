//! What can go wrong with the agent as a whole: whose fault it is, and what to do.
//!
//! Refusals of single events are not errors of the agent: they are answers (see [`crate::store::Refusal`]).

use std::io;
use std::net::SocketAddr;

use wardline_disk::DiskError;
use wardline_service::exit::StoreProblem;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store's file: in use, of a newer version, damaged, or not to be read or written at the moment.
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("store {place}: block {first} is damaged: {why}; it is set aside")]
    Block {
        place: String,
        first: u64,
        why: String,
    },
    #[error("{what} {path}: {source}")]
    File {
        what: &'static str,
        path: String,
        source: io::Error,
    },
    #[error(
        "mllp listener: cannot listen on {addr}: {source}; choose a free address of this machine"
    )]
    Listen { addr: SocketAddr, source: io::Error },
    #[error(transparent)]
    Mqtt(#[from] wardline_mqtt::Error),
    #[error("agent status {path}: {why}; is the agent running with this data folder?")]
    Status { path: String, why: String },
}

impl Error {
    /// For `main`: a store that needs people is exit code 3, everything else 1.
    pub fn into_anyhow(self) -> anyhow::Error {
        match &self {
            Error::Disk(error) if error.is_damage() => {
                anyhow::Error::new(StoreProblem(self.to_string()))
            }
            _ => anyhow::Error::new(self),
        }
    }
}
