//! DATA/run/addresses.json: the real addresses of all listeners, for scripts and for port 0.
//!
//! Kept true: a reader sees a whole file or none, because it is only ever renamed into place; and parts that share a
//! data folder and start or end at once do not lose one another's entries, because one at a time reads and writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

type Addresses = BTreeMap<String, String>;

pub fn addresses_path(data: &Path) -> PathBuf {
    data.join("run").join("addresses.json")
}

/// Merges: parts that share a data folder add theirs, and replace what an earlier life of the same part wrote. A part
/// that listens nowhere writes the file as well: that it is there says that the part is up.
///
/// # Errors
/// The folder cannot be written to.
pub fn publish(data: &Path, addresses: &BTreeMap<String, SocketAddr>) -> io::Result<()> {
    change(data, |all| {
        let text = |(name, address): (&String, &SocketAddr)| (name.clone(), address.to_string());
        all.extend(addresses.iter().map(text));
        true
    })
}

pub fn read(data: &Path) -> Option<Addresses> {
    serde_json::from_slice(&std::fs::read(addresses_path(data)).ok()?).ok()
}

/// Takes a part's addresses out again at its end.
pub fn withdraw(data: &Path, addresses: &BTreeMap<String, SocketAddr>) {
    let done = change(data, |all| {
        all.retain(|name, _| !addresses.contains_key(name));
        !all.is_empty()
    });
    if let Err(error) = done {
        tracing::warn!(%error, data = %data.display(), "could not update the addresses file");
    }
}

/// Edits what is written; the edit says whether the file stays.
fn change(data: &Path, edit: impl FnOnce(&mut Addresses) -> bool) -> io::Result<()> {
    let path = addresses_path(data);
    std::fs::create_dir_all(data.join("run"))?;
    let lock = File::create(path.with_extension("lock"))?;
    // Held for a read and a rename; it goes with the handle.
    lock.lock()?;
    let mut all = read(data).unwrap_or_default();
    if !edit(&mut all) {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let temporary = path.with_extension("json.new");
    std::fs::write(&temporary, serde_json::to_vec_pretty(&all)?)?;
    std::fs::rename(&temporary, &path)
}
