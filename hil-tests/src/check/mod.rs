//! What must hold when everything has come to rest, and of every answer meanwhile.

mod accounting;
mod agent;
mod answers;
mod api;
mod frames;

pub use accounting::settled;
pub use agent::agent_holds_nothing;
pub use answers::Asker;
pub use api::get;
pub use frames::{Frames, acked_stand_once_and_in_order};
