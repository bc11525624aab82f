//! The real side of the seam: a file in a folder of the file system.
//!
//! A name appears in one step and never replaces another: a file is made whole under a name of its own and then linked,
//! so two first starts at once cannot each believe that they made it. A name that is not synced is not there after a
//! power cut, however well the bytes were synced: the folder is synced as well, and the folder above a new one.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use crate::{Disk, Storage};

/// A file in a folder.
#[derive(Debug, Clone)]
pub struct FileDisk {
    path: PathBuf,
}

impl FileDisk {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    fn reserve_path(&self) -> PathBuf {
        self.path.with_extension("reserve")
    }

    /// What processes that died left half made. Whoever lives holds the lock of what it makes.
    fn sweep(&self) {
        let prefix = self.with_suffix(NEW_SUFFIX);
        let (Some(folder), Some(prefix)) = (folder(&self.path), prefix.file_name()) else {
            return;
        };
        let prefix = prefix.as_encoded_bytes();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let ours = entry.file_name().as_encoded_bytes().starts_with(prefix);
            if ours && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                // If it stays, the next first start tries again.
                std::fs::remove_file(&path).ok();
            }
        }
    }
}

const NEW_SUFFIX: &str = ".new-";

impl Disk for FileDisk {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> io::Result<Option<Storage>> {
        match OpenOptions::new().read(true).write(true).open(&self.path) {
            Ok(file) => storage(file).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn begin(&self) -> io::Result<(Storage, PathBuf)> {
        if let Some(folder) = folder(&self.path) {
            make_folder(folder)?;
        }
        self.sweep();
        let unique = RandomState::new().build_hasher().finish();
        let begun = self.with_suffix(&format!("{NEW_SUFFIX}{unique:016x}"));
        // It may name patients: nobody but the service's own account reads it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&begun)?;
        // From here on a sweep leaves it alone; redb locks it as well.
        file.try_lock()?;
        Ok((storage(file)?, begun))
    }

    fn publish(&self, begun: &Path) -> io::Result<bool> {
        let linked = match std::fs::hard_link(begun, &self.path) {
            Ok(()) => true,
            // Another process was first, or swept ours away before it was locked.
            Err(error)
                if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) =>
            {
                false
            }
            Err(error) => return Err(error),
        };
        self.discard(begun);
        sync_folder(&self.path)?;
        Ok(linked)
    }

    fn discard(&self, begun: &Path) {
        // If it stays, the next first start sweeps it away.
        std::fs::remove_file(begun).ok();
    }

    fn set_aside(&self) -> io::Result<PathBuf> {
        let mut n = 1;
        let mut target = self.with_suffix(".damaged-1");
        // A link, because a rename would replace what was set aside before.
        while let Err(error) = std::fs::hard_link(&self.path, &target) {
            if error.kind() != ErrorKind::AlreadyExists {
                return Err(error);
            }
            n += 1;
            target = self.with_suffix(&format!(".damaged-{n}"));
        }
        std::fs::remove_file(&self.path)?;
        sync_folder(&self.path)?;
        Ok(target)
    }

    fn used_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.blocks().saturating_mul(512))
    }

    fn keep_reserve(&self, bytes: usize, spare: usize) -> io::Result<()> {
        let path = self.reserve_path();
        if std::fs::metadata(&path).is_ok_and(|meta| meta.len() >= bytes as u64) {
            return Ok(());
        }
        write_reserve(&path, bytes, spare).inspect_err(|_| {
            // Half a reserve would only take the room away.
            std::fs::remove_file(&path).ok();
        })
    }

    fn lend_reserve(&self) -> io::Result<()> {
        match std::fs::remove_file(self.reserve_path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn storage(file: File) -> io::Result<Storage> {
    let backend = FileBackend::new(file).map_err(io::Error::other)?;
    Ok(Storage(Box::new(backend)))
}

fn folder(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path).unwrap_or(Path::new(".")))?.sync_all()
}

fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder(path) {
        make_folder(above)?;
    }
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(path),
    }
}

fn write_reserve(path: &Path, bytes: usize, spare: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    // Not zeroes, and not a length alone: a file system may store both without taking room.
    let page = [0x57; 4096];
    for _ in 0..(bytes + spare).div_ceil(page.len()) {
        file.write_all(&page)?;
    }
    // Synced before it is cut: a file system may find out only then that there is no room.
    file.sync_all()?;
    file.set_len(bytes as u64)?;
    file.sync_all()
}
