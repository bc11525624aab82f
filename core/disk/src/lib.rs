//! A redb file that its owner can rely on: opened, judged, locked, opened again, shrunk, and set aside in one place.
//!
//! The agent's store, the embedded log and the aggregator's state are redb files with tables of their own. Everything that
//! is not tables is here:
//! - [`RedbFile`] is the shell: what it answers with is a [`DiskError`], whatever redb or the system said;
//! - [`Disk`] is the seam below it. Its real side is [`FileDisk`]; the simulated one, which loses power, fails and fills up
//!   on command, is a crate of its own that only tests know (`core/disk-sim`).

mod disk;
mod error;
mod file;
mod folder;
mod health;
pub mod limits;
mod shrink;

pub use disk::{Disk, Storage};
pub use error::DiskError;
pub use file::{Kind, RedbFile};
pub use folder::FileDisk;
pub use shrink::Shrunk;
