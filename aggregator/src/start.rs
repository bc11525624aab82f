//! Puts the parts together, keeps them going, and ends them in order: listeners and readers first, then the last commit,
//! then the view rows that it holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use wardline_log::{Cleanup, SharedLog, TopicSpec};
use wardline_model::topic::{FHIR_TOPICS, STATUS};
use wardline_service::exit::StoreProblem;
use wardline_service::{Running, Stop, StopHandle, stop_pair};

use crate::api::{Api, serve};
use crate::engine::fold::Fold;
use crate::engine::input::{Input, Reading};
use crate::engine::shared::Shared;
use crate::engine::{Engine, input, status};
use crate::error::AggregatorError;
use crate::health::SiteInfo;
use crate::ledger::Ledger;
use crate::limits::DELIVERIES_QUEUED_MAX;
use crate::store::Store;
use crate::views::publish::Publisher;
use crate::{Config, Source, inputs, replicate, views};

type Ended = Result<(), AggregatorError>;

/// Starts the aggregator. `centre` takes copies and view topics; in one process it is the site's own log, and its source
/// is `local`.
pub async fn start(
    config: Config,
    centre: SharedLog,
    sources: Vec<Source>,
) -> anyhow::Result<Running> {
    let store = open_store(&config).await?;
    create_topics(&centre, &sources)
        .await
        .context("creating the centre's topics")?;
    let ledger = Ledger::new(config.beds.clone());
    let shared = Arc::new(Shared::new(
        ledger,
        config.hooks.clone(),
        config.agent_silent_ms,
    ));
    let fold = restore(&shared, &store, config.history_ms).await?;
    let listener = TcpListener::bind(config.api_listen)
        .await
        .map_err(|error| AggregatorError::Listen {
            address: config.api_listen,
            why: error.to_string(),
        })?;
    let address = listener.local_addr()?;
    let (inner_stop, stop) = stop_pair();
    let kept = Arc::clone(&store);
    let parts = Parts {
        config,
        centre,
        sources,
        store,
        shared,
        stop,
    };
    let mut tasks = JoinSet::new();
    let publisher = parts.spawn_fold(&mut tasks, fold).await?;
    parts.spawn_replication(&mut tasks);
    tasks.spawn(parts.clone().readiness());
    let api = parts.api(address.to_string());
    tasks.spawn(serve(listener, Arc::new(api)));
    let (outer, outer_stop) = stop_pair();
    let task = tokio::spawn(async move {
        let ended = supervise(tasks, publisher, inner_stop, outer_stop).await;
        // Whatever still holds it: the file is free for the next start.
        tokio::task::spawn_blocking(move || kept.close()).await?;
        ended
    });
    let addresses = BTreeMap::from([("api".to_owned(), address)]);
    Ok(Running::new(addresses, outer, task))
}

/// Errors of the store carry the mark that the exit code asks for.
fn told(error: AggregatorError) -> anyhow::Error {
    if error.is_damage() {
        let text = error.to_string();
        return anyhow::Error::new(error).context(StoreProblem(text));
    }
    error.into()
}

async fn open_store(config: &Config) -> anyhow::Result<Arc<Store>> {
    let (path, beds) = (config.state_path(), config.beds_text.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let store = Store::open(&path)?;
        store.set_beds(&beds)?;
        Ok(store)
    })
    .await?;
    opened.map(Arc::new).map_err(told)
}

async fn restore(shared: &Arc<Shared>, store: &Arc<Store>, history: i64) -> anyhow::Result<Fold> {
    let (shared, store) = (Arc::clone(shared), Arc::clone(store));
    tokio::task::spawn_blocking(move || Fold::restore(shared, store, history))
        .await?
        .map_err(told)
}

/// Only what is missing: where the centre's log is a site's own, the topics and their retention are the bridge's.
async fn create_topics(centre: &SharedLog, sources: &[Source]) -> Result<(), AggregatorError> {
    let there: Vec<String> = centre.topics().await?.into_iter().map(|t| t.name).collect();
    let keep_all = Cleanup::Delete {
        retention_bytes: None,
        retention_ms: None,
    };
    let mut wanted: Vec<(&str, Cleanup)> = views::TOPICS
        .iter()
        .map(|topic| (*topic, Cleanup::Compact))
        .collect();
    if sources.iter().any(|source| !source.local) {
        wanted.extend(FHIR_TOPICS.iter().map(|topic| (*topic, keep_all)));
        wanted.push((STATUS, Cleanup::Compact));
    }
    let specs: Vec<TopicSpec> = wanted
        .into_iter()
        .filter(|(topic, _)| !there.iter().any(|name| name == topic))
        .map(|(topic, cleanup)| TopicSpec {
            name: topic.to_owned(),
            partitions: 1,
            cleanup,
        })
        .collect();
    if !specs.is_empty() {
        centre.create_topics(&specs).await?;
    }
    Ok(())
}

/// What the tasks are made of.
#[derive(Clone)]
struct Parts {
    config: Config,
    centre: SharedLog,
    sources: Vec<Source>,
    store: Arc<Store>,
    shared: Arc<Shared>,
    stop: Stop,
}

/// The publisher ends after everything else, so it is stopped by itself.
struct PublisherTask {
    task: JoinHandle<Ended>,
    stop: StopHandle,
}

impl Parts {
    fn sites(&self) -> Vec<SiteInfo> {
        self.sources
            .iter()
            .map(|source| SiteInfo {
                site: source.site.clone(),
                local: source.local,
            })
            .collect()
    }

