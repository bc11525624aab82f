//! What the shell's tests share: hand-written `fhir.*` records, logs on disk, an aggregator on a free port, a client.

#![allow(
    unreachable_pub,
    reason = "what the tests share stands in modules of its own"
)]

pub mod records;
pub mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use wardline_aggregator::FaultPoint;
use wardline_aggregator::decode::origin::ReadFrom;
use wardline_aggregator::{Config, SiteBeds, Source, digest_of_log};
use wardline_log::embedded::EmbeddedLog;
use wardline_log::{Cleanup, Entry, Record, SharedLog, TopicSpec};
use wardline_model::topic::{FHIR_TOPICS, RETRY, SIDELINE, STATUS};
use wardline_service::{ManualClock, Running, Settings, SharedClock, SystemClock};

pub const BEDS: &str = "bed,department,class,staffed\n\
    ICU^1^1,ICU,icu,yes\n\
    ICU^1^2,ICU,icu,yes\n\
    W1^1^1,WARD 1,ward,yes\n\
    W1^1^2,WARD 1,ward,no\n\
    ED^1^1,ED,ed,yes\n";

/// 2026-03-01T12:00:00Z.
pub const NOON: i64 = 1_772_366_400_000;
pub const MINUTE: i64 = 60_000;

pub fn beds() -> SiteBeds {
    SiteBeds::parse(BEDS.to_owned()).unwrap()
}

/// Digest of everything that a site's own log holds.
pub async fn digest_of_site(log: &SharedLog, site: &str, horizon_ms: Option<i64>) -> String {
    let from = ReadFrom {
        site,
        copies: false,
    };
    let beds = BTreeMap::from([(site.to_owned(), BEDS.to_owned())]);
    digest_of_log(log, from, &beds, horizon_ms).await.unwrap()
}

/// One log in a folder of its own.
pub struct LogDir {
    /// Removed with it.
    _dir: TempDir,
    pub log: SharedLog,
    pub embedded: Arc<EmbeddedLog>,
}

impl LogDir {
    /// A site's log with its topics.
    pub async fn site() -> Self {
        let this = Self::bare();
        this.topics(1).await;
        this
    }

    /// A log that stands somewhere else.
    pub fn of(embedded: Arc<EmbeddedLog>) -> Self {
        Self {
            _dir: tempfile::tempdir().unwrap(),
            log: embedded.clone(),
            embedded,
        }
    }

    pub fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let embedded = EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
        Self {
            _dir: dir,
            log: embedded.clone(),
            embedded,
        }
    }

    pub async fn topics(&self, partitions: u32) {
        let keep = Cleanup::Delete {
            retention_bytes: None,
            retention_ms: None,
        };
        let spec = |name: &str, cleanup, partitions| TopicSpec {
            name: name.to_owned(),
            partitions,
            cleanup,
        };
        let mut specs: Vec<TopicSpec> = FHIR_TOPICS
            .iter()
            .map(|name| spec(name, keep, partitions))
            .collect();
        specs.push(spec(SIDELINE, keep, 1));
        specs.push(spec(RETRY, keep, 1));
        specs.push(spec(STATUS, Cleanup::Compact, 1));
        self.log.create_topics(&specs).await.unwrap();
    }

    pub async fn say(&self, records: &[(&'static str, Record)]) {
        let mut batches: BTreeMap<&str, Vec<Record>> = BTreeMap::new();
        for (topic, record) in records {
            batches.entry(topic).or_default().push(record.clone());
        }
        let batches = batches
            .into_iter()
            .map(|(topic, records)| (topic.to_owned(), records))
            .collect();
        self.log.append_many(batches).await.unwrap();
    }

    pub fn local(&self, site: &str) -> Source {
        Source {
            site: site.to_owned(),
            beds: beds(),
            log: self.log.clone(),
            local: true,
        }
    }

    pub fn remote(&self, site: &str) -> Source {
        Source {
            local: false,
            ..self.local(site)
        }
    }
}

/// Everything that a topic holds, partition by partition.
pub async fn read_all(log: &SharedLog, topic: &str) -> Vec<Entry> {
    let mut out = Vec::new();
    for held in log.offsets(topic).await.unwrap() {
        let mut reader = log.reader(topic, held.partition, held.start).await.unwrap();
        while reader.position() < held.end {
            out.extend(reader.next(1000, Duration::from_secs(1)).await.unwrap());
        }
    }
    out
}

/// The newest value of each key, tombstones left out.
pub async fn newest(log: &SharedLog, topic: &str) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for entry in read_all(log, topic).await {
        let key = String::from_utf8(entry.record.key.unwrap().to_vec()).unwrap();
        match entry.record.value {
            Some(value) => out.insert(key, serde_json::from_slice(&value).unwrap()),
            None => out.remove(&key),
        };
    }
    out
}

