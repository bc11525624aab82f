//! What redb and the system say, sorted by what it means for the owner of the file.
//!
//! Only what is on disk decides about damage: a file that is cut short, is no database, or contradicts itself. What the
//! system says about permissions, space or a failing device says nothing about the bytes.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    #[error("there is no {kind} at {path}", path = path.display())]
    Missing { path: PathBuf, kind: &'static str },
    #[error(
        "{path} is in use by another process; stop that one first, or use another data folder",
        path = path.display()
    )]
    Locked { path: PathBuf },
    #[error(
        "{path} has format {found}, which belongs to a newer version (this one knows {known}); run the newer version",
        path = path.display()
    )]
    Newer {
        path: PathBuf,
        found: String,
        known: u64,
    },
    /// What is on disk is not what was written there.
    #[error("{path} is damaged: {what}; {advice}", path = path.display())]
    Damaged {
        path: PathBuf,
        what: String,
        advice: &'static str,
    },
    #[error("{path}: cannot {doing}: the disk is full; make room on it", path = path.display())]
    Full { path: PathBuf, doing: &'static str },
    #[error(
        "{path}: cannot {doing}: {why}; check the disk's health and permissions",
        path = path.display()
    )]
    Unavailable {
        path: PathBuf,
        doing: &'static str,
        why: String,
    },
    #[error("{path} is closed", path = path.display())]
    Closed { path: PathBuf },
}

impl DiskError {
    /// Whether the same call can succeed later without anyone changing the file.
    #[must_use]
    pub fn retriable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Unavailable { .. })
    }

    /// Whether what is on disk needs a person (the process exits with 3).
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Newer { .. })
    }
}

/// Why one call failed, before it is known which file it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    Locked,
    Newer(String),
    Damaged(String),
    Full,
    /// The handle is of no use any more.
    Io(String),
    /// A call that makes no sense now; the handle is as good as before.
    Refused(String),
    /// redb asserts what it believes about its own file, and a damaged file can break such a belief.
    Asserted,
}

/// One of redb's calls; its own assertions end here.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Cause>) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Cause::Asserted))
}

impl Cause {
    pub(crate) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}

impl<R: Into<redb::Error>> From<R> for Cause {
    fn from(error: R) -> Self {
        use redb::Error as E;
        match error.into() {
            E::DatabaseAlreadyOpen => Self::Locked,
            // The library tells a file of its later release only by this message.
            E::Corrupted(what) if what.starts_with("Expected file format version") => {
                Self::Newer(what)
            }
            E::Corrupted(what) => Self::Damaged(what),
            E::UpgradeRequired(found) => Self::Damaged(format!(
                "database format {found} was never written by this program"
            )),
            E::RepairAborted => Self::Io("its repair was aborted".to_owned()),
            E::Io(error) => Self::of_io(&error),
            error @ (E::PreviousIo | E::DatabaseClosed | E::LockPoisoned(_)) => {
                Self::Io(error.to_string())
            }
            error @ (E::TableDoesNotExist(_)
            | E::TableTypeMismatch { .. }
            | E::TableIsMultimap(_)
            | E::TableIsNotMultimap(_)
            | E::TypeDefinitionChanged { .. }) => Self::Damaged(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}
