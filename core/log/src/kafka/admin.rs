//! Topics: made with the settings that the promises need, seen, and adjusted.
//!
//! Several programs may start at once against a cluster that is still electing leaders. So creating is repeatable,
//! another's creation counts as ours, and it returns only when all partitions have leaders and the cluster shows the
//! settings. Partitions are never changed: another number would move keys to other partitions. Settings of a topic that
//! are not ours are kept.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use rdkafka::admin::{
    AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::{Instant, sleep};

use super::{KafkaLog, LOOK_AGAIN, REQUEST_TIMEOUT, Topics, error, identity};
use crate::limits::TOMBSTONE_GRACE_MS;
use crate::{Cleanup, CleanupKind, LogError, TopicInfo, TopicSpec};

const POLICY: &str = "cleanup.policy";

/// The cluster as its metadata shows it.
struct Seen {
    brokers: usize,
    /// Partitions by full topic name; `None` while a partition has no leader.
    topics: BTreeMap<String, Option<u32>>,
}

impl KafkaLog {
    async fn metadata(&self) -> Result<Seen, LogError> {
        let prefix = self.prefix.clone();
        self.cluster
            .metadata(move |metadata| {
                let ours = metadata
                    .topics()
                    .iter()
                    .filter(|topic| topic.name().starts_with(&prefix));
                let topics = ours.map(|topic| {
                    let led = topic
                        .partitions()
                        .iter()
                        .all(|p| p.leader() >= 0 && p.error().is_none());
                    let ready = led && topic.error().is_none();
                    let count = u32::try_from(topic.partitions().len()).ok();
                    (
                        topic.name().to_owned(),
                        count.filter(|count| ready && *count > 0),
                    )
                });
                Seen {
                    brokers: metadata.brokers().len(),
                    topics: topics.collect(),
                }
            })
            .await
    }

