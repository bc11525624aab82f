//! The dashboard's integration tests, one binary.

mod once;
mod pty;
mod support;
