//! The tables of the store and the books kept in them. docs/specs/agent-store.md has the numbered rules.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};
use wardline_model::Incarnation;

/// First number of a block -> the block.
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// QoS 2 packet identifiers that are stored and not yet released, by client.
pub(super) const QOS2: TableDefinition<'_, (&str, u16), ()> = TableDefinition::new("qos2");
/// The books: numbers under names; signed ones as their two's complement.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Blocks that could not be read: kept for people, never sent.
pub(super) const DAMAGED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("damaged");

const INCARNATION: &str = "incarnation";
const NEXT_SEQ: &str = "next_seq";
const EVENTS: &str = "events";
const BYTES: &str = "bytes";
const REFUSED: &str = "refused";
const UNTOLD: &str = "refused_untold";
const UNTOLD_SINCE: &str = "refused_since_ms";
const LAST_EVENT: &str = "last_event_ms";

/// What moves with every commit, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Totals {
    pub incarnation: Incarnation,
    pub next_seq: u64,
    /// Events held.
    pub events: u64,
    /// What the held blocks cost on disk.
    pub bytes: u64,
    pub refused: u64,
    /// Refused and not yet told in a loss record: how many, since when.
    pub untold: Option<(u64, i64)>,
    pub last_event_ms: Option<i64>,
    /// Lowest number held; `next_seq` when nothing is. Not written: it follows from the blocks.
    pub oldest: u64,
    /// Not written: it follows from their table.
    pub qos2_ids: u64,
}

impl Totals {
    /// `None` when a name is missing that every store has.
    pub(super) fn read(txn: &ReadTransaction) -> Result<Option<Self>, redb::Error> {
        let meta = txn.open_table(META)?;
        let get = |name: &'static str| meta.get(name).map(|v| v.map(|v| v.value()));
        let (Some(incarnation), Some(next_seq), Some(events), Some(bytes)) =
            (get(INCARNATION)?, get(NEXT_SEQ)?, get(EVENTS)?, get(BYTES)?)
        else {
            return Ok(None);
        };
        let untold = get(UNTOLD)?.filter(|count| *count > 0);
        let since = get(UNTOLD_SINCE)?.map_or(0, u64::cast_signed);
        let blocks = txn.open_table(BLOCKS)?;
        let oldest = blocks.first()?.map(|(first, _)| first.value());
        Ok(Some(Self {
            incarnation: Incarnation(incarnation),
            next_seq,
            events,
            bytes,
            refused: get(REFUSED)?.unwrap_or(0),
            untold: untold.map(|count| (count, since)),
            last_event_ms: get(LAST_EVENT)?.map(u64::cast_signed),
            oldest: oldest.unwrap_or(next_seq),
            qos2_ids: txn.open_table(QOS2)?.len()?,
        }))
    }

    pub(super) fn write(
        &self,
        meta: &mut redb::Table<'_, &'static str, u64>,
    ) -> Result<(), redb::StorageError> {
        let (untold, since) = self.untold.unwrap_or((0, 0));
        let rows = [
            (INCARNATION, self.incarnation.0),
            (NEXT_SEQ, self.next_seq),
            (EVENTS, self.events),
            (BYTES, self.bytes),
            (REFUSED, self.refused),
            (UNTOLD, untold),
            (UNTOLD_SINCE, since.cast_unsigned()),
        ];
        for (name, value) in rows {
            meta.insert(name, value)?;
        }
        if let Some(ms) = self.last_event_ms {
            meta.insert(LAST_EVENT, ms.cast_unsigned())?;
        }
        Ok(())
    }
}
