//! The demo's integration tests, one binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod house;
mod run;
mod support;
