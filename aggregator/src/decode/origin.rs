//! Where a copied record comes from: `site/topic/partition/offset`, and the epoch of the source's log.
//!
//! Topic names never hold a `/` and site names neither, so the text is read back without doubt. The epoch is 0 and not
//! written until a source is found recreated: from then on equal offsets of different epochs are different records.

use std::fmt;

use wardline_log::Record;
use wardline_model::record::ORIGIN;

/// Header with the epoch, absent for 0.
pub(crate) const ORIGIN_EPOCH: &str = "origin-epoch";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) site: String,
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) epoch: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.site, self.topic, self.partition, self.offset
        )
    }
}

impl Origin {
    pub(crate) fn of(record: &Record) -> Option<Self> {
        let text = record.header_str(ORIGIN)?;
        let epoch = record
            .header_str(ORIGIN_EPOCH)
            .and_then(|e| e.parse().ok())
            .unwrap_or(0);
        Self::parse(text, epoch)
    }

    pub(crate) fn parse(text: &str, epoch: u32) -> Option<Self> {
        let mut parts = text.split('/');
        let (site, topic, partition, offset) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || site.is_empty() || topic.is_empty() {
            return None;
        }
        Some(Self {
            site: site.to_owned(),
            topic: topic.to_owned(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
            epoch,
        })
    }

    /// The same partition of the same life of the same source.
    pub(crate) fn same_partition(&self, site: &str, topic: &str, partition: u32) -> bool {
        self.site == site && self.topic == topic && self.partition == partition
    }

    /// The record as it goes to the centre: key, value, time and headers kept, origin added.
    pub(crate) fn stamp(&self, mut record: Record) -> Record {
        record.headers.push(ORIGIN, self.to_string());
        if self.epoch > 0 {
            record.headers.push(ORIGIN_EPOCH, self.epoch.to_string());
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rp2_origins_are_read_back_as_they_were_written() {
        for epoch in [0, 3] {
            let origin = Origin {
                site: "st-mary".into(),
                topic: "fhir.encounter".into(),
                partition: 2,
                offset: 17,
                epoch,
            };
            let record = origin.stamp(Record::default());
            assert_eq!(Origin::of(&record), Some(origin));
        }
        for bad in ["", "a/b", "a/b/0", "a/b/x/1", "a/b/0/1/2", "/b/0/1"] {
            assert_eq!(Origin::parse(bad, 0), None, "{bad}");
        }
    }
}
