//! Raw -> FHIR: reads `edge.frames`, maps each event, writes `fhir.*` and `sideline`.
//!
//! What an event means is in `crate::map`; here is the loop around it. It keeps its position in `bridge.state` together
//! with its counters, so that nothing is lost, skipped or counted twice.

mod batch;
pub mod counters;
mod feeds;
mod position;
mod run;
mod task;
mod work;

pub use counters::{Counters, TransformStatus};
pub use feeds::FeedsTask;
pub use run::{Transform, run};
