//! Raw -> FHIR: reads `edge.frames`, maps each event, writes `fhir.*` and `sideline`.
//!
//! `map` is pure: the same event gives the same bytes, so that a repetition is an upsert. The loop around it keeps its
//! position in `bridge.state` together with its counters, so that nothing is lost, skipped or counted twice.

mod batch;
pub mod context;
pub mod counters;
mod lane;
pub mod limits;
pub mod mapped;
pub mod mappings;
mod patience;
mod position;
mod run;
mod work;

use wardline_model::{Body, Event, EventId};

pub use context::SiteContext;
pub use counters::{Counters, TransformStatus};
pub use mapped::{Mapped, OutRecord, Refusal};
pub use mappings::{MappingError, MappingSet};
pub use run::run;

use self::mapped::Outcome;
use crate::hl7::{self, Arrival};
use crate::json::map::{self as json, Message};
use crate::sideline::SidelineRecord;

/// What becomes of one event. Never panics, whatever the bytes are.
pub fn map(event: &Event, id: &EventId, ctx: &SiteContext) -> Mapped {
    let (outcome, label) = match &event.body {
        Body::Ledger(_) => return Mapped::Filtered("ledger"),
        Body::Hl7 { raw, understood } => {
            let arrival = Arrival {
                raw,
                understood: *understood,
                received_ms: event.stamp.wall_ms,
            };
            (hl7::map(&arrival, id, ctx), ctx.mappings.hl7.label())
        }
        // A will is the listener speaking of a connection; what it says of the device is its state's age.
        Body::Mqtt { will: true, .. } => return Mapped::Filtered("will"),
        Body::Mqtt { topic, payload, .. } => {
            let Some((mapping, parts)) = json::find(&ctx.mappings.json, topic) else {
                return Mapped::Filtered("no-mapping");
            };
            let message = Message {
                topic,
                payload,
                received_ms: event.stamp.wall_ms,
            };
            (
                json::map(&message, mapping, parts, id, ctx),
                mapping.label(),
            )
        }
    };
    match outcome {
        Ok(Outcome::Records(records)) => Mapped::Records(records),
        Ok(Outcome::Filtered(reason)) => Mapped::Filtered(reason),
        Err(why) => SidelineRecord::of_event(event, id, ctx.site.as_str(), label, why)
            .map_or(Mapped::Filtered("ledger"), |record| {
                Mapped::Sidelined(Box::new(record))
            }),
    }
}
