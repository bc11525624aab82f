//! redb's own assertions end here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Verdict;

/// What went wrong in a call.
#[derive(Debug)]
pub(crate) enum Failed {
    Said(Verdict),
    Panicked,
}

impl From<Failed> for Verdict {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Said(verdict) => verdict,
            Failed::Panicked => Verdict::Damaged("its structure contradicts itself".to_owned()),
        }
    }
}

/// redb asserts what it believes about its own file, and a damaged file can break such a belief.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Failed> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| Failed::Said(error.into())),
        Err(_) => Err(Failed::Panicked),
    }
}
