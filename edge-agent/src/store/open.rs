//! Opening the store: new, known, damaged, newer, or held by somebody else.
//!
//! A damaged store is set aside and a new life begins, because a gateway that stays down loses more than one that
//! says loudly what it lost. A store of a newer version is left alone, and so is one that another process holds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableError,
};
use wardline_model::ledger::{IncarnationReason, LedgerRecord};
use wardline_model::{Body, Class, Event, Incarnation, Stamp};

use super::commit::{self, Writes};
use super::disk::Disk;
use super::format::STORE_VERSION;
use super::tables::{BLOCKS, Books, DAMAGED, META, QOS2, VERSION};
use crate::error::Error;

/// An open store and what its books say.
pub(super) struct Opened {
    pub database: Database,
    pub books: Books,
    pub qos2_ids: u64,
}

impl Opened {
    /// Lowest number held; the next one when nothing is.
    pub(super) fn oldest(&self, place: &str) -> Result<u64, Error> {
        let first = || -> Result<Option<u64>, redb::Error> {
            let txn = self.database.begin_read()?;
            Ok(txn
                .open_table(BLOCKS)?
                .first()?
                .map(|(first, _)| first.value()))
        };
        let first = first().map_err(|e| Error::store(place, "read it", e))?;
        Ok(first.unwrap_or(self.books.next_seq))
    }
}

/// Opens the store, or begins a new life of it.
pub(super) fn open(disk: &dyn Disk, stamp: Stamp) -> Result<Opened, Error> {
    match look(disk) {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => begin(disk, stamp, IncarnationReason::NewStore),
        Err(Error::StoreDamaged { why, .. }) => {
            set_aside(disk, &why)?;
            begin(disk, stamp, IncarnationReason::DamagedStore)
        }
        Err(error) => Err(error),
    }
}

/// Moves a damaged store out of the way and says so.
pub(super) fn set_aside(disk: &dyn Disk, why: &str) -> Result<(), Error> {
    let place = disk.describe();
    let aside = disk.set_aside().map_err(|source| Error::File {
        what: "cannot set the damaged store aside:",
        path: place.clone(),
        source,
    })?;
    tracing::error!(store = %place, why, kept = %aside.display(),
        "the store is damaged: it is kept under another name and a new incarnation begins; events in it are not sent");
    Ok(())
}

/// Opens again what was open before. `None`: there is nothing any more, or not yet.
pub(super) fn reopen(
    disk: &dyn Disk,
    incarnation: Incarnation,
) -> Result<Option<(Opened, u64)>, Error> {
    match look(disk)? {
        None => Ok(None),
        Some(opened) if opened.books.incarnation == incarnation => {
            let oldest = opened.oldest(&disk.describe())?;
            Ok(Some((opened, oldest)))
        }
        Some(_) => Err(Error::StoreDamaged {
            place: disk.describe(),
            why: "it belongs to another incarnation now".to_owned(),
        }),
    }
}

/// `None`: there is no store yet.
fn look(disk: &dyn Disk) -> Result<Option<Opened>, Error> {
    let place = disk.describe();
    // The database asserts what it believes about its own file, and a damaged file can break such a belief.
    let tried = catch_unwind(AssertUnwindSafe(|| {
        let database = disk.open().map_err(|error| classify(&place, error))?;
        let found = read_books(&place, &database)?;
        Ok(found.map(|(books, qos2_ids)| Opened {
            database,
            books,
            qos2_ids,
        }))
    }));
    tried.unwrap_or_else(|_| {
        Err(Error::StoreDamaged {
            place,
            why: "its structure contradicts itself".to_owned(),
        })
    })
}

fn classify(place: &str, error: DatabaseError) -> Error {
    let place = place.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::StoreLocked { place },
        DatabaseError::Storage(StorageError::Corrupted(why)) => {
            // The library tells a file of a later release only by this message.
            if why.starts_with("Expected file format version") {
                Error::StoreNewer {
                    place,
                    found: why,
                    known: STORE_VERSION,
                }
            } else {
                Error::StoreDamaged { place, why }
            }
        }
        DatabaseError::UpgradeRequired(version) => Error::StoreDamaged {
            place,
            why: format!("database format {version} was never written by this program"),
        },
        DatabaseError::Storage(StorageError::Io(io)) if is_damage(io.kind()) => {
            Error::StoreDamaged {
                place,
                why: io.to_string(),
            }
        }
        other => Error::store(&place, "open it", other),
    }
}

/// Not a database, or cut short. Anything else the system says (permission, a failing disk) is no verdict on the bytes.
fn is_damage(kind: std::io::ErrorKind) -> bool {
    matches!(
        kind,
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
    )
}

fn read_books(place: &str, database: &Database) -> Result<Option<(Books, u64)>, Error> {
    let damaged = |why: String| Error::StoreDamaged {
        place: place.to_owned(),
        why,
    };
    let table = |error: TableError| match error {
        TableError::Storage(StorageError::Io(io)) if !is_damage(io.kind()) => {
            Error::store(place, "read it", StorageError::Io(io))
        }
        other => damaged(other.to_string()),
    };
    let txn = database
        .begin_read()
        .map_err(|e| Error::store(place, "read it", e))?;
    let meta = match txn.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(table(error)),
    };
    let storage = |e: StorageError| table(TableError::Storage(e));
    let version = meta.get(VERSION).map_err(storage)?.map(|v| v.value());
    match version {
        Some(STORE_VERSION) => {}
        Some(found) if found > STORE_VERSION => {
            return Err(Error::StoreNewer {
                place: place.to_owned(),
                found: found.to_string(),
                known: STORE_VERSION,
            });
        }
        other => {
            return Err(damaged(format!(
                "store version {other:?} was never written"
            )));
        }
    }
    let books = Books::read(&meta)
        .map_err(storage)?
        .ok_or_else(|| damaged("its books are not complete".to_owned()))?;
    txn.open_table(BLOCKS).map_err(table)?;
    let qos2 = txn.open_table(QOS2).map_err(table)?;
    Ok(Some((books, qos2.len().map_err(storage)?)))
}

/// First life of a file: its tables, its random name, and the record that says so, in one transaction.
pub(super) fn begin(
    disk: &dyn Disk,
    stamp: Stamp,
    reason: IncarnationReason,
) -> Result<Opened, Error> {
    let place = disk.describe();
    let database = disk.open().map_err(|error| classify(&place, error))?;
    let incarnation = Incarnation(rand::random());
    let books = Books {
        incarnation,
        next_seq: 1,
        events: 0,
        bytes: 0,
        refused: 0,
        untold: None,
        last_event_ms: None,
    };
    let event = Event {
        class: Class::Alarm,
        stamp,
        source: "agent".to_owned(),
        body: Body::Ledger(LedgerRecord::IncarnationStart {
            incarnation,
            wall_ms: stamp.wall_ms,
            reason,
        }),
    };
    let mut writes = Writes::new(&books);
    writes.push(&event);
    let done = create_tables(&database)
        .and_then(|()| commit::write(&database, writes, books, None))
        .map_err(|e| Error::store(&place, "create it", e))?;
    tracing::info!(store = %place, %incarnation, ?reason, "a new incarnation begins");
    Ok(Opened {
        database,
        books: done.books,
        qos2_ids: 0,
    })
}

/// A crash between this and the first record leaves tables without books: that store never promised anything.
fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(BLOCKS)?;
    txn.open_table(QOS2)?;
    txn.open_table(DAMAGED)?;
    txn.commit()?;
    Ok(())
}
