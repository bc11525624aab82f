//! What to commit, refuse, free and send next: pure decisions, without clock, file or socket.
//!
//! [`pack`] numbers events and cuts them into blocks; [`gate`] decides whether there is room; [`free`] decides what
//! a receipt may free; [`window`] decides what is sent next, on which lane, and when a connection is given up.

pub mod free;
pub mod gate;
pub mod pack;
pub mod window;
