//! What every part of Wardline agrees on: who an event is, how events travel together,
//! what topics and headers are called, and the words the views use.
//!
//! Pure: no I/O, no clock, no async. Formats here are specified with numbered rules in
//! docs/specs/ and checked against golden files that later versions must still read.

pub mod block;
pub mod event;
pub mod frame;
pub mod hl7;
pub mod limits;
pub mod loss;
pub mod names;
pub mod ranges;
pub mod receipt;
pub mod record;
pub mod sideline;
pub mod status;
pub mod time;
pub mod topic;

pub use event::{Body, Class, Event, EventId, Incarnation, Stamp};
pub use frame::{Frame, FrameError, Lane};
pub use loss::LossRecord;
pub use names::{AgentName, NameError, SiteName};
pub use ranges::RangeSet;
pub use receipt::Receipt;
pub use sideline::SidelineRecord;
