//! Programs as systemd and people see them: each test starts this test binary again as a program of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod child;
mod run_dir;
mod signals;
mod watchdog;
