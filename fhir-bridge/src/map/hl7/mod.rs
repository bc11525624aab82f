//! HL7 v2 ADT -> FHIR, by the numbered rules of docs/specs/hl7-mapping.md.
//!
//! Pure: bytes in, records or a refusal out, whatever the bytes are. The bridge keeps no state of visits: each record
//! says what its own message says. What is read is an allow-list; everything else in a message stays behind.

pub mod adt;
pub mod charset;
pub mod events;
pub mod fields;
pub mod headers;
pub mod tables;
pub mod time;

use wardline_model::EventId;
use wardline_model::hl7::{Hl7Error, Message};

use crate::map::context::SiteContext;
use crate::map::mapped::Mapped;
use wardline_model::sideline::Reason;

/// One message as it came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub raw: &'a [u8],
    /// What the agent answered: false for AE.
    pub understood: bool,
    pub received_ms: i64,
}

/// # Errors
/// Why the message goes to the sideline.
pub fn map(arrival: &Arrival<'_>, id: &EventId, ctx: &SiteContext) -> Result<Mapped, Reason> {
    let decoded = charset::decode(arrival.raw)?;
    let message = Message::parse(&decoded.text).map_err(|error| match error {
        Hl7Error::NoHeader => Reason::new("hl7-no-header", "MSH", "H2", error.to_string()),
        Hl7Error::Delimiters => Reason::new("hl7-delimiters", "MSH-2", "H2", error.to_string()),
    })?;
    let input = adt::Input {
        arrival,
        segments: fields::Segments::of(&message),
        charset_replaced: decoded.replaced,
        id,
        ctx,
    };
    let outcome = adt::map(&input)?;
    // H18
    if !arrival.understood {
        let detail = "the agent answered AE, so the sender knows that it was not taken over";
        return Err(Reason::new("hl7-not-understood", "MSH", "H18", detail));
    }
    Ok(outcome)
}
