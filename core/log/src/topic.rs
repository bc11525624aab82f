//! Topics: what may be a name, how many partitions, and what goes when.

use serde::{Deserialize, Serialize};

use crate::LogError;
use crate::limits::{PARTITIONS_MAX, TOPIC_NAME_BYTES_MAX};

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// At least one; cannot change later.
    pub partitions: u32,
    /// What goes when.
    pub cleanup: Cleanup,
}

/// What is removed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "lowercase")]
pub enum Cleanup {
    /// The oldest goes when a bound is passed; `None` is no bound.
    Delete {
        /// Stored bytes that each partition keeps.
        retention_bytes: Option<u64>,
        /// How long a record is kept, from its writing on, whatever its own time says.
        retention_ms: Option<u64>,
    },
    /// The newest record of each key stays.
    Compact,
}

/// The policy without its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanupKind {
    /// `Cleanup::Delete`.
    Delete,
    /// `Cleanup::Compact`.
    Compact,
}

impl Cleanup {
    /// The policy without its settings.
    #[must_use]
    pub fn kind(&self) -> CleanupKind {
        match self {
            Self::Delete { .. } => CleanupKind::Delete,
            Self::Compact => CleanupKind::Compact,
        }
    }
}

/// A topic that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name, without an installation's prefix.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// What goes when.
    pub cleanup: CleanupKind,
}

impl TopicSpec {
    /// Whether both engines could hold it.
    ///
    /// # Errors
    /// `InvalidTopic`, which says what is allowed.
    pub fn check(&self) -> Result<(), LogError> {
        let invalid = |why: String| {
            Err(LogError::InvalidTopic {
                topic: self.name.clone(),
                why,
            })
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.name.is_empty() || self.name == "." || self.name == ".." {
            return invalid("a name of letters, digits, '.', '_' and '-' is needed".to_owned());
        }
        if self.name.len() > TOPIC_NAME_BYTES_MAX {
            return invalid(format!(
                "the name is longer than {TOPIC_NAME_BYTES_MAX} bytes"
            ));
        }
        if let Some(bad) = self.name.chars().find(|c| !allowed(*c)) {
            return invalid(format!(
                "{bad:?} is in the name; allowed are letters, digits, '.', '_' and '-'"
            ));
        }
        if self.partitions == 0 || self.partitions > PARTITIONS_MAX {
            return invalid(format!(
                "{} partitions; allowed are 1 to {PARTITIONS_MAX}",
                self.partitions
            ));
        }
        Ok(())
    }
}
