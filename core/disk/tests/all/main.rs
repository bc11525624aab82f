//! The shell around a redb file, on the simulated disk and on a real one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod cuts;
mod first_start;
mod judge;
mod shell;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use wardline_disk::{Disk, DiskError, Kind, RedbFile};

const ROWS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");

const KIND: Kind = Kind {
    name: "test file",
    format: 3,
    cache_bytes: 1024 * 1024,
    if_damaged: "throw it away",
};

type Rows = Vec<(u64, Vec<u8>)>;

fn fill(database: &Database) -> Result<(), redb::Error> {
    put(database, &[])
}

fn put(database: &Database, rows: &[(u64, Vec<u8>)]) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    {
        let mut table = txn.open_table(ROWS)?;
        for (key, value) in rows {
            table.insert(key, value.as_slice())?;
        }
    }
    txn.commit()?;
    Ok(())
}

fn take(database: &Database, keys: std::ops::Range<u64>) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(ROWS)?.retain_in(keys, |_, _| false)?;
    txn.commit()?;
    Ok(())
}

fn rows(database: &Database) -> Result<Rows, redb::Error> {
    let table = database.begin_read()?.open_table(ROWS)?;
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        rows.push((key.value(), value.value().to_vec()));
    }
    Ok(rows)
}

fn open(disk: impl Disk) -> Result<RedbFile, DiskError> {
    let file = RedbFile::new(disk, KIND);
    file.open_or_create(fill)?;
    Ok(file)
}

/// Bytes that do not compress and are not the same in two rows.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..len).map(|_| next()).collect()
}

fn batch(keys: std::ops::Range<u64>, len: usize) -> Rows {
    keys.map(|key| (key, noise(key + 1, len))).collect()
}
