//! When a file that failed may be written again or opened again. Pure: the caller says what time it is.
//!
//! After a failure redb must read the whole file when it is opened again. Without a pause a disk that stays full or
//! broken would make every call such a reading, and nobody else could read meanwhile. So:
//! - after a failure nothing is added for a pause, which grows with what the opening took; what is asked for meanwhile
//!   is refused without touching the file, and reading goes on;
//! - on a full disk nothing is added until the reserve is back, or until freeing has made room inside the file: of what
//!   was freed one half may be used, the other half is what the next freeing works with;
//! - the file is opened again at most once in a pause, unless it failed in another way than the last time.

use std::time::{Duration, Instant};

use crate::limits::{
    REOPEN_PAUSE_MS_MAX, REOPEN_PAUSE_MS_MIN, REOPEN_PAUSE_RATIO, RESERVE_RETRY_MS,
};

/// How a file failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Full,
    Io,
    Damage,
}

#[derive(Debug)]
pub(crate) struct Health {
    /// The last failure, and how long adding waits after it.
    failed: Option<(Failure, Instant)>,
    /// The last attempt to open again: after which failure, and how long the next one waits.
    opened: Option<(Failure, Instant)>,
    /// The reserve was given to the disk, and when it may be tried to take it back.
    lent: Option<Instant>,
    /// What may be added although the reserve is lent.
    freed_bytes: u64,
}

/// What must be true before something is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// The reserve has to be taken back first.
    TakeReserve,
    /// Not now: the disk is full.
    Full,
    /// Not before so long.
    Wait(Duration),
}

impl Health {
    pub(crate) const NEW: Self = Self {
        failed: None,
        opened: None,
        lent: None,
        freed_bytes: 0,
    };

    /// A call failed. `true`: the reserve is to be given to the disk.
    pub(crate) fn failed(&mut self, how: Failure, now: Instant) -> bool {
        self.failed = Some((how, now + Duration::from_millis(REOPEN_PAUSE_MS_MIN)));
        self.freed_bytes = 0;
        let lend = how == Failure::Full && self.lent.is_none();
        if how == Failure::Full {
            self.lent = Some(now + Duration::from_millis(RESERVE_RETRY_MS));
        }
        lend
    }

    /// Whether `bytes` may be added now.
    pub(crate) fn gate(&self, bytes: u64, now: Instant) -> Gate {
        match (self.lent, self.failed) {
            (Some(_), _) if bytes <= self.freed_bytes => Gate::Open,
            (Some(retry), _) if retry <= now => Gate::TakeReserve,
            (Some(_), _) => Gate::Full,
            (None, Some((_, until))) if now < until => Gate::Wait(until - now),
            (None, _) => Gate::Open,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lent.is_some()
    }

    /// It was tried to take the reserve back.
    pub(crate) fn reserve(&mut self, kept: bool, now: Instant) {
        self.lent = (!kept).then(|| now + Duration::from_millis(RESERVE_RETRY_MS));
        if kept {
            self.freed_bytes = 0;
        }
    }

    /// So much was freed inside the file.
    pub(crate) fn freed(&mut self, bytes: u64) {
        if self.lent.is_some() {
            self.freed_bytes = self.freed_bytes.saturating_add(bytes / 2);
        }
    }

    /// So much was added.
    pub(crate) fn added(&mut self, bytes: u64) {
        self.freed_bytes = self.freed_bytes.saturating_sub(bytes);
    }

    /// How long to wait before the file is opened again.
    pub(crate) fn open_in(&self, now: Instant) -> Option<Duration> {
        let (before, until) = self.opened?;
        let same = self.failed.is_none_or(|(how, _)| how == before);
        (same && now < until).then(|| until - now)
    }

    /// The file was opened again, or it was tried to.
    pub(crate) fn opened(&mut self, took: Duration, now: Instant) {
        let Some((how, _)) = self.failed else {
            return;
        };
        let pause = took.saturating_mul(REOPEN_PAUSE_RATIO).clamp(
            Duration::from_millis(REOPEN_PAUSE_MS_MIN),
            Duration::from_millis(REOPEN_PAUSE_MS_MAX),
        );
        self.opened = Some((how, now + pause));
        self.failed = Some((how, now + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn p7_the_pause_grows_with_what_the_opening_took_and_another_failure_does_not_wait() {
        let begun = Instant::now();
        let mut health = Health::NEW;
        assert_eq!(health.gate(1, begun), Gate::Open);
        assert_eq!(
            health.open_in(begun),
            None,
            "the first opening waits for nothing"
        );
        assert!(!health.failed(Failure::Io, begun));
        assert_eq!(
            health.open_in(begun),
            None,
            "nor the first one after a failure"
        );
        health.opened(4 * SECOND, begun);
        assert_eq!(health.open_in(begun), Some(40 * SECOND));
        assert_eq!(health.gate(1, begun + 39 * SECOND), Gate::Wait(SECOND));
        assert_eq!(health.gate(1, begun + 40 * SECOND), Gate::Open);
        health.failed(Failure::Io, begun + SECOND);
        assert_eq!(health.open_in(begun + SECOND), Some(39 * SECOND));
        health.failed(Failure::Damage, begun + SECOND);
        assert_eq!(health.open_in(begun + SECOND), None);
        health.opened(Duration::MAX, begun);
        let longest = Duration::from_millis(REOPEN_PAUSE_MS_MAX);
        assert_eq!(health.open_in(begun), Some(longest));
    }

    #[test]
    fn p7_on_a_full_disk_the_reserve_must_come_back_or_half_of_what_was_freed_is_used() {
        let begun = Instant::now();
        let mut health = Health::NEW;
        assert!(health.failed(Failure::Full, begun), "the reserve is lent");
        assert!(!health.failed(Failure::Full, begun), "once");
        health.opened(SECOND, begun);
        assert_eq!(health.gate(1, begun), Gate::Full);
        let retry = begun + Duration::from_millis(RESERVE_RETRY_MS);
        assert_eq!(health.gate(1, retry), Gate::TakeReserve);
        health.reserve(false, retry);
        assert_eq!(health.gate(1, retry), Gate::Full, "not at every call");
        health.freed(1000);
        assert_eq!(health.gate(500, retry), Gate::Open);
        assert_eq!(health.gate(501, retry), Gate::Full);
        health.added(400);
        assert_eq!(health.gate(101, retry), Gate::Full);
        health.reserve(true, begun + 20 * SECOND);
        assert_eq!(health.gate(u64::MAX, begun + 20 * SECOND), Gate::Open);
    }
}
