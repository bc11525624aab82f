//! Opening the store: a life that goes on, or a new one.
//!
//! What is wrong with a file is the shell's to say (core/disk). The agent's policy stands on it: a damaged store is set
//! aside and a new life begins, because a gateway that stays down loses more than one that says loudly what it lost. A
//! store of a newer version is left alone, and so is one that another process holds.

use redb::{Database, ReadableDatabase};
use wardline_disk::{DiskError, Kind, RedbFile};
use wardline_model::loss::{IncarnationReason, LossRecord};
use wardline_model::{Body, Class, Event, Incarnation, Stamp};

use super::commit::{self, Writes};
use super::format::STORE_VERSION;
use super::tables::{BLOCKS, DAMAGED, QOS2, Totals};
use crate::Error;
use crate::limits::STORE_CACHE_BYTES;

pub(super) const KIND: Kind = Kind {
    name: "agent store",
    format: STORE_VERSION,
    cache_bytes: STORE_CACHE_BYTES,
    if_damaged: "the agent keeps it under another name and begins a new incarnation",
};

/// How a store is opened.
pub(super) struct Opening<'a> {
    /// What this process knows of the life that it had open before.
    pub known: Option<&'a Totals>,
    pub stamp: Stamp,
    /// Is told what was found before anybody can read: what is read belongs to the incarnation that is published.
    pub publish: &'a dyn Fn(&Totals),
}

/// Opens the store, or begins a new life of it.
pub(super) fn open(file: &RedbFile, opening: &Opening<'_>) -> Result<Totals, Error> {
    let Opening { known, publish, .. } = *opening;
    match file.open(|database| look(database, known).inspect(publish)) {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Ok(file.with("read its books", |database| look(database, known))?),
        Err(DiskError::Missing { .. }) => {
            let reason = match known {
                None => IncarnationReason::NewStore,
                Some(_) => IncarnationReason::DamagedStore,
            };
            begin(file, opening, reason)
        }
        Err(DiskError::Damaged { what, .. }) => replace(file, &what, opening),
        Err(error) => Err(error.into()),
    }
}

/// Moves a damaged store out of the way, says so, and begins a new life.
pub(super) fn replace(file: &RedbFile, why: &str, opening: &Opening<'_>) -> Result<Totals, Error> {
    let aside = file.set_aside()?;
    tracing::error!(store = %file.path().display(), why, kept = %aside.display(),
        "the store is damaged: it is kept under another name and a new incarnation begins; events in it are not sent");
    begin(file, opening, IncarnationReason::DamagedStore)
}

/// A file that this process had open must be the same life, and hold no less than was answered.
fn look(database: &Database, known: Option<&Totals>) -> Result<Totals, redb::Error> {
    let books = Totals::read(&database.begin_read()?)?;
    let damaged = |why: &str| Err(redb::Error::Corrupted(why.to_owned()));
    let Some(books) = books else {
        return damaged("its books are not complete");
    };
    match known {
        Some(known) if known.incarnation != books.incarnation => {
            return damaged("it belongs to another incarnation now");
        }
        Some(known) if known.next_seq > books.next_seq => {
            return damaged(
                "it holds less than was acknowledged: the disk lost what it said was synced",
            );
        }
        _ => {}
    }
    Ok(books)
}

/// First life of a file: its tables, its random name, and the record that says so.
fn begin(
    file: &RedbFile,
    opening: &Opening<'_>,
    reason: IncarnationReason,
) -> Result<Totals, Error> {
    let incarnation = Incarnation(rand::random());
    let made = file.create(|database| {
        first_life(database, incarnation, opening.stamp, reason).inspect(opening.publish)
    })?;
    let Some(found) = made else {
        // Another process was first: it holds the file, and the opening says so.
        file.open(|_| Ok(()))?;
        return Ok(file.with("read its books", |database| look(database, None))?);
    };
    tracing::info!(store = %file.path().display(), %incarnation, ?reason, "a new incarnation begins");
    Ok(found)
}

fn first_life(
    database: &Database,
    incarnation: Incarnation,
    stamp: Stamp,
    reason: IncarnationReason,
) -> Result<Totals, redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(BLOCKS)?;
    txn.open_table(QOS2)?;
    txn.open_table(DAMAGED)?;
    txn.commit()?;
    let books = Totals {
        incarnation,
        next_seq: 1,
        events: 0,
        bytes: 0,
        refused: 0,
        untold: None,
        last_event_ms: None,
        oldest: 1,
        qos2_ids: 0,
    };
    let event = Event {
        class: Class::Alarm,
        stamp,
        source: "agent".to_owned(),
        body: Body::Loss(LossRecord::IncarnationStart {
            incarnation,
            wall_ms: stamp.wall_ms,
            reason,
        }),
    };
    let mut writes = Writes::new(&books);
    writes.push(&event);
    Ok(commit::write(database, writes, books, None)?.books)
}
