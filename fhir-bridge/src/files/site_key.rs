//! The file that holds the site's secret.
//!
//! Kept true: made once, at the first start, whole or not at all (a temporary file, synced, then linked under its name);
//! never overwritten, because a new key would split every open visit; readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::TryRng;
use rand::rngs::SysRng;

use crate::hex;
use crate::limits::{SITE_KEY_BYTES, SITE_KEY_FILE_BYTES_MAX};
use crate::map::SiteKey;

/// The file's name inside DATA/bridge.
pub const FILE_NAME: &str = "site.key";

/// Why there is no usable key. All of these are for a person to repair; none goes away by itself.
#[derive(Debug, thiserror::Error)]
pub enum SiteKeyError {
    #[error("cannot read the site's key {path}: {why}; restore it from a backup or fix its permissions: without it \
             open visits cannot be continued", path = path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("the site's key {path} can be read by others (mode {mode:03o}); run: chmod 600 {path}", path = path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the site's key {path} is not {SITE_KEY_BYTES} bytes in hexadecimal: {what}; restore it from a backup, or move it \
             away to begin with a new key (open visits then count as new ones)", path = path.display())]
    Invalid { path: PathBuf, what: String },
    #[error("cannot make the site's key {path}: {why}", path = path.display())]
    NotMade { path: PathBuf, why: io::Error },
}

/// Reads `dir/site.key`, or makes it if it is not there.
///
/// # Errors
/// What keeps the key from being used, and what to do about it.
pub fn load_or_create(dir: &Path) -> Result<SiteKey, SiteKeyError> {
    let path = dir.join(FILE_NAME);
    match File::open(&path) {
        Ok(file) => load(&path, &file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = create(dir, &path).map_err(|why| SiteKeyError::NotMade {
                path: path.clone(),
                why,
            })?;
            if made {
                tracing::info!(path = %path.display(), "made the site's key; back it up");
            }
            let file = File::open(&path).map_err(|why| unreadable(&path, why))?;
            load(&path, &file)
        }
        Err(why) => Err(unreadable(&path, why)),
    }
}

fn load(path: &Path, file: &File) -> Result<SiteKey, SiteKeyError> {
    let mode = file
        .metadata()
        .map_err(|why| unreadable(path, why))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(SiteKeyError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(SITE_KEY_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|why| unreadable(path, why))?;
    SiteKey::parse(text.trim()).map_err(|what| SiteKeyError::Invalid {
        path: path.to_owned(),
        what,
    })
}

fn unreadable(path: &Path, why: io::Error) -> SiteKeyError {
    SiteKeyError::Unreadable {
        path: path.to_owned(),
        why,
    }
}

/// False when another process made it in the meantime; its key counts.
fn create(dir: &Path, path: &Path) -> io::Result<bool> {
    fs::create_dir_all(dir)?;
    let mut key = [0_u8; SITE_KEY_BYTES];
    SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    let text = hex::encode(&key) + "\n";
    let temporary = dir.join(format!("{FILE_NAME}.{}.new", std::process::id()));
    let made = write_and_link(&temporary, path, text.as_bytes());
    // Best effort: a left-over temporary file has its own name and is never read.
    fs::remove_file(&temporary).ok();
    File::open(dir)?.sync_all()?;
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_and_link(temporary: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text)?;
    file.sync_all()?;
    // A link, unlike a rename, never replaces a key that is there.
    fs::hard_link(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, text: &str, mode: u32) {
        let path = dir.join(FILE_NAME);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn fr3_the_key_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let bridge = dir.path().join("bridge");
        let first = load_or_create(&bridge).unwrap();
        let again = load_or_create(&bridge).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, SiteKey::from_bytes([0; SITE_KEY_BYTES]));
        let mode = fs::metadata(bridge.join(FILE_NAME)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&bridge).unwrap().count(), 1);
    }

    #[test]
    fn fr3_a_key_that_cannot_be_trusted_is_refused_and_kept() {
        let good = "0f".repeat(SITE_KEY_BYTES);
        for (text, mode) in [
            (good.as_str(), 0o644),
            (good.as_str(), 0o640),
            ("0f0f", 0o600),
            ("", 0o600),
            (&"zz".repeat(SITE_KEY_BYTES), 0o600),
        ] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), text, mode);
            let error = load_or_create(dir.path()).unwrap_err().to_string();
            assert!(error.contains("site.key"), "{error}");
            assert!(
                error.contains("chmod") || error.contains("backup"),
                "{error}"
            );
            let kept = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
            assert_eq!(kept, text);
        }
    }
}