/// How an aggregator is started.
#[derive(Clone, Default)]
pub struct Setup {
    pub clock: Option<Arc<ManualClock>>,
    pub fault: Option<FaultPoint>,
    pub history: Option<&'static str>,
}

impl Setup {
    pub fn fault(point: FaultPoint) -> Self {
        Self {
            fault: Some(point),
            ..Self::default()
        }
    }

    pub fn at(clock: &Arc<ManualClock>) -> Self {
        Self {
            clock: Some(Arc::clone(clock)),
            ..Self::default()
        }
    }

    pub fn config(&self, data: &Path) -> Config {
        let settings = Settings::for_tests(
            data,
            &[
                ("aggregator.api.listen", "127.0.0.1:0"),
                ("aggregator.history", self.history.unwrap_or("100000d")),
                ("site.name", "st-mary"),
            ],
        )
        .unwrap();
        let mut config = Config::from_settings(&settings).unwrap();
        config.fault = self.fault;
        config
    }

    fn clock(&self) -> SharedClock {
        match &self.clock {
            Some(clock) => clock.clone(),
            None => SystemClock::shared(),
        }
    }
}

pub struct Aggregator {
    pub running: Running,
    pub api: SocketAddr,
}

impl Aggregator {
    pub async fn start(
        data: &Path,
        centre: &SharedLog,
        sources: Vec<Source>,
        setup: &Setup,
    ) -> Self {
        let (config, clock) = (setup.config(data), setup.clock());
        let running = wardline_aggregator::start(config, centre.clone(), sources, clock)
            .await
            .unwrap();
        let api = running.addresses["api"];
        Self { running, api }
    }

    /// Started on one local site's log, and caught up.
    pub async fn local(data: &Path, site: &LogDir, setup: &Setup) -> Self {
        let this = Self::start(data, &site.log, vec![site.local("st-mary")], setup).await;
        this.ready().await;
        this
    }

    pub async fn ready(&self) {
        self.until("/readyz", |answer| answer["ready"] == true)
            .await;
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        request("GET", self.api, path).await
    }

    pub async fn post(&self, path: &str) -> (u16, String) {
        request("POST", self.api, path).await
    }

    pub async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub async fn failure(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        for member in ["code", "message", "hint"] {
            assert!(body["error"][member].is_string(), "{path}: {body}");
        }
        (status, body["error"].clone())
    }

    /// Asks until the answer is as it should be; the last one is returned.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, body) = self.get(path).await;
            let answer: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
            if status == 200 && wanted(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "{path} stays {status}: {answer:#}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The stage of a site once everything that was received is decided.
    pub async fn stage(&self, stage: &str, received: u64) -> Value {
        let of = |answer: &Value| {
            answer["stages"]
                .as_array()
                .unwrap()
                .iter()
                .find(|row| row["stage"] == stage)
                .cloned()
                .unwrap_or_default()
        };
        let answer = self
            .until("/api/v1/accounting", |answer| {
                let row = of(answer);
                row["received"] == received && row["in_flight"] == 0
            })
            .await;
        of(&answer)
    }

    pub async fn stop(self) {
        self.running.stop().await.unwrap();
    }

    /// Ends by itself at a fault point, as a kill would end it.
    pub async fn dies(mut self) -> String {
        let died = tokio::time::timeout(Duration::from_secs(30), self.running.failed());
        format!("{:#}", died.await.expect("the fault point was not reached"))
    }
}

/// One request on a connection of its own.
pub async fn request(method: &'static str, api: SocketAddr, path: &str) -> (u16, String) {
    let url = format!("http://{api}{path}");
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let answer = match method {
            "POST" => agent.post(&url).send_empty(),
            _ => agent.get(&url).call(),
        };
        let mut answer = answer.unwrap();
        let status = answer.status().as_u16();
        (status, answer.body_mut().read_to_string().unwrap())
    })
    .await
    .unwrap()
}

/// A condition with a deadline.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A row of an answer by the value of one member.
pub fn row<'a>(answer: &'a Value, list: &str, member: &str, value: &str) -> &'a Value {
    answer[list]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row[member] == value)
        .unwrap_or_else(|| panic!("no {value} in {answer:#}"))
}

/// A generator with a seed: runs are told apart by it and repeat with it.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
