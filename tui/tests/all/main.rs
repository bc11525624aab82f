//! The dashboard's integration tests, one binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod once;
mod pty;
mod support;
