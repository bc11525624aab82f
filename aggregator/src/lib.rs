//! Replication, live views of beds and devices, and the query API.
//!
//! The way of a record: a site's topic, its copy at the centre (unless the site's log is the centre's own), decoding, the
//! ledger, one commit of state and positions, the view topics. `ledger` and `decode` are pure; everything else here is
//! the shell that feeds them and answers for them.

pub mod apart;
mod api;
mod config;
pub mod decode;
mod engine;
mod error;
mod health;
mod hooks;
pub mod ledger;
pub mod limits;
mod metrics;
mod recompute;
mod replicate;
mod start;
mod store;
mod views;

use std::sync::Arc;

use wardline_log::SharedLog;

pub use api::log_line;
pub use config::{Config, SiteBeds};
pub use error::AggregatorError;
pub use hooks::FaultPoint;
pub use recompute::{StoreSummary, digest_of_log, digest_of_store, recompute, summary_of_store};
pub use start::start;
pub use store::{FoldCounts, Mark, Problem};

/// A site whose topics are folded.
#[derive(Clone)]
pub struct Source {
    /// The centre's name for it.
    pub site: String,
    pub beds: SiteBeds,
    pub log: SharedLog,
    /// Read in place instead of being copied to the centre.
    pub local: bool,
}

/// The logs that the fold reads: those of local sites, and the centre's own if anything is copied there. A log that is
/// both is read once.
pub(crate) fn inputs(centre: &SharedLog, sources: &[Source]) -> Vec<engine::input::Input> {
    let mut out: Vec<engine::input::Input> = Vec::new();
    let copies = sources.iter().any(|source| !source.local);
    for source in sources.iter().filter(|source| source.local) {
        if !out.iter().any(|known| Arc::ptr_eq(&known.log, &source.log)) {
            out.push(engine::input::Input {
                name: source.site.clone(),
                site: source.site.clone(),
                copies: copies && Arc::ptr_eq(&source.log, centre),
                log: source.log.clone(),
            });
        }
    }
    if copies && !out.iter().any(|known| Arc::ptr_eq(&known.log, centre)) {
        out.push(engine::input::Input {
            // No site is called so.
            name: "@centre".to_owned(),
            site: String::new(),
            copies: true,
            log: centre.clone(),
        });
    }
    out
}
