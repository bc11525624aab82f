//! What an event means, as FHIR: pure.
//!
//! Kept true: the same event under the same mappings and key gives the same bytes, so that a repetition is an upsert; no
//! bytes whatever keep what comes after them from being mapped (P8). Nothing here knows a log, a clock, a file or
//! a task: `transform` reads events and writes what comes of them.

pub mod context;
pub mod fhir;
pub mod hl7;
pub mod json;
pub mod mapped;
pub mod mappings;
pub mod site_key;

use wardline_model::{Body, Event, EventId, SidelineRecord};

pub use context::SiteContext;
pub use mapped::{Headers, Mapped, OutRecord};
pub use mappings::{MappingError, MappingSet};
pub use site_key::SiteKey;

use hl7::Arrival;
use json::map::Message;

/// What `map` is; tests put another in its place.
pub type MapEvent = fn(&Event, &EventId, &SiteContext) -> Mapped;

/// What becomes of one event. Never panics, whatever the bytes are.
pub fn map(event: &Event, id: &EventId, ctx: &SiteContext) -> Mapped {
    let (outcome, label) = match &event.body {
        Body::Loss(_) => return Mapped::Filtered("loss"),
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
            let Some((mapping, parts)) = json::map::find(&ctx.mappings.json, topic) else {
                return Mapped::Filtered("no-mapping");
            };
            let message = Message {
                topic,
                payload,
                received_ms: event.stamp.wall_ms,
            };
            (
                json::map::map(&message, mapping, parts, id, ctx),
                mapping.label(),
            )
        }
    };
    match outcome {
        Ok(mapped) => mapped,
        Err(why) => SidelineRecord::of_event(event, id, ctx.site.as_str(), label, why)
            .map_or(Mapped::Filtered("loss"), |record| {
                Mapped::Sidelined(Box::new(record))
            }),
    }
}
