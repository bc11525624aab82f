//! Where a copied record comes from: `site/topic/partition/offset`, and the epoch of the source's log.
//!
//! Topic names never hold a `/` and site names neither, so the text is read back without doubt. The epoch is 0 and not
//! written until a source is found recreated: from then on equal offsets of different epochs are different records.

use std::fmt;

use wardline_log::Record;
use wardline_model::record::{ORIGIN, SITE};
use wardline_model::topic::STATUS;

/// Header with the epoch, absent for 0.
pub(crate) const ORIGIN_EPOCH: &str = "origin-epoch";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The centre's name for the site, never what a record says of itself.
    pub site: String,
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
    pub epoch: u32,
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

/// A log that records are read from, and whose they are.
#[derive(Debug, Clone, Copy)]
pub struct ReadFrom<'a> {
    /// The site of records that are no copies.
    pub site: &'a str,
    /// The log is a centre's own: the origin that a record carries was written by its replication. In any other log such
    /// a header is a claim of whoever wrote it, and counts for nothing.
    pub copies: bool,
}

impl ReadFrom<'_> {
    /// Where a record at this place came from.
    pub fn origin(&self, topic: &str, partition: u32, offset: u64, record: &Record) -> Origin {
        let copied = self.copies.then(|| Origin::of(record)).flatten();
        copied.unwrap_or_else(|| Origin {
            site: self.site.to_owned(),
            topic: topic.to_owned(),
            partition,
            offset,
            epoch: 0,
        })
    }
}

/// The site that a record says it is of, where that is another one than its source is.
pub(crate) fn misnamed<'a>(record: &'a Record, origin: &Origin) -> Option<&'a str> {
    record.header_str(SITE).filter(|site| *site != origin.site)
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

    /// The record as it goes to the centre: key, value, time and headers kept, origin added (RP2). Names of agents are
    /// unique within a site only, so the keys of statuses get the site before them (RP10).
    pub(crate) fn stamp(&self, mut record: Record) -> Record {
        if self.topic == STATUS {
            let name = record.key.as_deref().unwrap_or_default();
            record.key = Some([self.site.as_bytes(), b"/", name].concat().into());
        }
        record.headers.push(ORIGIN, self.to_string());
        if self.epoch > 0 {
            record.headers.push(ORIGIN_EPOCH, self.epoch.to_string());
        }
        record
    }

    /// The record as it stands at its source.
    pub(crate) fn original(&self, copy: &Record) -> Record {
        let mut record = copy.clone();
        let ours = |name: &str| name == ORIGIN || name == ORIGIN_EPOCH;
        record.headers = copy
            .headers
            .iter()
            .filter(|(name, _)| !ours(name))
            .collect();
        if self.topic == STATUS {
            let site = self.site.len() + 1;
            record.key = copy
                .key
                .as_ref()
                .filter(|key| key.len() >= site)
                .map(|key| key.slice(site..));
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rp2_origins_are_read_back_as_they_were_written() {
        for (epoch, topic) in [(0, "fhir.encounter"), (3, "status")] {
            let origin = Origin {
                site: "st-mary".into(),
                topic: topic.into(),
                partition: 2,
                offset: 17,
                epoch,
            };
            let record = Record {
                key: Some("k".into()),
                headers: [("a", "1")].into_iter().collect(),
                ..Record::default()
            };
            let copy = origin.stamp(record.clone());
            assert_eq!(origin.original(&copy), record);
            assert_eq!(Origin::of(&copy), Some(origin));
        }
        for bad in ["", "a/b", "a/b/0", "a/b/x/1", "a/b/0/1/2", "/b/0/1"] {
            assert_eq!(Origin::parse(bad, 0), None, "{bad}");
        }
    }
}
