//! Exit codes, the same for all programs.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Failed while running.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// The store is damaged or belongs to a newer version.
    Store,
    /// After SIGINT, with everything flushed.
    Interrupted,
    /// After SIGTERM, with everything flushed.
    Terminated,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Store => 3,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Marks an error as one of the store: put it into an error's chain with `anyhow::Error::context`, or wrap it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreProblem(pub String);

/// The exit code that an error asks for.
pub fn of_error(error: &anyhow::Error) -> Exit {
    if error.is::<StoreProblem>()
        || error
            .chain()
            .any(<dyn std::error::Error + 'static>::is::<StoreProblem>)
    {
        Exit::Store
    } else {
        Exit::Failed
    }
}
