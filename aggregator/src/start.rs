//! Puts the parts together, keeps them going, and ends them in order: listeners and readers first, then the last commit,
//! then the view rows that it holds.
//!
//! Nothing here decides anything about records. What it keeps true: the store is opened before anything reads, the API
//! listens at once and answers about views as soon as the state is loaded, and ready means that what the logs held at the start is folded.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use wardline_log::{Cleanup, SharedLog, TopicSpec};
use wardline_model::topic::{FHIR_TOPICS, STATUS};
use wardline_service::exit::StoreProblem;
use wardline_service::{Pulse, Running, SharedClock, StageId, Stop, Supervisor};

use crate::api::{Api, serve};
use crate::engine::fold::Fold;
use crate::engine::input::{Input, Reading};
use crate::engine::shared::Shared;
use crate::engine::{Engine, input, status};
use crate::error::AggregatorError;
use crate::health::SiteInfo;
use crate::hooks::Hooks;
use crate::ledger::Sites;
use crate::limits::DELIVERIES_QUEUED_MAX;
use crate::store::Store;
use crate::views::line::SharedLine;
use crate::views::publish::Publisher;
use crate::{Config, Source, inputs, replicate, views};

type Ended = Result<(), AggregatorError>;

/// Starts the aggregator. `centre` takes copies and view topics; in one process it is the site's own log, and its source
/// is `local`.
pub async fn start(
    config: Config,
    centre: SharedLog,
    sources: Vec<Source>,
    clock: SharedClock,
) -> anyhow::Result<Running> {
    let mut stages = Supervisor::new();
    // As a kill would: nothing more is written.
    stages.crash_if(|error| matches!(error.downcast_ref(), Some(AggregatorError::Fault(_))));
    let started = assemble(config, centre, sources, clock, &mut stages).await;
    stages.up(started).await
}

async fn assemble(
    config: Config,
    centre: SharedLog,
    sources: Vec<Source>,
    clock: SharedClock,
    stages: &mut Supervisor,
) -> anyhow::Result<()> {
    let store = open_store(&config, &sources).await?;
    // Whatever still holds it: the file is free for the next start.
    stages.closing("the state file", close(Arc::clone(&store)));
    create_topics(&centre, &sources)
        .await
        .context("creating the centre's topics")?;
    let lists = sources.iter();
    let lists = lists.map(|source| (source.site.clone(), source.beds.list.clone()));
    let sites = Sites::new(lists.collect());
    let shared = Arc::new(Shared::new(
        sites,
        Hooks::new(clock, config.fault),
        config.agent_silent_ms,
    ));
    let listener = TcpListener::bind(config.api_listen)
        .await
        .map_err(|error| AggregatorError::Listen {
            address: config.api_listen,
            why: error.to_string(),
        })?;
    let address = listener.local_addr()?;
    stages.address("api", address);
    let line = restore_line(&store).await?;
    let committed = Arc::new(Notify::new());
    // Its own stage, below the others: it publishes what the last commit holds.
    stages.task("publishing", |stop| {
        let publisher = Publisher {
            shared: Arc::clone(&shared),
            store: Arc::clone(&store),
            centre: centre.clone(),
            committed: Arc::clone(&committed),
            line: line.clone(),
            stop,
        };
        marked(publisher.run())
    });
    let (stage, stop) = stages.stage("the views");
    let history_ms = config.history_ms;
    let parts = Parts {
        config,
        centre,
        sources,
        store,
        shared,
        stop,
        stage,
    };
    // It listens before the state is loaded, and says so: refused is worse than "not yet".
    let api = parts.api(address.to_string());
    stages.spawn(stage, "the API", marked(serve(listener, Arc::new(api))));
    let fold = restore(&parts.shared, &parts.store, line, history_ms).await?;
    parts.shared.set_loaded();
    parts.spawn_fold(stages, fold, committed).await?;
    parts.spawn_replication(stages);
    stages.spawn_once(stage, "readiness", marked(parts.clone().readiness()));
    Ok(())
}

/// Errors of a task carry the mark that the exit code asks for.
async fn marked(task: impl Future<Output = Ended>) -> anyhow::Result<()> {
    task.await.map_err(told)
}

async fn close(store: Arc<Store>) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || store.close()).await?;
    Ok(())
}

/// Errors of the store carry the mark that the exit code asks for.
fn told(error: AggregatorError) -> anyhow::Error {
    if error.is_damage() {
        let text = error.to_string();
        return anyhow::Error::new(error).context(StoreProblem(text));
    }
    error.into()
}

async fn open_store(config: &Config, sources: &[Source]) -> anyhow::Result<Arc<Store>> {
    let path = config.state_path();
    let texts = sources.iter();
    let texts = texts.map(|source| (source.site.clone(), source.beds.text.clone()));
    let beds = texts.collect();
    let opened = tokio::task::spawn_blocking(move || {
        let store = Store::open(&path)?;
        store.set_beds(&beds)?;
        Ok(store)
    })
    .await?;
    opened.map(Arc::new).map_err(told)
}

async fn restore_line(store: &Arc<Store>) -> anyhow::Result<SharedLine> {
    let store = Arc::clone(store);
    let restored = tokio::task::spawn_blocking(move || SharedLine::restore(&store));
    restored.await?.map_err(told)
}

async fn restore(
    shared: &Arc<Shared>,
    store: &Arc<Store>,
    line: SharedLine,
    history: i64,
) -> anyhow::Result<Fold> {
    let (shared, store) = (Arc::clone(shared), Arc::clone(store));
    tokio::task::spawn_blocking(move || Fold::restore(shared, store, line, history))
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
    stage: StageId,
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

    /// Readers, statuses and fold.
    async fn spawn_fold(
        &self,
        stages: &mut Supervisor,
        fold: Fold,
        committed: Arc<Notify>,
    ) -> anyhow::Result<()> {
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
            let reading = marked(input::run(facts.clone(), input.clone()));
            stages.spawn_once(self.stage, "reading events", reading);
            let reading = marked(input::run(status.clone(), input));
            stages.spawn_once(self.stage, "reading statuses", reading);
        }
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        stages.spawn_once(self.stage, "the status board", async move {
            status::run(shared, statuses, stop).await;
            Ok(())
        });
        let pulse = Pulse::new("the fold");
        stages.watch(pulse.clone());
        let engine = Engine {
            fold,
            deliveries,
            committed,
            hooks: self.shared.hooks.clone(),
            stop: self.stop.clone(),
            pulse,
        };
        stages.spawn(self.stage, "the fold", marked(engine.run()));
        Ok(())
    }

    fn spawn_replication(&self, stages: &mut Supervisor) {
        for source in self.sources.iter().filter(|source| !source.local) {
            self.shared.progress.expect(&source.site);
            let context = replicate::Context {
                centre: self.centre.clone(),
                store: Arc::clone(&self.store),
                progress: Arc::clone(&self.shared.progress),
                hooks: self.shared.hooks.clone(),
                stop: self.stop.clone(),
            };
            let copying = replicate::run(context, source.site.clone(), source.log.clone());
            stages.spawn_once(self.stage, "replication", marked(copying));
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
            timezone: self.config.timezone.clone(),
            addresses,
            warnings,
            stop: self.stop.clone(),
        }
    }
}