    async fn configs(&self, names: &[&String]) -> Result<Vec<ConfigResource>, LogError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let which: Vec<_> = names
            .iter()
            .map(|name| ResourceSpecifier::Topic(name))
            .collect();
        let answers = self.admin.describe_configs(&which, &options()).await;
        let answers = answers.map_err(|error| error::during("read settings", "", &error))?;
        // A topic that went away in between has no settings.
        Ok(answers.into_iter().filter_map(Result::ok).collect())
    }

    /// Asks the cluster for all topics, and remembers them.
    pub(super) async fn load_topics(&self) -> Result<BTreeMap<String, TopicInfo>, LogError> {
        let seen = self.metadata().await?;
        let ready: BTreeMap<&String, u32> = seen
            .topics
            .iter()
            .filter_map(|(name, count)| Some((name, (*count)?)))
            .collect();
        let names: Vec<&String> = ready.keys().copied().collect();
        let mut infos = BTreeMap::new();
        for config in self.configs(&names).await? {
            let OwnedResourceSpecifier::Topic(full) = &config.specifier else {
                continue;
            };
            let policy = config.get(POLICY).and_then(|entry| entry.value.as_deref());
            let cleanup = match policy {
                Some(policy) if policy.contains("compact") => CleanupKind::Compact,
                _ => CleanupKind::Delete,
            };
            if let (Some(name), Some(partitions)) =
                (full.strip_prefix(&self.prefix), ready.get(full))
            {
                let info = TopicInfo {
                    name: name.to_owned(),
                    partitions: *partitions,
                    cleanup,
                };
                infos.insert(name.to_owned(), info);
            }
        }
        for info in infos.values() {
            self.notice(&info.name, info.partitions).await?;
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        *topics = Topics {
            known: infos.clone(),
            seen_at: Instant::now(),
        };
        Ok(infos)
    }

    pub(super) async fn create_or_adjust(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        for spec in specs {
            spec.check()?;
        }
        let seen = self.metadata().await?;
        let (mut missing, mut present) = (Vec::new(), Vec::new());
        let ids = identity::spec();
        for spec in specs.iter().chain([&ids]) {
            match seen.topics.get(&self.full(&spec.name)) {
                Some(Some(found)) => {
                    same_partitions(spec, *found)?;
                    present.push(spec);
                }
                Some(None) => present.push(spec),
                None => missing.push(spec),
            }
        }
        self.create(&missing, seen.brokers).await?;
        self.adjust(&present).await?;
        self.wait_ready(specs).await?;
        self.wait_ready(std::slice::from_ref(&ids)).await?;
        self.load_topics().await?;
        let made: Vec<String> = missing.iter().map(|spec| spec.name.clone()).collect();
        self.give_ids(&made, specs).await
    }

    async fn create(&self, specs: &[&TopicSpec], brokers: usize) -> Result<(), LogError> {
        if specs.is_empty() {
            return Ok(());
        }
        let replication = i32::try_from(brokers.clamp(1, 3)).unwrap_or(1);
        let in_sync = if replication >= 3 { "2" } else { "1" };
        let prepared: Vec<_> = specs
            .iter()
            .map(|spec| {
                (
                    self.full(&spec.name),
                    spec.partitions,
                    settings(spec.cleanup),
                )
            })
            .collect();
        let topics: Vec<NewTopic<'_>> = prepared
            .iter()
            .map(|(full, partitions, settings)| {
                let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
                let topic = NewTopic::new(full, partitions, TopicReplication::Fixed(replication))
                    .set("min.insync.replicas", in_sync);

                settings
                    .iter()
                    .fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let made = self.admin.create_topics(&topics, &options()).await;
        let made = made.map_err(|error| error::during("create topics", "", &error))?;
        for result in made {
            match result {
                // Another process was faster; the settings are looked at the next time.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(error::of_code("create topics", &topic, code)),
            }
        }
        Ok(())
    }

    /// Brings cleanup and retention to what is given, and waits until the cluster says so.
    async fn adjust(&self, specs: &[&TopicSpec]) -> Result<(), LogError> {
        let wanted: Wanted = specs
            .iter()
            .map(|spec| (self.full(&spec.name), settings(spec.cleanup)))
            .collect();
        let names: Vec<&String> = wanted.keys().collect();
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut asked = false;
        loop {
            let mut configs = self.configs(&names).await?;
            configs.retain(|config| wanted_for(config, &wanted).is_some_and(|w| differ(config, w)));
            if configs.is_empty() {
                return Ok(());
            }
            if !asked {
                for config in &configs {
                    self.alter(config, &wanted).await?;
                }
                asked = true;
            } else if Instant::now() > deadline {
                return Err(LogError::Unavailable {
                    doing: "change settings",
                    why: "the cluster still shows the old ones".to_owned(),
                });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The call replaces all settings of a topic, so those that others made are given as well.
    async fn alter(&self, config: &ConfigResource, wanted: &Wanted) -> Result<(), LogError> {
        let (OwnedResourceSpecifier::Topic(full), Some(wanted)) =
            (&config.specifier, wanted_for(config, wanted))
        else {
            return Ok(());
        };
        let kept = config.entries.iter().filter(|entry| {
            let ours = wanted.iter().any(|(key, _)| *key == entry.name);
            entry.source == ConfigSource::DynamicTopic && !ours
        });
        let change = AlterConfig::new(ResourceSpecifier::Topic(full));
        let change = kept.fold(change, |change, entry| match &entry.value {
            Some(value) => change.set(&entry.name, value),
            None => change,
        });
        let change = wanted
            .iter()
            .fold(change, |change, (key, value)| change.set(key, value));
        let done = self.admin.alter_configs([&change], &options()).await;
        let done = done.map_err(|error| error::during("change settings", full, &error))?;
        match done.into_iter().find_map(Result::err) {
            Some((_, code)) => Err(error::of_code("change settings", full, code)),
            None => Ok(()),
        }
    }

    /// Until all partitions have leaders: before that, an append would be told that there is no such topic.
    async fn wait_ready(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let seen = self.metadata().await?;
            let mut waiting = None;
            for spec in specs {
                match seen.topics.get(&self.full(&spec.name)) {
                    Some(Some(found)) => same_partitions(spec, *found)?,
                    _ => waiting = Some(&spec.name),
                }
            }
            let Some(waiting) = waiting else {
                return Ok(());
            };
            if Instant::now() > deadline {
                return Err(LogError::Unavailable {
                    doing: "create topics",
                    why: format!("topic {waiting:?} has partitions without a leader"),
                });
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

fn same_partitions(spec: &TopicSpec, found: u32) -> Result<(), LogError> {
    if found == spec.partitions {
        return Ok(());
    }
    Err(LogError::PartitionMismatch {
        topic: spec.name.clone(),
        found,
        wanted: spec.partitions,
    })
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}

/// What a topic's settings are in Kafka's words; `TIME_HEADER` says why the time is the time of writing.
fn settings(cleanup: Cleanup) -> Vec<(&'static str, String)> {
    let bound = |bound: Option<u64>| match bound {
        // Beyond what Kafka counts is as good as none.
        Some(bound) => i64::try_from(bound).unwrap_or(-1).to_string(),
        None => "-1".to_owned(),
    };
    let mut settings = vec![("message.timestamp.type", "LogAppendTime".to_owned())];
    match cleanup {
        Cleanup::Delete {
            retention_bytes,
            retention_ms,
        } => settings.extend([
            (POLICY, "delete".to_owned()),
            ("retention.bytes", bound(retention_bytes)),
            ("retention.ms", bound(retention_ms)),
        ]),
        Cleanup::Compact => settings.extend([
            (POLICY, "compact".to_owned()),
            ("delete.retention.ms", TOMBSTONE_GRACE_MS.to_string()),
        ]),
    }
    settings
}

/// Settings by full topic name.
type Wanted = BTreeMap<String, Vec<(&'static str, String)>>;

fn wanted_for<'a>(
    config: &ConfigResource,
    wanted: &'a Wanted,
) -> Option<&'a Vec<(&'static str, String)>> {
    match &config.specifier {
        OwnedResourceSpecifier::Topic(full) => wanted.get(full),
        _ => None,
    }
}

fn differ(config: &ConfigResource, wanted: &[(&'static str, String)]) -> bool {
    wanted
        .iter()
        .any(|(key, value)| config.get(key).and_then(|entry| entry.value.as_ref()) != Some(value))
}
