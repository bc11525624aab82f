//! The edge agent: takes in what devices say, keeps it on disk, and forwards it over MQTT until the site's log has it.
//!
//! `intake` -> `store` -> `uplink`, with the decisions in `buffer`. A device is answered only after the commit (P1), an
//! event is freed only on a receipt (P2), and at every bound the behaviour is chosen and counted (P7).

pub mod buffer;
pub mod clock;
pub mod config;
mod error;
pub mod intake;
pub mod limits;
mod start;
pub mod status;
pub mod store;
pub mod uplink;

pub use config::Config;
pub use error::Error;
pub use start::start;
