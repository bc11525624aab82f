//! Clients that remember what was acknowledged: the other end of the promise.

mod adt;
mod devices;
pub mod raw_mqtt;
mod run;

pub use adt::Senders;
pub use devices::Devices;
pub use run::{Acked, Load, Where};
