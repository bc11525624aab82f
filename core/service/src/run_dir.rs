//! DATA/run/addresses.json: the real addresses of all listeners, for scripts and for port 0.
//! Written in one rename, so a reader sees a whole file or none.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub fn addresses_path(data: &Path) -> PathBuf {
    data.join("run").join("addresses.json")
}

/// Merges: parts that share a data folder add theirs, and replace what an earlier life of the same part wrote.
pub fn publish(data: &Path, addresses: &BTreeMap<String, SocketAddr>) -> std::io::Result<()> {
    let path = addresses_path(data);
    let mut all = read(data).unwrap_or_default();
    all.extend(
        addresses
            .iter()
            .map(|(name, address)| (name.clone(), address.to_string())),
    );
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("json.{}", std::process::id()));
    std::fs::write(&temporary, serde_json::to_vec_pretty(&all)?)?;
    std::fs::rename(&temporary, &path)
}

pub fn read(data: &Path) -> Option<BTreeMap<String, String>> {
    serde_json::from_slice(&std::fs::read(addresses_path(data)).ok()?).ok()
}

/// Takes a part's addresses out again at its orderly end.
pub fn withdraw(data: &Path, addresses: &BTreeMap<String, SocketAddr>) {
    let Some(mut all) = read(data) else { return };
    all.retain(|name, _| !addresses.contains_key(name));
    let path = addresses_path(data);
    let done = if all.is_empty() {
        std::fs::remove_file(&path)
    } else {
        serde_json::to_vec_pretty(&all)
            .map_err(Into::into)
            .and_then(|json| std::fs::write(&path, json))
    };
    if let Err(error) = done {
        tracing::warn!(%error, path = %path.display(), "could not update the addresses file");
    }
}
