//! What can go wrong with the agent as a whole: whose fault it is, and what to do.
//!
//! Refusals of single events are not errors of the agent: they are answers (see [`crate::store::Refusal`]).

use std::io;
use std::net::SocketAddr;

use wardline_service::exit::StoreProblem;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("store {place}: another process holds it; stop that one first")]
    StoreLocked { place: String },
    #[error(
        "store {place}: format {found} belongs to a newer version (this program reads {known}); install that version again"
    )]
    StoreNewer {
        place: String,
        found: String,
        known: u64,
    },
    /// Found damaged while it was opened. The caller sets the file aside and begins a new incarnation.
    #[error(
        "store {place}: damaged: {why}; the next start keeps it under another name and begins a new incarnation"
    )]
    StoreDamaged { place: String, why: String },
    #[error("store {place}: cannot {doing}: {source}; check the disk's space and health")]
    Store {
        place: String,
        doing: &'static str,
        source: Box<redb::Error>,
    },
    #[error("store {place}: block {first} is damaged: {why}; it is set aside")]
    Block {
        place: String,
        first: u64,
        why: String,
    },
    #[error("store {place}: closed after a failed write and not open again yet")]
    StoreClosed { place: String },
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
    #[error("uplink url `{url}`: {why}; allowed: mqtt://host:port")]
    UplinkUrl { url: String, why: &'static str },
    #[error("agent status {path}: {why}; is the agent running with this data folder?")]
    Status { path: String, why: String },
}

impl Error {
    pub(crate) fn store(place: &str, doing: &'static str, source: impl Into<redb::Error>) -> Self {
        Error::Store {
            place: place.to_owned(),
            doing,
            source: Box::new(source.into()),
        }
    }

    /// For `main`: a store that needs people is exit code 3, everything else 1.
    pub fn into_anyhow(self) -> anyhow::Error {
        match &self {
            Error::StoreNewer { .. } | Error::StoreDamaged { .. } => {
                anyhow::Error::new(StoreProblem(self.to_string()))
            }
            _ => anyhow::Error::new(self),
        }
    }
}
