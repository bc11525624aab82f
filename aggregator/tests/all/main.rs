//! The aggregator as a whole: real logs on disk, real sockets, real kills. One program, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

mod api;
mod fold;
mod golden;
mod kill;
mod published;
mod replication;
mod stream;
mod support;
