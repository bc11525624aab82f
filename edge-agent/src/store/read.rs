//! Reading stored blocks for the uplink: consecutive ones merged up to a frame's worth, in a short read transaction.
//! A long one would pin pages and let the file grow.

use redb::{Database, ReadableDatabase, ReadableTable};

use super::format;
use super::tables::{BLOCKS, QOS2};
use crate::limits::{FRAME_EVENTS_MERGE_MAX, FRAME_RAW_BYTES_MERGE_MAX};

/// Consecutive events as one uncompressed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub first: u64,
    pub count: u32,
    pub raw: Vec<u8>,
    /// Lowest number held at this moment.
    pub oldest_held: u64,
}

impl Run {
    pub fn last(&self) -> u64 {
        self.first
            .saturating_add(u64::from(self.count))
            .saturating_sub(1)
    }
}

pub(super) enum Found {
    Run(Run),
    Nothing,
    Damaged { first: u64, why: &'static str },
}

/// The next run within `from..=to`.
pub(super) fn run(database: &Database, from: u64, to: u64) -> Result<Found, redb::Error> {
    let txn = database.begin_read()?;
    let table = txn.open_table(BLOCKS)?;
    let Some(oldest_held) = table.first()?.map(|(first, _)| first.value()) else {
        return Ok(Found::Nothing);
    };
    let mut found: Option<Run> = None;
    for row in table.range(from..=to)? {
        let (first, value) = row?;
        let first = first.value();
        if found
            .as_ref()
            .is_some_and(|run| run.last().saturating_add(1) != first)
        {
            break;
        }
        match (format::decode(first, value.value()), &mut found) {
            (Ok((header, raw)), None) => {
                found = Some(Run {
                    first,
                    count: header.count,
                    raw: raw.to_vec(),
                    oldest_held,
                });
            }
            (Ok((header, raw)), Some(run)) => {
                let count = run.count.saturating_add(header.count);
                if count > FRAME_EVENTS_MERGE_MAX
                    || run.raw.len() + raw.len() > FRAME_RAW_BYTES_MERGE_MAX
                {
                    break;
                }
                run.count = count;
                run.raw.extend_from_slice(&raw);
            }
            (Err(why), None) => return Ok(Found::Damaged { first, why }),
            // What is whole goes first; the next call begins at the damage.
            (Err(_), Some(_)) => break,
        }
    }
    Ok(found.map_or(Found::Nothing, Found::Run))
}

/// QoS 2 identifiers of a client that are stored and not released.
pub(super) fn unreleased(database: &Database, client: &str) -> Result<Vec<u16>, redb::Error> {
    let txn = database.begin_read()?;
    let table = txn.open_table(QOS2)?;
    let rows = table.range((client, 0)..=(client, u16::MAX))?;
    let mut ids = Vec::new();
    for row in rows {
        ids.push(row?.0.value().1);
    }
    Ok(ids)
}
