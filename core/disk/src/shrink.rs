//! Whether it is worth to make a file smaller. Pure.
//!
//! redb gives the free end of a file back by itself; what is left is a file with something held near its end. Moving that
//! stops everybody (`Database::compact` wants the file for itself), for as long as it takes to write what is held. So it
//! is done only for a file that holds little, and an attempt that brought nothing is not repeated until things changed.

use crate::limits::{SHRINK_FILE_BYTES_MIN, SHRINK_HELD_BYTES_MAX, SHRINK_RATIO_MIN};

/// What shrinking brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shrunk {
    pub before_bytes: u64,
    pub after_bytes: u64,
}

/// The last attempt: what the file took afterwards, and held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LastShrink(Option<(u64, u64)>);

impl LastShrink {
    pub(crate) fn worth(self, file_bytes: u64, held_bytes: u64) -> bool {
        let mostly_empty = file_bytes >= SHRINK_FILE_BYTES_MIN
            && held_bytes <= SHRINK_HELD_BYTES_MAX
            && file_bytes / SHRINK_RATIO_MIN > held_bytes;
        // As much again, or half as much to move: before that the same attempt has the same end.
        let changed = self
            .0
            .is_none_or(|(file, held)| file_bytes / 2 >= file || held_bytes < held / 2);
        mostly_empty && changed
    }

    pub(crate) fn tried(&mut self, file_bytes: u64, held_bytes: u64) {
        self.0 = Some((file_bytes, held_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn p7_a_file_is_shrunk_when_it_is_large_mostly_empty_and_holds_little() {
        let new = LastShrink::default();
        assert!(new.worth(SHRINK_FILE_BYTES_MIN, 0));
        assert!(!new.worth(SHRINK_FILE_BYTES_MIN - 1, 0));
        assert!(!new.worth(64 * MIB, 16 * MIB));
        assert!(new.worth(65 * MIB, 16 * MIB));
        assert!(new.worth(1 << 40, SHRINK_HELD_BYTES_MAX));
        assert!(!new.worth(1 << 40, SHRINK_HELD_BYTES_MAX + 1));
    }

    #[test]
    fn p7_an_attempt_that_brought_nothing_is_not_repeated_until_things_changed() {
        let mut last = LastShrink::default();
        last.tried(100 * MIB, 20 * MIB);
        assert!(!last.worth(100 * MIB, 20 * MIB));
        assert!(!last.worth(199 * MIB, 20 * MIB));
        assert!(last.worth(200 * MIB, 20 * MIB));
        assert!(last.worth(100 * MIB, 10 * MIB - 1));
    }
}
