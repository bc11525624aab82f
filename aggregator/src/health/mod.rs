//! How the pipeline itself is: who is heard, where events are, what is wrong. The API and the metrics show it.
//!
//! `status` keeps the newest word of every agent and bridge, `copies` and `fold` how far replication and the fold are;
//! `coverage`, `feeds`, `freshness`, `sources` and `accounting` are functions of those, pure.

pub(crate) mod accounting;
pub(crate) mod copies;
pub(crate) mod coverage;
pub(crate) mod feeds;
pub(crate) mod fold;
pub(crate) mod freshness;
pub(crate) mod sources;
pub(crate) mod status;

/// One site whose events are folded, and how they come here.
#[derive(Debug, Clone)]
pub(crate) struct SiteInfo {
    pub(crate) site: String,
    pub(crate) local: bool,
}
