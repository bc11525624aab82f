//! How long to wait before the next connection: doubling from 0.2 s to 30 s, with jitter so that a ward's gateways
//! do not come back in step after a power cut, and small again after a connection that was stable.

use std::time::Duration;

use crate::limits::{BACKOFF_MAX_MS, BACKOFF_MIN_MS, SESSION_STABLE_MS};

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// `lived`: how long the session lasted that has just ended. `jitter`: 0.0..1.0.
    pub(super) fn next(&mut self, lived: Duration, jitter: f64) -> Duration {
        if lived >= Duration::from_millis(SESSION_STABLE_MS) {
            self.failures = 0;
        }
        let doubled = BACKOFF_MIN_MS
            .saturating_mul(1u64.checked_shl(self.failures.min(20)).unwrap_or(u64::MAX));
        self.failures = self.failures.saturating_add(1);
        let full = Duration::from_millis(doubled.min(BACKOFF_MAX_MS));
        // Between half and all of it.
        full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_are_bounded_and_begin_small_again_after_a_stable_session() {
        let mut backoff = Backoff::default();
        let short = Duration::from_millis(10);
        let waits: Vec<u64> = (0..10)
            .map(|_| backoff.next(short, 1.0).as_millis() as u64)
            .collect();
        assert_eq!(waits[..4], [200, 400, 800, 1600]);
        assert_eq!(waits[9], BACKOFF_MAX_MS);
        let stable = Duration::from_millis(SESSION_STABLE_MS);
        assert_eq!(
            backoff.next(stable, 0.0).as_millis(),
            u128::from(BACKOFF_MIN_MS) / 2
        );
    }
}
