//! The last picture, kept for a start at which nobody answers: read only by its owner, of one address, shown with its time
//! and never as of now. What goes wrong with it costs the snapshot and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOT_EVERY_MS};
use crate::model::{MonoMs, Round};

pub(super) struct Snapshot {
    path: Option<PathBuf>,
    api: String,
    written: Option<MonoMs>,
}

#[derive(Serialize)]
struct Kept<'a> {
    api: &'a str,
    round: &'a Round,
}

#[derive(Deserialize)]
struct Found {
    api: String,
    round: Round,
}

impl Snapshot {
    pub(super) fn new(path: Option<PathBuf>, api: &str) -> Self {
        Self {
            path,
            api: api.to_owned(),
            written: None,
        }
    }

    /// Of this address only: another one is another hospital.
    pub(super) fn read(&self) -> Option<Round> {
        let file = File::open(self.path.as_ref()?).ok()?;
        let mut text = String::new();
        file.take(SNAPSHOT_BYTES_MAX)
            .read_to_string(&mut text)
            .ok()?;
        let found: Found = serde_json::from_str(&text).ok()?;
        (found.api == self.api).then_some(found.round)
    }

    /// Off this thread: a slow disk must not hold up the picture.
    pub(super) fn keep(&mut self, round: &Round, now: MonoMs) {
        let due = self
            .written
            .is_none_or(|at| now.saturating_sub(at) >= SNAPSHOT_EVERY_MS);
        let Some(path) = self.path.clone().filter(|_| due) else {
            return;
        };
        self.written = Some(now);
        let kept = Kept {
            api: &self.api,
            round,
        };
        // Rows of texts and numbers always serialise.
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        let writer = std::thread::Builder::new().name("snapshot".to_owned());
        writer.spawn(move || write(&path, &text).ok()).ok();
    }
}

/// Whole or not at all.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fixture;

    #[test]
    fn p10_a_snapshot_is_of_its_address_and_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wardline").join("last.json");
        let round = fixture::round(0);
        let api = "http://127.0.0.1:7070";
        let kept = Kept { api, round: &round };
        write(&path, &serde_json::to_vec(&kept).unwrap()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = |api: &str| Snapshot::new(Some(path.clone()), api).read();
        assert_eq!(read(api).map(|found| found.beds), Some(round.beds));
        assert_eq!(read("http://127.0.0.1:7071"), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read(api), None);
    }
}
