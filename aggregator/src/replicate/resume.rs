//! Where copying goes on after a stop of any kind, found in the centre's own log.
//!
//! The checkpoint is a hint: it says from where on the centre's log has to be looked at. What stands there is the truth:
//! every copy names its origin, so the set of copied offsets is read back, and exactly what is missing is copied. That
//! holds when a crash came between append and checkpoint, and when an append to several partitions was half done.

use std::collections::BTreeMap;

use wardline_log::follow::{LastRead, Mark, Scan, fingerprint};
use wardline_log::{LogError, PartitionOffsets, SharedLog};
use wardline_model::RangeSet;
use wardline_model::topic::STATUS;

use crate::decode::origin::Origin;
use crate::store::{Checkpoint, LastCopy};

/// What the centre's log says about one partition of a source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resume {
    pub(crate) checkpoint: Checkpoint,
    /// Offsets at or after the checkpoint's position that are copied already.
    pub(crate) covered: RangeSet,
}

pub(crate) struct Copied<'a> {
    pub(crate) centre: &'a SharedLog,
    pub(crate) site: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) partition: u32,
}

impl Copied<'_> {
    /// Reads the centre's log from the checkpoint on, or from the start when the checkpoint does not fit it.
    pub(crate) async fn resume(&self, hint: Option<Checkpoint>) -> Result<Resume, LogError> {
        let held = self.centre.offsets(self.topic).await?;
        let hint = match hint {
            Some(hint) if self.fits(&hint, &held).await? => hint,
            Some(hint) => {
                tracing::error!(
                    site = self.site,
                    topic = self.topic,
                    partition = self.partition,
                    "the centre's log is not the one that the checkpoint was written for; reading it from the start"
                );
                Checkpoint {
                    read: Mark::default(),
                    last: None,
                    centre: BTreeMap::new(),
                    ..hint
                }
            }
            None => Checkpoint::default(),
        };
        self.scan(hint, &held).await
    }

    async fn fits(&self, hint: &Checkpoint, held: &[PartitionOffsets]) -> Result<bool, LogError> {
        let end_of = |p: u32| held.iter().find(|h| h.partition == p).map(|h| h.end);
        if hint
            .centre
            .iter()
            .any(|(p, at)| end_of(*p).is_none_or(|end| *at > end))
        {
            return Ok(false);
        }
        let Some(last) = &hint.last else {
            return Ok(true);
        };
        let Some(there) = held.iter().find(|h| h.partition == last.centre_partition) else {
            return Ok(false);
        };
        if last.centre_offset < there.start || last.centre_offset >= there.end {
            // Below the start: retention took it, which says nothing against the rest.
            return Ok(last.centre_offset < there.start);
        }
        let found = self
            .first_at(last.centre_partition, last.centre_offset)
            .await?;
        Ok(found.is_none_or(|(offset, origin)| {
            offset != last.centre_offset
                || origin.is_some_and(|o| {
                    o.same_partition(self.site, self.topic, self.partition)
                        && o.offset == last.offset
                })
        }))
    }

    async fn first_at(
        &self,
        partition: u32,
        offset: u64,
    ) -> Result<Option<(u64, Option<Origin>)>, LogError> {
        let range = PartitionOffsets {
            partition,
            start: offset,
            end: offset + 1,
        };
        let mut scan = Scan::new(&**self.centre, self.topic, range);
        let found = scan.next().await?.unwrap_or_default();
        Ok(found.first().map(|e| (e.offset, Origin::of(&e.record))))
    }

    async fn scan(
        &self,
        mut checkpoint: Checkpoint,
        held: &[PartitionOffsets],
    ) -> Result<Resume, LogError> {
        let from_scratch = checkpoint.centre.is_empty();
        let mut covered = RangeSet::new();
        let mut found = 0;
        for there in held {
            let from = checkpoint
                .centre
                .get(&there.partition)
                .copied()
                .unwrap_or(there.start)
                .max(there.start);
            let range = PartitionOffsets {
                start: from,
                ..*there
            };
            let mut scan = Scan::new(&**self.centre, self.topic, range);
            while let Some(entries) = scan.next().await? {
                for entry in &entries {
                    found += u64::from(self.note(entry, &mut checkpoint, &mut covered));
                }
            }
            let end = scan.position().max(there.end);
            checkpoint.centre.insert(there.partition, end);
        }
        if from_scratch && held.iter().any(|h| h.start > 0) {
            // Older copies were removed at the centre; what stands before the oldest that is left was copied too.
            if let Some((first, _)) = covered.iter().next() {
                checkpoint.read.next = checkpoint.read.next.max(first);
            }
        }
        if self.topic == STATUS
            && let Some(last) = covered.last()
        {
            // Compacted at the centre: the holes are older words of the same speakers, which must not come after newer.
            covered.insert(0, last);
        }
        // Copies made after the checkpoint were received and applied; the checkpoint's counts do not have them.
        checkpoint.counts.received += found;
        checkpoint.counts.applied += found;
        Ok(Resume {
            checkpoint,
            covered,
        })
    }

    /// Whether the record is a copy of this partition that the checkpoint did not know.
    fn note(
        &self,
        entry: &wardline_log::Entry,
        checkpoint: &mut Checkpoint,
        covered: &mut RangeSet,
    ) -> bool {
        let Some(origin) = Origin::of(&entry.record) else {
            return false;
        };
        if !origin.same_partition(self.site, self.topic, self.partition)
            || origin.epoch < checkpoint.epoch
        {
            return false;
        }
        if origin.epoch > checkpoint.epoch {
            *covered = RangeSet::new();
            checkpoint.epoch = origin.epoch;
            checkpoint.read = Mark::default();
            checkpoint.last = None;
        }
        let fresh = origin.offset >= checkpoint.read.next && !covered.contains(origin.offset);
        covered.insert(origin.offset, origin.offset);
        if checkpoint
            .last
            .as_ref()
            .is_none_or(|last| last.offset < origin.offset)
        {
            checkpoint.read.last = Some(LastRead {
                offset: origin.offset,
                fingerprint: fingerprint(&origin.original(&entry.record)),
            });
            checkpoint.last = Some(LastCopy {
                offset: origin.offset,
                centre_partition: entry.partition,
                centre_offset: entry.offset,
            });
        }
        fresh
    }
}
