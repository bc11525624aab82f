//! The listener from outside, one binary: rules by their numbers, malformed bytes, bounds, and real clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

mod acknowledge;
mod bounds;
mod client;
mod lifecycle;
mod malformed;
mod memory;
mod support;
mod with_mosquitto;
mod with_paho;
mod with_rumqttc;
