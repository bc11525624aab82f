//! The log's file: what is the log's own of it. Opening, judging and opening again are core/disk's.

use std::path::Path;

use wardline_disk::{Disk, DiskError, FileDisk, Kind, RedbFile};

use super::tables;
use crate::LogError;
use crate::limits::CACHE_BYTES;
use crate::wire::Wrong;

/// Name of the file in the log's folder.
pub const FILE_NAME: &str = "log.redb";

/// What the file says of itself.
pub const KIND: Kind = Kind {
    name: "event log",
    format: 1,
    cache_bytes: CACHE_BYTES,
    if_damaged: "check the disk, keep a copy of the file, and start with a new folder or a backup",
};

/// The file of a folder.
#[must_use]
pub fn disk(dir: &Path) -> FileDisk {
    FileDisk::new(dir.join(FILE_NAME))
}

/// Opens the file; makes it, with its tables, if it is missing and that is allowed.
pub(crate) fn open(disk: impl Disk, create: bool) -> Result<RedbFile, LogError> {
    let file = RedbFile::new(disk, KIND);
    if create {
        file.open_or_create(tables::initialise)?;
    } else {
        file.open(|_| Ok(()))?;
    }
    Ok(file)
}

/// A block that does not decode: the file is damaged there.
pub(crate) fn bad_block(topic: &str, partition: u32, offset: u64, what: Wrong) -> redb::Error {
    redb::Error::Corrupted(format!(
        "block of {topic}/{partition} at offset {offset}: {what}"
    ))
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Full { path, doing } => Self::Unavailable {
                doing,
                why: format!("the disk of {} is full; make room on it", path.display()),
            },
            DiskError::Unavailable { path, doing, why } => Self::Unavailable {
                doing,
                why: format!("{}: {why}", path.display()),
            },
            DiskError::Closed { .. } => Self::Closed,
            other => Self::Disk(other),
        }
    }
}
