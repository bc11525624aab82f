//! What the fold writes and the API reads, each part under its own lock, held for short.
//!
//! The ledger stands under a read-write lock: a query for any moment reads it directly, the fold takes it for one
//! delivery at a time. No lock is held across an await, and no two are taken in different orders: folded, fold, statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use wardline_api::{DepartmentRow, Freshness, Sources};

use crate::health::SiteInfo;
use crate::health::copies::CopyProgress;
use crate::health::coverage::{Heard, Listening};
use crate::health::fold::FoldProgress;
use crate::health::freshness::{Known, Proofs};
use crate::health::sources::sources;
use crate::health::status::{Speaker, Statuses};
use crate::hooks::Hooks;
use crate::ledger::{Sites, Touched, View};
use crate::store::Spoke;
use crate::views::ring::Ring;

/// The ledgers and who they rest on.
pub(crate) struct Folded {
    pub(crate) sites: Sites,
    /// Site and department -> agents whose events its rows rest on.
    pub(crate) contributors: BTreeMap<(String, String), BTreeSet<Speaker>>,
    pub(crate) heard: BTreeMap<Speaker, Heard>,
}

impl Folded {
    /// An agent said something that these rows rest on.
    pub(crate) fn remember(&mut self, agent: &Speaker, heard: Heard, touched: &Touched) {
        for department in &touched.departments {
            let rests_on = (agent.0.clone(), department.clone());
            let agents = self.contributors.entry(rests_on).or_default();
            if !agents.contains(agent) {
                agents.insert(agent.clone());
            }
        }
        let newest = self.heard.entry(agent.clone()).or_default();
        if heard.received_ms >= newest.received_ms {
            *newest = heard;
        }
    }

    pub(crate) fn spoke(&self, agent: &Speaker) -> Spoke {
        let rests = self.contributors.iter();
        let rests = rests.filter(|((site, _), agents)| *site == agent.0 && agents.contains(agent));
        Spoke {
            heard: self.heard.get(agent).copied().unwrap_or_default(),
            departments: rests
                .map(|((_, department), _)| department.clone())
                .collect(),
        }
    }

    /// As the last commit had it; the key is `site/agent`.
    pub(crate) fn recall(&mut self, key: &str, spoke: Spoke) {
        let Some((site, agent)) = key.split_once('/') else {
            return;
        };
        let agent = (site.to_owned(), agent.to_owned());
        for department in spoke.departments {
            let agents = self.contributors.entry((site.to_owned(), department));
            agents.or_default().insert(agent.clone());
        }
        self.heard.insert(agent, spoke.heard);
    }
}

/// Small counts of the API itself.
#[derive(Debug, Default)]
pub(crate) struct ApiCounts {
    pub(crate) connections: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) stream_clients: AtomicU64,
    pub(crate) follow_clients: AtomicU64,
    pub(crate) requests: AtomicU64,
}

pub(crate) struct Shared {
    pub(crate) hooks: Hooks,
    started_ms: i64,
    pub(crate) agent_silent_ms: i64,
    folded: RwLock<Folded>,
    fold: Mutex<FoldProgress>,
    statuses: Mutex<Statuses>,
    proofs: Mutex<Proofs>,
    pub(crate) progress: Arc<CopyProgress>,
    pub(crate) changes: Ring,
    pub(crate) api: ApiCounts,
    loaded: AtomicBool,
    ready: AtomicBool,
}

impl Shared {
    pub(crate) fn new(sites: Sites, hooks: Hooks, agent_silent_ms: i64) -> Self {
        Self {
            started_ms: hooks.now_ms(),
            hooks,
            agent_silent_ms,
            folded: RwLock::new(Folded {
                sites,
                contributors: BTreeMap::new(),
                heard: BTreeMap::new(),
            }),
            fold: Mutex::default(),
            statuses: Mutex::default(),
            proofs: Mutex::default(),
            progress: Arc::default(),
            changes: Ring::new(),
            api: ApiCounts::default(),
            loaded: AtomicBool::new(false),
            ready: AtomicBool::new(false),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.hooks.now_ms()
    }

    /// Since the start, in seconds.
    pub(crate) fn up_s(&self) -> i64 {
        self.now_ms().saturating_sub(self.started_ms).max(0) / 1000
    }

    pub(crate) fn folded(&self) -> RwLockReadGuard<'_, Folded> {
        self.folded.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn folded_mut(&self) -> RwLockWriteGuard<'_, Folded> {
        self.folded.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fold(&self) -> MutexGuard<'_, FoldProgress> {
        self.fold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn statuses(&self) -> MutexGuard<'_, Statuses> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the rows of a site, or of all, reach.
    pub(crate) fn freshness(&self, sites: &[SiteInfo], site: Option<&str>) -> Freshness {
        let (statuses, fold) = (self.statuses().clone(), self.fold().clone());
        let known = Known {
            statuses: &statuses,
            fold: &fold,
            copies: &self.progress,
            sites,
            ready: self.is_ready(),
            now_ms: self.now_ms(),
        };
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        known.prove(&mut proofs);
        known.freshness(&proofs, site)
    }

    /// What the last commit knew is in memory; before, an answer would be of nothing.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::SeqCst)
    }

    pub(crate) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }

    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::SeqCst);
    }

    /// Departments as they are now, each with the share of its sources heard; without it for past moments, of which
    /// nobody knows any more who was heard.
    pub(crate) fn departments(
        &self,
        folded: &Folded,
        site: Option<&str>,
        view: View,
        present: bool,
    ) -> Vec<DepartmentRow> {
        if !present {
            return folded.sites.departments(site, view, &|_, _| None);
        }
        let statuses = self.statuses().clone();
        let listening = self.listening(folded, &statuses, view.at_ms);
        let feeds = listening.feeds_by_department(&folded.sites.units());
        folded.sites.departments(site, view, &|site, department| {
            let rests_on = (site.to_owned(), department.to_owned());
            feeds
                .coverage(&rests_on)
                .or_else(|| listening.coverage(folded.contributors.get(&rests_on)))
        })
    }

    /// Who sends, and whether they are heard.
    pub(crate) fn sources(&self, folded: &Folded, sites: &[SiteInfo]) -> Sources {
        let (fold, statuses) = (self.fold().clone(), self.statuses().clone());
        let listening = self.listening(folded, &statuses, self.now_ms());
        let units = folded.sites.units();
        sources(&listening, &fold, &self.progress, sites, &units)
    }

    pub(crate) fn listening<'a>(
        &self,
        folded: &'a Folded,
        statuses: &'a Statuses,
        now_ms: i64,
    ) -> Listening<'a> {
        Listening {
            statuses,
            heard: &folded.heard,
            now_ms,
            silent_after_ms: self.agent_silent_ms,
        }
    }
}
