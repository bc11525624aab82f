//! Everything that the event log promises, in one binary.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod embedded;
mod follow;
mod golden;
mod kafka;
mod power_cut;
