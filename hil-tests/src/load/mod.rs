//! Clients that remember what was acknowledged: the other end of the promise.

mod adt;
mod devices;
pub mod raw_mqtt;
mod run;

pub use adt::Senders;
pub use devices::Devices;
pub use run::{Acked, Load, Where};

use wardline_service::clock::{Clock, SystemClock};

/// Epoch milliseconds on the clock that the programs under test have too.
pub fn wall_ms() -> i64 {
    SystemClock::new().wall_ms()
}
