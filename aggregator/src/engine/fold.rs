//! The fold: records in, ledger changed, and the next commit put together.
//!
//! What it keeps true: every record that is taken is counted once as received and once as what became of it; the batch
//! that is committed holds the facts, positions, counters and published rows of the same records, no more and no less.
//! Memory runs ahead of the store by at most one commit interval; a crash folds that part again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardline_log::Entry;
use wardline_model::record::EVENT_ID;

use super::input::Delivery;
use super::shared::{Folded, Shared};
use crate::decode;
use crate::decode::origin::misnamed;
use crate::error::AggregatorError;
use crate::health::coverage::{Heard, speaker};
use crate::health::fold::InputProgress;
use crate::health::status::Speaker;
use crate::ledger::{Fact, Outcome, Touched, View};
use crate::store::{Batch, FoldCounts, Mark, Problem, Store, Unreadable};
use crate::views::line::SharedLine;
use crate::views::ring::Told;
use crate::views::{Computed, Views};

pub(crate) struct Fold {
    shared: Arc<Shared>,
    store: Arc<Store>,
    line: SharedLine,
    pending: Batch,
    pending_records: u64,
    /// By site.
    touched: BTreeMap<String, Touched>,
    views: Views,
    /// Agents that were folded since the last commit.
    spoke: BTreeSet<Speaker>,
    unreadable_next: u64,
    history_ms: i64,
}

impl Fold {
    /// Rebuilds the ledger from what is stored; the marks say where reading goes on.
    pub(crate) fn restore(
        shared: Arc<Shared>,
        store: Arc<Store>,
        line: SharedLine,
        history_ms: i64,
    ) -> Result<Self, AggregatorError> {
        let mut folded = shared.folded_mut();
        store.for_each_fact(|fact| {
            folded.sites.apply(fact);
        })?;
        folded.sites.settle();
        for (agent, spoke) in store.speakers()? {
            folded.recall(&agent, spoke);
        }
        if let Some(horizon) = store.horizon_ms()? {
            folded.sites.evict(horizon);
        }
        drop(folded);
        let mut fold = shared.fold();
        fold.counts = store.counters()?;
        fold.version = store.version();
        for (key, mark) in store.positions()? {
            fold.inputs.insert(key, restored(mark));
        }
        drop(fold);
        let unreadable_next = store.unreadable(1)?.first().map_or(0, |(n, _)| n + 1);
        let views = Views::restore(&store)?;
        Ok(Self {
            shared,
            store,
            line,
            pending: Batch::default(),
            pending_records: 0,
            touched: BTreeMap::new(),
            views,
            spoke: BTreeSet::new(),
            unreadable_next,
            history_ms,
        })
    }

    /// Records folded since the last commit.
    pub(crate) fn uncommitted(&self) -> u64 {
        self.pending_records
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.pending.is_empty() || self.line.lock().has_published()
    }

    pub(crate) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(crate) fn apply(&mut self, delivery: &Delivery) {
        let now_ms = self.shared.now_ms();
        let shared = Arc::clone(&self.shared);
        let mut counts = shared.fold().counts.clone();
        let mut sites = BTreeSet::new();
        if !delivery.entries.is_empty() {
            let mut folded = shared.folded_mut();
            for entry in &delivery.entries {
                let site = self.apply_entry(&mut folded, delivery, entry, &mut counts, now_ms);
                sites.insert(site);
            }
            folded.sites.settle();
        }
        if delivery.lost > 0 {
            let lost = counts.entry(delivery.site.clone()).or_default();
            lost.lost += delivery.lost;
            lost.stage.received += delivery.lost;
            lost.stage.evicted += delivery.lost;
            sites.insert(delivery.site.clone());
        }
        for site in sites {
            if let Some(of_site) = counts.get(&site) {
                self.pending.counters.insert(site, of_site.clone());
            }
        }
        self.pending_records += delivery.entries.len() as u64;
        self.advance(delivery, now_ms);
        shared.fold().counts = counts;
    }

