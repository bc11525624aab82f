//! Where the store's bytes are: a file, or in tests something that fails on purpose.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError};

use crate::clock::wall_ms;
use crate::limits::{RESERVE_BYTES, STORE_CACHE_BYTES};

/// The seam below the store. Opening creates what is not there.
pub trait Disk: Send + Sync + 'static {
    fn open(&self) -> Result<Database, DatabaseError>;
    /// Moves what is there out of the way and keeps it. Says where it went.
    fn set_aside(&self) -> io::Result<PathBuf>;
    /// What the store takes on disk.
    fn used_bytes(&self) -> u64;
    fn describe(&self) -> String;
    /// Makes sure that the reserve is there: room that only freeing events may use when the disk is full.
    fn keep_reserve(&self) -> io::Result<()>;
    /// Gives the reserve to the store.
    fn lend_reserve(&self);
}

/// Builder with the cache that a gateway can afford.
pub fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(STORE_CACHE_BYTES);
    builder
}

#[derive(Debug, Clone)]
pub struct FileDisk {
    path: PathBuf,
}

impl FileDisk {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reserve_path(&self) -> PathBuf {
        self.path.with_extension("reserve")
    }

    fn write_reserve(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        let page = [0x57; 4096];
        for _ in 0..RESERVE_BYTES / page.len() {
            file.write_all(&page)?;
        }
        file.sync_all()
    }

    /// A file whose name is not on disk is not there after a power cut, however well its bytes were synced.
    fn sync_folder(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Disk for FileDisk {
    fn open(&self) -> Result<Database, DatabaseError> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = !self.path.exists();
        // Events may name patients: nobody but the service's own account reads them.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        let database = builder().create_file(file)?;
        if new {
            self.sync_folder()?;
        }
        Ok(database)
    }

    fn set_aside(&self) -> io::Result<PathBuf> {
        let seconds = wall_ms().div_euclid(1000);
        let mut aside = self.path.clone().into_os_string();
        aside.push(format!(".damaged-{seconds}"));
        let mut target = PathBuf::from(&aside);
        let mut n = 1;
        while target.exists() {
            let mut name = aside.clone();
            name.push(format!("-{n}"));
            target = PathBuf::from(name);
            n += 1;
        }
        std::fs::rename(&self.path, &target)?;
        self.sync_folder()?;
        Ok(target)
    }

    fn used_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.blocks().saturating_mul(512))
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn keep_reserve(&self) -> io::Result<()> {
        let path = self.reserve_path();
        if std::fs::metadata(&path).is_ok_and(|m| m.len() >= RESERVE_BYTES as u64) {
            return Ok(());
        }
        self.write_reserve(&path).inspect_err(|_| {
            // Half a reserve would only take the room away.
            std::fs::remove_file(&path).ok();
        })
    }

    fn lend_reserve(&self) {
        if let Err(error) = std::fs::remove_file(self.reserve_path())
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, "the reserve beside the store cannot be given up");
        }
    }
}
