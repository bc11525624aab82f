//! The clock and the fault points: the two things of the outside world that tests take into their own hands.
//!
//! A fault point ends its task where a kill would end it: nothing after it happens, nothing is flushed. Which of them are
//! armed is decided before the start, so a run either has them or has none.

use std::fmt;

use wardline_service::SharedClock;

use crate::error::AggregatorError;

/// Where a test can let the aggregator die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// Records are folded in memory, nothing of them is committed.
    BeforeCommit,
    /// State, positions and outbox are committed, nothing is published.
    AfterCommit,
    /// View rows are in the log, the outbox still holds them.
    AfterPublish,
    /// Copies are in the centre's log, the checkpoint does not know them.
    AfterCopy,
}

impl FaultPoint {
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::AfterPublish => "after-publish",
            Self::AfterCopy => "after-copy",
        }
    }
}

#[derive(Clone)]
pub(crate) struct Hooks {
    clock: SharedClock,
    fault: Option<FaultPoint>,
}

impl Hooks {
    pub(crate) fn new(clock: SharedClock, fault: Option<FaultPoint>) -> Self {
        Self { clock, fault }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    pub(crate) fn reach(&self, point: FaultPoint) -> Result<(), AggregatorError> {
        if self.fault == Some(point) {
            return Err(AggregatorError::Fault(point.name()));
        }
        Ok(())
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
