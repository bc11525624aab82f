//! What must hold when everything has come to rest.

mod accounting;
mod agent;
mod api;
mod frames;

pub use accounting::settled;
pub use agent::agent_holds_nothing;
pub use api::get;
pub use frames::{Frames, acked_stand_once_and_in_order};
