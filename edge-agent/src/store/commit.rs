//! One transaction: events, packet identifiers, releases and the newest receipt's deletions together.
//!
//! Together, because one synced commit costs tens of kilobytes of flash however little it carries, and because a
//! packet identifier that was stored without its event (or the reverse) would lose or double the event.

use std::sync::Arc;

use redb::{Database, Durability, ReadableTable, Table};
use wardline_model::{Event, RangeSet};

use super::format;
use super::tables::{BLOCKS, DAMAGED, META, QOS2, Totals};
use crate::buffer::pack::{Packed, Packer, cost};
use crate::limits::FREE_BLOCKS_MAX;

/// What one commit shall write.
pub(super) struct Writes {
    packer: Packer,
    last_event_ms: Option<i64>,
    pub ids: Vec<(Arc<str>, u16)>,
    pub released: Vec<(Arc<str>, u16)>,
    pub cleared: Vec<Arc<str>>,
    pub set_aside: Vec<u64>,
}

/// What became true with the commit.
#[derive(Debug)]
pub(super) struct Done {
    pub books: Totals,
    pub added_bytes: u64,
    pub freed_bytes: u64,
    /// The receipt frees more than one commit takes.
    pub more_to_free: bool,
}

impl Writes {
    pub(super) fn new(books: &Totals) -> Self {
        Self {
            packer: Packer::new(books.next_seq),
            last_event_ms: None,
            ids: Vec::new(),
            released: Vec::new(),
            cleared: Vec::new(),
            set_aside: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, event: &Event) {
        self.packer.push(event);
        self.last_event_ms = Some(event.stamp.wall_ms);
    }
}

/// Returns only after the sync. On an error nothing is known about the disk until the store was opened again.
pub(super) fn write(
    database: &Database,
    writes: Writes,
    mut books: Totals,
    covered: Option<&RangeSet>,
) -> Result<Done, redb::Error> {
    use redb::ReadableTableMetadata;
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    let Writes {
        packer,
        last_event_ms,
        ids,
        released,
        cleared,
        set_aside,
    } = writes;
    let (blocks, next_seq) = packer.finish();
    books.next_seq = next_seq;
    books.last_event_ms = last_event_ms.or(books.last_event_ms);
    let (more_to_free, added_bytes, freed_bytes);
    {
        let mut table = txn.open_table(BLOCKS)?;
        let before = books.bytes;
        insert(&mut table, &blocks, &mut books)?;
        let filled = books.bytes;
        added_bytes = filled.saturating_sub(before);
        more_to_free = match covered {
            Some(covered) => free(&mut table, covered, &mut books)?,
            None => false,
        };
        freed_bytes = filled.saturating_sub(books.bytes);
        if !set_aside.is_empty() {
            move_aside(
                &mut table,
                &mut txn.open_table(DAMAGED)?,
                &set_aside,
                &mut books,
            )?;
        }
        books.oldest = table
            .first()?
            .map_or(books.next_seq, |(first, _)| first.value());
        let mut qos2 = txn.open_table(QOS2)?;
        forget(&mut qos2, &released, &cleared)?;
        for (client, id) in &ids {
            qos2.insert((client.as_ref(), *id), ())?;
        }
        books.qos2_ids = qos2.len()?;
        let mut meta = txn.open_table(META)?;
        books.write(&mut meta)?;
    }
    txn.commit()?;
    Ok(Done {
        books,
        added_bytes,
        freed_bytes,
        more_to_free,
    })
}

fn insert(
    table: &mut Table<'_, u64, &'static [u8]>,
    blocks: &[Packed],
    books: &mut Totals,
) -> Result<(), redb::StorageError> {
    for block in blocks {
        table.insert(block.first, block.value.as_slice())?;
        books.events = books.events.saturating_add(u64::from(block.count));
        books.bytes = books.bytes.saturating_add(cost(block.value.len()));
    }
    Ok(())
}

/// Deletes the blocks whose every event is covered. `true`: there are more.
fn free(
    table: &mut Table<'_, u64, &'static [u8]>,
    covered: &RangeSet,
    books: &mut Totals,
) -> Result<bool, redb::StorageError> {
    let mut going = Vec::new();
    let mut more = false;
    'ranges: for (from, to) in covered.iter() {
        for row in table.range(from..=to)? {
            let (first, value) = row?;
            let (first, value) = (first.value(), value.value());
            let count = format::header(value).map_or(0, |(header, _)| header.count);
            if count == 0 || first.saturating_add(u64::from(count) - 1) > to {
                continue;
            }
            if going.len() >= FREE_BLOCKS_MAX {
                more = true;
                break 'ranges;
            }
            going.push((first, u64::from(count), cost(value.len())));
        }
    }
    for (first, count, bytes) in going {
        table.remove(first)?;
        books.events = books.events.saturating_sub(count);
        books.bytes = books.bytes.saturating_sub(bytes);
    }
    Ok(more)
}

/// A block that cannot be read must not hold back the ones behind it. It is kept for people; the numbers in it
/// are missing upstream, and the bridge records them as a gap.
fn move_aside(
    table: &mut Table<'_, u64, &'static [u8]>,
    damaged: &mut Table<'_, u64, &'static [u8]>,
    firsts: &[u64],
    books: &mut Totals,
) -> Result<(), redb::StorageError> {
    for first in firsts {
        let next = table
            .range(first.saturating_add(1)..)?
            .next()
            .transpose()?
            .map_or(books.next_seq, |(next, _)| next.value());
        let Some(value) = table.remove(*first)? else {
            continue;
        };
        let bytes = value.value();
        books.bytes = books.bytes.saturating_sub(cost(bytes.len()));
        let count = format::header(bytes)
            .map_or(next - first, |(h, _)| u64::from(h.count).min(next - first));
        books.events = books.events.saturating_sub(count);
        damaged.insert(*first, bytes)?;
    }
    Ok(())
}

fn forget(
    table: &mut Table<'_, (&'static str, u16), ()>,
    released: &[(Arc<str>, u16)],
    cleared: &[Arc<str>],
) -> Result<(), redb::StorageError> {
    for (client, id) in released {
        table.remove((client.as_ref(), *id))?;
    }
    for client in cleared {
        let ids: Vec<u16> = table
            .range((client.as_ref(), 0)..=(client.as_ref(), u16::MAX))?
            .map(|row| row.map(|(key, _)| key.value().1))
            .collect::<Result<_, _>>()?;
        for id in ids {
            table.remove((client.as_ref(), id))?;
        }
    }
    Ok(())
}
