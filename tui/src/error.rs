//! What can go wrong, and whose turn it is: the person's (address, department), the aggregator's, or the terminal's.

/// Every message says where, what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("`{given}` is no address of a query API: {why}; write it like http://127.0.0.1:7070")]
    Address { given: String, why: &'static str },
    #[error("no answer from {url}: {why}; is an aggregator running there? (--api URL)")]
    NoAnswer { url: String, why: String },
    #[error("{url} answered {status}: {why}")]
    Refused {
        url: String,
        status: u16,
        why: String,
    },
    #[error(
        "the answer of {url} is not understood ({why}); is it an aggregator of another version?"
    )]
    Answer { url: String, why: String },
    #[error("no department `{given}` at {url}; there {known}")]
    Department {
        given: String,
        url: String,
        known: String,
    },
    #[error("the terminal cannot be used: {0}; use --once")]
    Terminal(std::io::Error),
    #[error("a thread for {what} could not be started: {why}")]
    Thread {
        what: &'static str,
        why: std::io::Error,
    },
    #[error("another part of the program panicked; its message stands above")]
    Panicked,
}

impl TuiError {
    /// What was typed is wrong, and nothing else.
    pub fn is_usage(&self) -> bool {
        matches!(self, TuiError::Address { .. } | TuiError::Department { .. })
    }

    /// The reason alone, for a line that already says where.
    pub fn reason(&self) -> String {
        match self {
            TuiError::NoAnswer { why, .. } => why.clone(),
            TuiError::Refused { status, why, .. } => format!("answered {status}: {why}"),
            TuiError::Answer { why, .. } => format!("the answer is not understood: {why}"),
            other => other.to_string(),
        }
    }
}
