//! Which log a topic is: the cluster's id, and an id that each topic is given when it is made.
//!
//! Clients cannot ask for Kafka's own topic ids without unsafe code, so `create_topics` keeps one of its own for each
//! topic in a compacted topic beside them. A topic that others delete and make again keeps its entry: that is not seen
//! here, but by who compares the last record that was read (`follow`).

use std::collections::BTreeMap;

use bytes::Bytes;
use rdkafka::Offset;

use super::KafkaLog;
use crate::follow::Scan;
use crate::{
    Cleanup, CleanupKind, Headers, LogError, LogId, PartitionOffsets, Record, TopicInfo, TopicSpec,
};

/// The topic of the ids, one record a topic.
pub(super) const TOPIC: &str = "log-ids";

/// The ids as they were read last.
#[derive(Default)]
pub(super) struct Ids {
    cluster: Option<String>,
    /// Up to where the topic of the ids was read.
    read: u64,
    of_topics: BTreeMap<String, String>,
}

pub(super) fn spec() -> TopicSpec {
    TopicSpec {
        name: TOPIC.to_owned(),
        partitions: 1,
        cleanup: Cleanup::Compact,
    }
}

fn info() -> TopicInfo {
    TopicInfo {
        name: TOPIC.to_owned(),
        partitions: 1,
        cleanup: CleanupKind::Compact,
    }
}

impl KafkaLog {
    pub(super) async fn identity(&self, topic: &str) -> Result<LogId, LogError> {
        let mut ids = self.ids.lock().await;
        self.refresh(&mut ids).await?;
        let cluster = match &ids.cluster {
            Some(known) => known.clone(),
            None => self.cluster.id().await?,
        };
        let id = ids.of_topics.get(topic).map_or("-", String::as_str);
        let id = LogId::new(format!("{cluster}/{id}"));
        ids.cluster = Some(cluster);
        Ok(id)
    }

    /// Gives an id to each topic that was made just now, and to each that has none.
    pub(super) async fn give_ids(
        &self,
        made: &[String],
        all: &[TopicSpec],
    ) -> Result<(), LogError> {
        let mut ids = self.ids.lock().await;
        self.refresh(&mut ids).await?;
        let without = |spec: &&TopicSpec| {
            made.contains(&spec.name) || !ids.of_topics.contains_key(&spec.name)
        };
        let records: Vec<Record> = all
            .iter()
            .filter(without)
            .map(|spec| Record {
                key: Some(Bytes::from(spec.name.clone())),
                value: Some(Bytes::from(format!("{:032x}", rand::random::<u128>()))),
                headers: Headers::new(),
                time_ms: 0,
            })
            .collect();
        if !records.is_empty() {
            let sent = self.producer.send(&self.full(TOPIC), &info(), &records)?;
            self.producer.delivered(TOPIC, sent).await?;
        }
        self.refresh(&mut ids).await
    }

    /// Reads what was added; one question to the cluster if nothing was.
    async fn refresh(&self, ids: &mut Ids) -> Result<(), LogError> {
        let full = self.full(TOPIC);
        let end = match self.cluster.ask(TOPIC, &full, 1, Offset::End).await {
            Ok(ends) => ends.first().copied().flatten().unwrap_or(0),
            Err(LogError::UnknownTopic { .. }) => 0,
            Err(error) => return Err(error),
        };
        if end < ids.read {
            *ids = Ids::default();
        }
        if end == ids.read {
            return Ok(());
        }
        let range = PartitionOffsets {
            partition: 0,
            start: ids.read,
            end,
        };
        let mut scan = Scan::new(self, TOPIC, range);
        while let Some(entries) = scan.next().await? {
            for Record { key, value, .. } in entries.into_iter().map(|entry| entry.record) {
                let text = |bytes: Option<Bytes>| String::from_utf8(bytes?.to_vec()).ok();
                if let (Some(topic), Some(id)) = (text(key), text(value)) {
                    ids.of_topics.insert(topic, id);
                }
            }
        }
        ids.read = end;
        Ok(())
    }
}