    /// Moves the position; a problem and a loss stay with it until the next restart of the log's life.
    fn advance(&mut self, delivery: &Delivery, now_ms: i64) {
        let mut fold = self.shared.fold();
        let progress = fold
            .inputs
            .entry(delivery.key.clone())
            .or_insert_with(|| InputProgress {
                site: delivery.site.clone(),
                ..InputProgress::default()
            });
        progress.site.clone_from(&delivery.site);
        progress.trouble.clone_from(&delivery.trouble);
        progress.end = delivery.place.end;
        let newest = delivery.entries.last().map(|entry| entry.record.time_ms);
        progress.folded_to_ms = newest.or(progress.folded_to_ms);
        progress.checked |= delivery.trouble.is_none();
        if let Some(text) = &delivery.problem {
            progress.problem = Some(Problem {
                text: text.clone(),
                at_ms: now_ms,
            });
        }
        let next = delivery.place.mark.next;
        let moved = progress.next != next || delivery.problem.is_some();
        progress.next = next;
        if !moved {
            return;
        }
        let mark = self
            .pending
            .positions
            .entry(delivery.key.clone())
            .or_default();
        mark.read.clone_from(&delivery.place.mark);
        mark.problem.clone_from(&progress.problem);
    }

    /// Decodes and applies one record, and says whose it was.
    fn apply_entry(
        &mut self,
        folded: &mut Folded,
        delivery: &Delivery,
        entry: &Entry,
        counts: &mut BTreeMap<String, FoldCounts>,
        now_ms: i64,
    ) -> String {
        let place = &delivery.place;
        let from = delivery.from();
        let origin = from.origin(&place.topic, place.partition, entry.offset, &entry.record);
        let site = origin.site.clone();
        let counts = counts.entry(site.clone()).or_default();
        counts.stage.received += 1;
        counts.misnamed += u64::from(misnamed(&entry.record, &origin).is_some());
        match decode::fact(&origin, &entry.record) {
            Ok(Some(fact)) => self.apply_fact(folded, fact, counts, now_ms),
            Ok(None) => counts.stage.filtered += 1,
            Err(error) => {
                counts.stage.sidelined += 1;
                self.set_aside(Unreadable {
                    site: site.clone(),
                    log_position: origin.to_string(),
                    event_id: entry
                        .record
                        .header_str(EVENT_ID)
                        .unwrap_or_default()
                        .to_owned(),
                    cause: error.to_string(),
                    at_ms: now_ms,
                });
            }
        }
        site
    }

    fn apply_fact(
        &mut self,
        folded: &mut Folded,
        fact: Fact,
        counts: &mut FoldCounts,
        now_ms: i64,
    ) {
        let agent = speaker(&fact.site, &fact.id);
        let heard = heard(&fact, now_ms);
        // Written down before the ledger takes it: only the ledger knows whether it is kept.
        let json = serde_json::to_vec(&fact).unwrap_or_default();
        let applied = folded.sites.apply(fact);
        for key in applied.replaces {
            self.pending.facts.insert(key, None);
        }
        if let Some(key) = applied.store {
            self.pending.facts.insert(key, Some(json));
        }
        folded.remember(&agent, heard, &applied.touched);
        self.spoke.insert(agent.clone());
        if !applied.touched.is_empty() {
            let (site, _) = agent;
            self.touched.entry(site).or_default().add(applied.touched);
        }
        let stage = &mut counts.stage;
        match applied.outcome {
            Outcome::Applied => stage.applied += 1,
            Outcome::Conflict => {
                stage.applied += 1;
                counts.conflicts += 1;
            }
            Outcome::Duplicate => stage.duplicate += 1,
            Outcome::Late | Outcome::Superseded => stage.late += 1,
            Outcome::Filtered => stage.filtered += 1,
        }
    }

    fn set_aside(&mut self, what: Unreadable) {
        tracing::warn!(
            position = what.log_position,
            cause = what.cause,
            "a record could not be read"
        );
        self.pending.unreadable.insert(self.unreadable_next, what);
        self.unreadable_next += 1;
    }

