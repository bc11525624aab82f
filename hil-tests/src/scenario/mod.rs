//! Load and faults together, and what must hold afterwards. Every scenario has a seed and prints it.

mod broken_input;
mod finish;
mod kill;
mod link;
mod lossy_broker;
mod shuffle;

pub use broken_input::broken_input;
pub use finish::Outcome;
pub use kill::kill;
pub use link::silent_cut;
pub use lossy_broker::lossy_broker;
pub use shuffle::shuffle;
