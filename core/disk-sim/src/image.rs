//! The bytes of a simulated file: as they are read, and as far as they are synced.
//!
//! What was written since the last sync is kept apart, write by write, so that a power cut can lose, tear or reorder it. A
//! sector is written whole or not at all, as disks promise; anything larger is not.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};

const PAGE_BYTES: u64 = 4096;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What becomes of the unsynced writes when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All are lost.
    Lost,
    /// All are kept: the disk was faster than we were.
    Kept,
    /// All are kept but the last one, of which the first half is.
    Torn,
    /// Each sector of each write is kept or lost, as the seed says.
    Mixed(u64),
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// Pages that were ever written: a file takes room for these only.
    pages: BTreeSet<u64>,
}

impl Image {
    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE_BYTES
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.live.get(from..from.saturating_add(out.len()));
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    /// Bytes that a write takes beyond what the file has.
    pub(super) fn more_for(&self, offset: u64, len: usize) -> u64 {
        let new = pages(offset, len).filter(|page| !self.pages.contains(page));
        new.count() as u64 * PAGE_BYTES
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        // redb sets the length before it writes.
        put(&mut self.live, from, data).ok_or(ErrorKind::UnexpectedEof)?;
        self.pages.extend(pages(offset, data.len()));
        self.unsynced.push(Change::Write(from, data.to_vec()));
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let bytes = usize::try_from(len).unwrap_or(usize::MAX);
        self.live.resize(bytes, 0);
        self.pages.retain(|page| page * PAGE_BYTES < len);
        self.unsynced.push(Change::Len(bytes));
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            apply(&mut self.synced, &change);
        }
    }

    pub(super) fn scramble(&mut self, from: usize) {
        for bytes in [&mut self.live, &mut self.synced] {
            bytes.iter_mut().skip(from).for_each(|byte| *byte ^= 0x5a);
        }
    }

    pub(super) fn cut(&mut self, cut: Cut) {
        let mut unsynced = std::mem::take(&mut self.unsynced);
        match cut {
            Cut::Lost => unsynced.clear(),
            Cut::Kept => {}
            Cut::Torn => {
                if let Some(Change::Write(_, data)) = unsynced.last_mut() {
                    data.truncate(data.len() / 2);
                }
            }
            Cut::Mixed(seed) => unsynced = mixed(unsynced, seed),
        }
        for change in &unsynced {
            apply(&mut self.synced, change);
        }
        self.live = self.synced.clone();
    }
}

/// The sectors that a disk has written when the power goes, whatever the order in which it was asked to.
fn mixed(unsynced: Vec<Change>, seed: u64) -> Vec<Change> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut keep = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state & 1 == 1
    };
    let mut kept = Vec::new();
    for change in unsynced {
        match change {
            // A longer file is what the later sectors stand in; a shorter one may wait.
            Change::Len(len) => kept.extend(keep().then_some(Change::Len(len))),
            Change::Write(from, data) => {
                for (n, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                    if keep() {
                        kept.push(Change::Write(from + n * SECTOR_BYTES, sector.to_vec()));
                    }
                }
            }
        }
    }
    kept
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Len(len) => bytes.resize(*len, 0),
        // What stands behind the end of the file is not there.
        Change::Write(from, data) => {
            let room = bytes.len().saturating_sub(*from).min(data.len());
            put(bytes, *from, data.get(..room).unwrap_or_default());
        }
    }
}

fn put(bytes: &mut [u8], from: usize, data: &[u8]) -> Option<()> {
    let place = bytes.get_mut(from..from.checked_add(data.len())?)?;
    place.copy_from_slice(data);
    Some(())
}

fn pages(offset: u64, len: usize) -> impl Iterator<Item = u64> {
    let last = offset + (len as u64).saturating_sub(1);
    offset / PAGE_BYTES..=last / PAGE_BYTES
}
