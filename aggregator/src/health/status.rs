//! The newest word of every agent and bridge, as the `status` topic has it.
//!
//! Kept by site and name. The time that counts is the log record's: it was set at the site's end of the line, so an agent
//! with a wrong clock is not taken for a silent one. A bridge's count of written records is held back for a while before
//! it is compared with what arrived, because a comparison of two moments proves nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use wardline_log::{Entry, Record};
use wardline_model::status::{AgentStatus, BridgeStatus, FeedsStatus};
use wardline_model::topic::STATUS;

use crate::decode::origin::ReadFrom;
use crate::limits::SETTLED_AFTER_MS;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastStatus<T> {
    pub(crate) at_ms: i64,
    pub(crate) status: T,
}

/// Site and name.
pub(crate) type Speaker = (String, String);

#[derive(Debug, Clone, Default)]
pub(crate) struct Statuses {
    pub(crate) agents: BTreeMap<Speaker, LastStatus<AgentStatus>>,
    pub(crate) bridges: BTreeMap<String, LastStatus<BridgeStatus>>,
    pub(crate) feeds: BTreeMap<String, Arc<LastStatus<FeedsStatus>>>,
    /// Site -> records that its bridge had written long enough ago.
    settled: BTreeMap<String, u64>,
    candidates: BTreeMap<String, (u64, i64)>,
}

impl Statuses {
    /// Takes one record of a status topic. What cannot be read changes nothing and is said by `false`.
    pub(crate) fn note(&mut self, from: ReadFrom<'_>, entry: &Entry, now_ms: i64) -> bool {
        let record = &entry.record;
        let site = from
            .origin(STATUS, entry.partition, entry.offset, record)
            .site;
        let Some(name) = name_of(record) else {
            return false;
        };
        let Some(value) = &record.value else {
            self.agents.remove(&(site, name));
            return true;
        };
        if let Ok(status) = serde_json::from_slice::<AgentStatus>(value) {
            let at_ms = said_at(record, status.at_ms);
            self.agents
                .insert((site, name), LastStatus { at_ms, status });
            return true;
        }
        if let Ok(status) = serde_json::from_slice::<BridgeStatus>(value) {
            let at_ms = said_at(record, status.at_ms);
            self.settle(&site, status.records, now_ms);
            self.bridges.insert(site, LastStatus { at_ms, status });
            return true;
        }
        if let Ok(status) = serde_json::from_slice::<FeedsStatus>(value) {
            let at_ms = said_at(record, status.at_ms);
            let said = Arc::new(LastStatus { at_ms, status });
            self.feeds.insert(site, said);
            return true;
        }
        false
    }

    fn settle(&mut self, site: &str, records: u64, now_ms: i64) {
        match self.candidates.get(site) {
            Some((old, since)) if now_ms - since >= SETTLED_AFTER_MS => {
                self.settled.insert(site.to_owned(), *old);
            }
            Some(_) => return,
            None => {}
        }
        self.candidates.insert(site.to_owned(), (records, now_ms));
    }

    /// Records that the site's bridge had certainly written, if it said so long enough ago.
    pub(crate) fn settled_records(&self, site: &str) -> Option<u64> {
        self.settled.get(site).copied()
    }
}

/// The speaker's name: the key, without the site that replication puts before it.
fn name_of(record: &Record) -> Option<String> {
    let key = std::str::from_utf8(record.key.as_deref()?).ok()?;
    Some(key.rsplit('/').next().unwrap_or(key).to_owned())
}

fn said_at(record: &Record, fallback_ms: i64) -> i64 {
    if record.time_ms > 0 {
        record.time_ms
    } else {
        fallback_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ReadFrom<'_> = ReadFrom {
        site: "a",
        copies: false,
    };

    fn bridge(records: u64) -> Entry {
        let status = BridgeStatus {
            records,
            ..BridgeStatus::default()
        };
        Entry {
            partition: 0,
            offset: 0,
            record: Record {
                key: Some("bridge".into()),
                value: Some(serde_json::to_vec(&status).unwrap().into()),
                time_ms: 5,
                ..Record::default()
            },
        }
    }

    #[test]
    fn p4_a_bridges_count_is_compared_only_once_it_is_old_enough() {
        let mut statuses = Statuses::default();
        assert!(statuses.note(A, &bridge(10), 0));
        assert!(statuses.note(A, &bridge(20), 5_000));
        assert_eq!(statuses.settled_records("a"), None);
        assert!(statuses.note(A, &bridge(30), 15_000));
        assert_eq!(statuses.settled_records("a"), Some(10));
        assert_eq!(statuses.bridges["a"].status.records, 30);
        assert_eq!(statuses.bridges["a"].at_ms, 5);
    }

    #[test]
    fn p8_an_unreadable_status_changes_nothing() {
        let mut statuses = Statuses::default();
        let mut entry = bridge(1);
        entry.record.value = Some("{".into());
        assert!(!statuses.note(A, &entry, 0));
        assert!(statuses.bridges.is_empty());
    }
}
