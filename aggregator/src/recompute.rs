//! The same state, found the other way: from the log alone, or from a stopped store alone. Equal digests mean that the
//! store lost nothing, doubled nothing and stands for exactly its positions (P5, P6).

use std::collections::BTreeMap;
use std::path::Path;

use wardline_log::SharedLog;
use wardline_log::follow::Scan;
use wardline_model::topic::FHIR_TOPICS;

use crate::config::state_path;
use crate::decode;
use crate::decode::origin::ReadFrom;
use crate::error::AggregatorError;
use crate::ledger::{BedLists, Sites};
use crate::store::Store;
use crate::{SiteBeds, Source};

/// Folds everything that the logs hold into a fresh ledger: the centre's log if any source is remote, and the logs of
/// local sources. `horizon_ms` is what a store has let go of history, if it has.
pub async fn recompute(
    centre: &SharedLog,
    sources: &[Source],
    horizon_ms: Option<i64>,
) -> Result<Sites, AggregatorError> {
    let lists = sources.iter();
    let lists = lists.map(|source| (source.site.clone(), source.beds.list.clone()));
    let mut sites = Sites::new(lists.collect());
    for input in crate::inputs(centre, sources) {
        let from = ReadFrom {
            site: &input.site,
            copies: input.copies,
        };
        fold_log(&input.log, from, &mut sites).await?;
    }
    if let Some(horizon) = horizon_ms {
        sites.evict(horizon);
    }
    Ok(sites)
}

async fn fold_log(
    log: &SharedLog,
    from: ReadFrom<'_>,
    sites: &mut Sites,
) -> Result<(), AggregatorError> {
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
                    let origin = from.origin(topic, held.partition, entry.offset, &entry.record);
                    if let Ok(Some(fact)) = decode::fact(&origin, &entry.record) {
                        sites.apply(fact);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Digest of everything that one log holds; `beds` is the text of each site's bed list.
pub async fn digest_of_log(
    log: &SharedLog,
    from: ReadFrom<'_>,
    beds: &BTreeMap<String, String>,
    horizon_ms: Option<i64>,
) -> Result<String, AggregatorError> {
    let mut sites = Sites::new(bed_lists(beds)?);
    fold_log(log, from, &mut sites).await?;
    if let Some(horizon) = horizon_ms {
        sites.evict(horizon);
    }
    Ok(sites.digest())
}

/// What a stopped aggregator's store says.
#[derive(Debug, Clone)]
pub struct StoreSummary {
    pub digest: String,
    pub facts: u64,
    /// The text of each site's bed list that it was run with.
    pub beds: BTreeMap<String, String>,
    /// How far history was let go.
    pub horizon_ms: Option<i64>,
    pub positions: BTreeMap<String, crate::store::Mark>,
    pub counters: BTreeMap<String, crate::store::FoldCounts>,
    /// View rows that were not yet known as published.
    pub outbox_rows: u64,
}

/// Reads the store of a stopped aggregator; the data folder is the one that it was started with.
pub fn summary_of_store(data_dir: &Path) -> Result<StoreSummary, AggregatorError> {
    let store = Store::open_existing(&state_path(data_dir))?;
    let beds = store.beds()?;
    let mut sites = Sites::new(bed_lists(&beds)?);
    store.for_each_fact(|fact| {
        sites.apply(fact);
    })?;
    let horizon_ms = store.horizon_ms()?;
    if let Some(horizon) = horizon_ms {
        sites.evict(horizon);
    }
    Ok(StoreSummary {
        digest: sites.digest(),
        facts: store.fact_count()?,
        beds,
        horizon_ms,
        positions: store.positions()?,
        counters: store.counters()?,
        outbox_rows: store.outbox_rows()?,
    })
}

/// The digest alone.
pub fn digest_of_store(data_dir: &Path) -> Result<String, AggregatorError> {
    Ok(summary_of_store(data_dir)?.digest)
}

fn bed_lists(texts: &BTreeMap<String, String>) -> Result<BedLists, AggregatorError> {
    let list = |(site, text): (&String, &String)| match SiteBeds::parse(text.clone()) {
        Ok(beds) => Ok((site.clone(), beds.list)),
        Err(errors) => {
            let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Err(AggregatorError::Beds(text.join("; ")))
        }
    };
    texts.iter().map(list).collect()
}
