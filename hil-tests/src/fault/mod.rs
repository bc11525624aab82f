//! Things that break between the parts.

mod mosquitto;
mod proxy;

pub use mosquitto::Mosquitto;
pub use proxy::{Link, Proxy};
