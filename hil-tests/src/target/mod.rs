//! What is tested: programs as processes, alone or as a whole site.

mod process;
mod site;

pub use process::{Binaries, Process};
pub use site::{Layout, Part, SITE, Site};
