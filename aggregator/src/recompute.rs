//! The same state, found the other way: from the log alone, or from a stopped store alone. Equal digests mean that the
//! store lost nothing, doubled nothing and stands for exactly its positions (P5, P6).

use std::path::Path;

use wardline_log::SharedLog;
use wardline_log::follow::Scan;
use wardline_model::topic::FHIR_TOPICS;

use crate::Source;
use crate::config::state_path;
use crate::decode;
use crate::error::AggregatorError;
use crate::ledger::{BedList, Ledger};
use crate::store::Store;

/// Folds everything that the logs hold into a fresh ledger: the centre's log if any source is remote, and the logs of
/// local sources. `horizon_ms` is what a store has let go of history, if it has.
pub async fn recompute(
    centre: &SharedLog,
    sources: &[Source],
    beds: BedList,
    horizon_ms: Option<i64>,
) -> Result<Ledger, AggregatorError> {
    let mut ledger = Ledger::new(beds);
    for input in crate::inputs(centre, sources) {
        fold_log(&input.log, &input.site, &mut ledger).await?;
    }
    if let Some(horizon) = horizon_ms {
        ledger.evict(horizon);
    }
    Ok(ledger)
}

async fn fold_log(log: &SharedLog, site: &str, ledger: &mut Ledger) -> Result<(), AggregatorError> {
    for topic in FHIR_TOPICS {
        let offsets = match log.offsets(topic).await {
            Ok(offsets) => offsets,
            Err(wardline_log::LogError::UnknownTopic { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for held in offsets {
            let mut scan = Scan::new(&**log, topic, held);
            while let Some(entries) = scan.next().await? {
                for entry in entries {
                    let decoded =
                        decode::fact(site, topic, held.partition, entry.offset, &entry.record);
                    if let Ok(Some(fact)) = decoded {
                        ledger.apply(fact);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Digest of everything that one log holds.
pub async fn digest_of_log(
    log: &SharedLog,
    site: &str,
    beds_csv: &str,
    horizon_ms: Option<i64>,
) -> Result<String, AggregatorError> {
    let mut ledger = Ledger::new(bed_list(beds_csv)?);
    fold_log(log, site, &mut ledger).await?;
    if let Some(horizon) = horizon_ms {
        ledger.evict(horizon);
    }
    Ok(ledger.digest())
}

/// What a stopped aggregator's store says.
#[derive(Debug, Clone)]
pub struct StoreSummary {
    pub digest: String,
    pub facts: u64,
    /// The bed list that it was run with.
    pub beds_csv: String,
    /// How far history was let go.
    pub horizon_ms: Option<i64>,
    pub positions: std::collections::BTreeMap<String, crate::store::Mark>,
    pub counters: std::collections::BTreeMap<String, crate::store::FoldCounts>,
    /// View rows that were not yet known as published.
    pub outbox_rows: usize,
}

/// Reads the store of a stopped aggregator; the data folder is the one that it was started with.
pub fn summary_of_store(data_dir: &Path) -> Result<StoreSummary, AggregatorError> {
    let store = Store::open_existing(&state_path(data_dir))?;
    let beds_csv = store.beds()?;
    let mut ledger = Ledger::new(bed_list(&beds_csv)?);
    store.for_each_fact(|fact| {
        ledger.apply(fact);
    })?;
    let horizon_ms = store.horizon_ms()?;
    if let Some(horizon) = horizon_ms {
        ledger.evict(horizon);
    }
    Ok(StoreSummary {
        digest: ledger.digest(),
        facts: store.fact_count()?,
        beds_csv,
        horizon_ms,
        positions: store.positions()?,
        counters: store.counters()?,
        outbox_rows: store.outbox(usize::MAX)?.len(),
    })
}

/// The digest alone.
pub fn digest_of_store(data_dir: &Path) -> Result<String, AggregatorError> {
    Ok(summary_of_store(data_dir)?.digest)
}

fn bed_list(csv: &str) -> Result<BedList, AggregatorError> {
    if csv.is_empty() {
        return Ok(BedList::empty());
    }
    BedList::parse(csv).map_err(|errors| {
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        AggregatorError::Beds(text.join("; "))
    })
}