    fn inputs(&self) -> Vec<Input> {
        inputs(&self.centre, &self.sources)
    }

    /// Readers, statuses, fold and publisher.
    async fn spawn_fold(
        &self,
        tasks: &mut JoinSet<Ended>,
        fold: Fold,
    ) -> anyhow::Result<PublisherTask> {
        let store = Arc::clone(&self.store);
        let marks = tokio::task::spawn_blocking(move || store.positions())
            .await?
            .map_err(told)?;
        let (deliver, deliveries) = mpsc::channel(DELIVERIES_QUEUED_MAX);
        let (deliver_status, statuses) = mpsc::channel(DELIVERIES_QUEUED_MAX);
        let facts = Reading {
            topics: Arc::from(FHIR_TOPICS),
            marks: Arc::new(marks),
            compacted: false,
            deliver,
            stop: self.stop.clone(),
        };
        let status = Reading {
            topics: Arc::from([STATUS]),
            marks: Arc::default(),
            compacted: true,
            deliver: deliver_status,
            stop: self.stop.clone(),
        };
        for input in self.inputs() {
            tasks.spawn(input::run(facts.clone(), input.clone()));
            tasks.spawn(input::run(status.clone(), input));
        }
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        tasks.spawn(async move {
            status::run(shared, statuses, stop).await;
            Ok(())
        });
        let committed = Arc::new(Notify::new());
        let (done, published) = mpsc::channel(DELIVERIES_QUEUED_MAX);
        let engine = Engine {
            fold,
            deliveries,
            published,
            committed: Arc::clone(&committed),
            hooks: self.config.hooks.clone(),
            stop: self.stop.clone(),
        };
        tasks.spawn(engine.run());
        let (stop, publisher_stop) = stop_pair();
        let publisher = Publisher {
            shared: Arc::clone(&self.shared),
            store: Arc::clone(&self.store),
            centre: self.centre.clone(),
            committed,
            done,
            stop: publisher_stop,
        };
        let task = tokio::spawn(publisher.run());
        Ok(PublisherTask { task, stop })
    }

    fn spawn_replication(&self, tasks: &mut JoinSet<Ended>) {
        for source in self.sources.iter().filter(|source| !source.local) {
            self.shared.progress.expect(&source.site);
            let context = replicate::Context {
                centre: self.centre.clone(),
                store: Arc::clone(&self.store),
                progress: Arc::clone(&self.shared.progress),
                hooks: self.config.hooks.clone(),
                stop: self.stop.clone(),
            };
            tasks.spawn(replicate::run(
                context,
                source.site.clone(),
                source.log.clone(),
            ));
        }
    }

    /// Ready once everything that the sources held at the start is copied and folded.
    async fn readiness(self) -> Ended {
        let mut copied = self.shared.progress.watch();
        while !self.shared.progress.caught_up() {
            tokio::select! {
                changed = copied.changed() => if changed.is_err() { return Ok(()) },
                () = self.stop.stopped() => return Ok(()),
            }
        }
        let mut targets = Vec::new();
        for input in self.inputs() {
            for topic in FHIR_TOPICS {
                // A topic that is not there, or a log that cannot be asked, holds nothing that could be waited for.
                for held in input.log.offsets(topic).await.unwrap_or_default() {
                    let key = input::position_key(&input.name, topic, held.partition);
                    targets.push((key, held.end));
                }
            }
        }
        loop {
            let reached = {
                let fold = self.shared.fold();
                targets.iter().all(|(key, end)| {
                    fold.inputs
                        .get(key)
                        .is_some_and(|input| input.checked && input.next >= *end)
                })
            };
            if reached {
                self.shared.set_ready();
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                () = self.stop.stopped() => return Ok(()),
            }
        }
    }

    fn api(&self, address: String) -> Api {
        let mut addresses = self.config.addresses.clone();
        addresses.insert("api".to_owned(), address);
        let mut warnings = self.config.warnings.clone();
        if !self.config.api_listen.ip().is_loopback() {
            warnings.push(format!(
                "the API listens without TLS beyond this machine ({})",
                self.config.api_listen
            ));
        }
        Api {
            shared: Arc::clone(&self.shared),
            store: Arc::clone(&self.store),
            centre: self.centre.clone(),
            sources: self.sources.clone(),
            sites: self.sites(),
            site: self.config.site.clone(),
            addresses,
            warnings,
            stop: self.stop.clone(),
        }
    }
}

/// Waits for the stop or for the first task that fails, then ends all others.
async fn supervise(
    mut tasks: JoinSet<Ended>,
    publisher: PublisherTask,
    inner: StopHandle,
    outer: Stop,
) -> anyhow::Result<()> {
    let PublisherTask { mut task, stop } = publisher;
    let mut published = None;
    let mut first = Ok(());
    loop {
        let ended: Ended = tokio::select! {
            () = outer.stopped() => break,
            ended = &mut task, if published.is_none() => {
                published = Some(());
                flat(ended)
            }
            Some(ended) = tasks.join_next() => flat(ended),
            else => break,
        };
        if ended.is_err() {
            first = ended;
            break;
        }
    }
    if matches!(first, Err(AggregatorError::Fault(_))) {
        // As a kill would: nothing more is written.
        tasks.abort_all();
        task.abort();
    }
    inner.stop();
    while let Some(ended) = tasks.join_next().await {
        first = first.and(flat(ended));
    }
    stop.stop();
    if published.is_none() {
        first = first.and(flat(task.await));
    }
    first.map_err(told)
}

fn flat(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
