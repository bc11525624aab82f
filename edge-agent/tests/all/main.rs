//! The agent's integration tests, one binary: linking them one by one took longer than running them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;
mod dependencies;
mod golden;
mod intake;
mod kill;
mod pipes;
mod store;
mod store_faults;
mod uplink;
