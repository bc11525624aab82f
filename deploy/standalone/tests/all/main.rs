//! The program from outside, and what holds for the whole house.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod house;
mod rooms;
mod surface;
mod truth;
