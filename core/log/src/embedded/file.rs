//! The file itself: made, opened, and opened again after it failed.
//!
//! redb refuses every call on a handle that once met an I/O error, so the way on is to drop the handle and open the
//! file again. A new file is made under another name and renamed when it is whole: a crash never leaves half a log.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend, StorageError};

use super::tables;
use crate::LogError;
use crate::limits::CACHE_BYTES;

/// Name of the file in the log's folder.
pub const FILE_NAME: &str = "log.redb";
const NEW_FILE_NAME: &str = "log.redb.new";

/// Puts something between redb and the file; tests make storage fail with it.
pub type WrapStorage = Arc<dyn Fn(FileBackend) -> Wrapped + Send + Sync>;

/// A storage that stands in for the file.
#[derive(Debug)]
pub struct Wrapped(pub Box<dyn StorageBackend>);

/// The open file, or none while it is closed or failed.
pub(crate) struct LogFile {
    path: PathBuf,
    wrap: Option<WrapStorage>,
    db: RwLock<Option<Database>>,
}

impl LogFile {
    /// Makes the folder and the file if missing (and allowed), and opens it.
    pub(crate) fn open(
        dir: &Path,
        create: bool,
        wrap: Option<WrapStorage>,
    ) -> Result<Self, LogError> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            if !create {
                return Err(LogError::Missing { path });
            }
            create_file(dir, &path)?;
        }
        let file = Self {
            path,
            wrap,
            db: RwLock::new(None),
        };
        let db = file.open_database()?;
        *file.write() = Some(db);
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        self.db.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// Opens the file and looks at its format.
    pub(crate) fn open_database(&self) -> Result<Database, LogError> {
        let db = self
            .open_backend()
            .map_err(|error| open_error(&self.path, error))?;
        let format = tables::format(&db).map_err(|error| self.error("read its format", error))?;
        match format {
            Some(tables::FORMAT_VERSION) => Ok(db),
            Some(found) => Err(LogError::NewerVersion {
                path: self.path.clone(),
                found,
                known: tables::FORMAT_VERSION,
            }),
            None => Err(damaged(
                &self.path,
                "it is a database, but not a log".to_owned(),
            )),
        }
    }

    fn open_backend(&self) -> Result<Database, DatabaseError> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let Some(wrap) = &self.wrap else {
            return builder.open(&self.path);
        };
        let file = File::options().read(true).write(true).open(&self.path)?;
        builder.create_with_backend(wrap(FileBackend::new(file)?))
    }

    /// What an error of a transaction means.
    pub(crate) fn error(&self, doing: &'static str, error: redb::Error) -> LogError {
        match error {
            redb::Error::Corrupted(what) => damaged(&self.path, what),
            redb::Error::DatabaseClosed => LogError::Closed,
            other => LogError::Unavailable {
                doing,
                why: format!("{}: {other}", self.path.display()),
            },
        }
    }

    /// A block that does not decode.
    pub(crate) fn bad_block(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
        what: &str,
    ) -> LogError {
        damaged(
            &self.path,
            format!("block of {topic}/{partition} at offset {offset}: {what}"),
        )
    }
}

fn create_file(dir: &Path, path: &Path) -> Result<(), LogError> {
    let failed = |error: &dyn fmt::Display| LogError::Storage {
        path: path.to_owned(),
        why: error.to_string(),
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(&error))?;
    let new = dir.join(NEW_FILE_NAME);
    // What an earlier process left half made. If a live one holds it, the lock says so below.
    if new.exists()
        && Database::open(&new).is_err_and(|e| !matches!(e, DatabaseError::DatabaseAlreadyOpen))
    {
        std::fs::remove_file(&new).map_err(|error| failed(&error))?;
    }
    let db = Builder::new()
        .set_cache_size(CACHE_BYTES)
        .create(&new)
        .map_err(|error| open_error(&new, error))?;
    tables::initialise(&db).map_err(|error| failed(&error))?;
    // Renamed while locked: a second process cannot come between.
    std::fs::rename(&new, path).map_err(|error| failed(&error))?;
    drop(db);
    let folder = File::open(dir).map_err(|error| failed(&error))?;
    folder.sync_all().map_err(|error| failed(&error))
}

fn open_error(path: &Path, error: DatabaseError) -> LogError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => LogError::Locked {
            path: path.to_owned(),
        },
        DatabaseError::UpgradeRequired(found) => {
            damaged(path, format!("its redb file format {found} is too old"))
        }
        DatabaseError::RepairAborted => damaged(path, "its repair was aborted".to_owned()),
        DatabaseError::Storage(StorageError::Corrupted(what)) => damaged(path, what),
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            damaged(path, error.to_string())
        }
        other => LogError::Storage {
            path: path.to_owned(),
            why: other.to_string(),
        },
    }
}

fn damaged(path: &Path, what: String) -> LogError {
    LogError::Damaged {
        path: path.to_owned(),
        what,
        hint: "check the disk, keep a copy of the file, and start with a new folder or a backup"
            .to_owned(),
    }
}

impl StorageBackend for Wrapped {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
