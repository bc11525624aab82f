//! Every test of the bridge that needs more than one file of it, as one program.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod ingest_bridge;
mod ingest_broker;
mod ingest_listener;
mod ingest_log;
mod ingest_support;
mod ingest_watermark;
mod transform_faults;
mod transform_golden;
mod transform_hl7;
mod transform_hl7_events;
mod transform_json;
mod transform_loop;
mod transform_props;
mod transform_support;

/// Of a property, unless the environment variable `PROPTEST_CASES` asks for more of them.
fn cases(usual: u32) -> proptest::prelude::ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES");
    proptest::prelude::ProptestConfig {
        cases: asked.ok().and_then(|n| n.parse().ok()).unwrap_or(usual),
        ..proptest::prelude::ProptestConfig::default()
    }
}