    /// Works out rows and tells those who listen what changed: the touched ones, or all because time went on.
    pub(crate) fn refresh(&mut self, all: bool) {
        if !all && !self.has_touched() {
            return;
        }
        let touched = std::mem::take(&mut self.touched);
        let version = self.shared.fold().version;
        let at_ms = self.shared.now_ms();
        let computed = compute(&self.shared, at_ms, (!all).then_some(&touched));
        let diff = self.views.diff(computed);
        self.pending.rows.extend(diff.rows);
        let told = diff.changes.into_iter();
        let told = told.map(|what| Told { version, what }).collect();
        self.shared.changes.tell(told);
    }

    /// Lets go of what ended before the history horizon.
    pub(crate) fn evict(&mut self) {
        let horizon = self.shared.now_ms().saturating_sub(self.history_ms);
        let gone = self.shared.folded_mut().sites.evict(horizon);
        for (site, keys) in gone {
            self.pending.horizon_ms = Some(horizon);
            tracing::info!(
                site,
                facts = keys.len(),
                "history beyond the horizon was let go"
            );
            let mut fold = self.shared.fold();
            let counts = fold.counts.entry(site.clone()).or_default();
            counts.forgotten += keys.len() as u64;
            self.pending.counters.insert(site, counts.clone());
            drop(fold);
            let deleted = keys.into_iter().map(|key| (key, None));
            self.pending.facts.extend(deleted);
        }
    }

    /// One transaction. On failure everything stays pending; the values are absolute, so it may be repeated.
    pub(crate) fn commit(&mut self) -> Result<(), AggregatorError> {
        self.refresh(false);
        let folded = self.shared.folded();
        let spoke = std::mem::take(&mut self.spoke).into_iter();
        let rows = spoke.map(|agent| (format!("{}/{}", agent.0, agent.1), folded.spoke(&agent)));
        self.pending.speakers.extend(rows);
        drop(folded);
        let committed = self.line.lock().commit(&self.store, &mut self.pending);
        match committed {
            Ok(()) => {
                self.pending = Batch::default();
                self.pending_records = 0;
                let mut fold = self.shared.fold();
                fold.commits += 1;
                fold.version = self.store.version();
                fold.store_trouble = None;
                Ok(())
            }
            Err(error) => {
                self.shared.fold().store_trouble = Some(error.to_string());
                Err(error)
            }
        }
    }
}

fn heard(fact: &Fact, folded_ms: i64) -> Heard {
    Heard {
        received_ms: fact.received_ms,
        event_ms: fact.event_ms,
        folded_ms,
    }
}

/// The rows as of a moment: all, or those that were touched.
fn compute(shared: &Shared, at_ms: i64, only: Option<&BTreeMap<String, Touched>>) -> Computed {
    let folded = shared.folded();
    let view = View::at(at_ms);
    let Some(touched) = only else {
        return Computed {
            at_ms,
            beds: folded.sites.beds(None, view),
            departments: shared.departments(&folded, None, view, true),
            devices: folded.sites.devices(None, at_ms),
            complete: true,
        };
    };
    let mut computed = Computed {
        at_ms,
        ..Computed::default()
    };
    for (site, touched) in touched {
        let Some(ledger) = folded.sites.site(site) else {
            continue;
        };
        let beds = touched.beds.iter();
        computed
            .beds
            .extend(beds.filter_map(|bed| ledger.bed(bed, view)));
        if !touched.departments.is_empty() {
            let mut rows = shared.departments(&folded, Some(site), view, true);
            rows.retain(|row| touched.departments.contains(&row.department));
            computed.departments.extend(rows);
        }
        if !touched.devices.is_empty() {
            let mut rows = ledger.devices(at_ms);
            rows.retain(|row| touched.devices.contains(&row.device));
            computed.devices.extend(rows);
        }
    }
    computed
}

/// A partition as the last run left it; its site is known with the first delivery.
fn restored(mark: Mark) -> InputProgress {
    InputProgress {
        next: mark.read.next,
        end: mark.read.next,
        problem: mark.problem,
        ..InputProgress::default()
    }
}
