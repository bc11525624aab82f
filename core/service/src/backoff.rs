//! Trying again: the one wait between two attempts at something that may pass by itself.
//!
//! Full jitter: a wait is drawn evenly from nothing to a ceiling, so that those who failed together do not come back
//! together. The ceiling doubles with every wait, from `first` to `longest`. Only progress makes it small again (a
//! receipt, a record, an answer), never elapsed time: a peer that takes a connection and gives nothing is still a peer
//! that fails. A wait is never shorter than a floor, so a loop of failures cannot spin, and a stop ends it at once.

use std::fmt;
use std::time::Duration;

use crate::limits::BACKOFF_FLOOR_MS;
use crate::running::Stop;

/// A wait was ended by the stop: there is nothing more to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped while waiting for the next attempt")]
pub struct Stopped;

/// Gives numbers of 0.0..=1.0.
type Random = Box<dyn FnMut() -> f64 + Send + Sync>;

pub struct Backoff {
    first: Duration,
    longest: Duration,
    ceiling: Duration,
    random: Random,
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backoff")
            .field("first", &self.first)
            .field("longest", &self.longest)
            .field("ceiling", &self.ceiling)
            .finish_non_exhaustive()
    }
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first: first.min(longest),
            longest,
            ceiling: first.min(longest),
            random: Box::new(rand::random::<f64>),
        }
    }

    /// The same in milliseconds, as limits are written.
    pub fn of_ms(first: u64, longest: u64) -> Self {
        Self::new(Duration::from_millis(first), Duration::from_millis(longest))
    }

    /// Takes its numbers of 0.0..=1.0 from somewhere else: tests, a simulation with a seed.
    #[must_use]
    pub fn with_random(self, random: impl FnMut() -> f64 + Send + Sync + 'static) -> Self {
        Self {
            random: Box::new(random),
            ..self
        }
    }

    /// Something that failed before has succeeded: the next wait is one of the first.
    pub fn progress(&mut self) {
        self.ceiling = self.first;
    }

    /// How long to wait now, for threads that wait on something of their own.
    pub fn draw(&mut self) -> Duration {
        let floor = Duration::from_millis(BACKOFF_FLOOR_MS).min(self.longest);
        let share = (self.random)().clamp(0.0, 1.0);
        // What is too long for a number of seconds, or is none, waits the longest.
        let drawn = Duration::try_from_secs_f64(self.ceiling.as_secs_f64() * share);
        let wait = drawn.unwrap_or(self.longest).clamp(floor, self.longest);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.longest);
        wait
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// The stop came first.
    pub async fn wait(&mut self, stop: &Stop) -> Result<(), Stopped> {
        let wait = self.draw();
        tokio::select! {
            biased;
            () = stop.stopped() => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;
    use crate::running::stop_pair;

    /// The largest wait that each of `n` attempts could have had.
    fn ceilings(first: u64, longest: u64, n: usize) -> Vec<u64> {
        let mut backoff = Backoff::of_ms(first, longest).with_random(|| 1.0);
        (0..n)
            .map(|_| u64::try_from(backoff.draw().as_millis()).unwrap())
            .collect()
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_and_progress_begins_anew() {
        assert_eq!(ceilings(200, 1_000, 5), [200, 400, 800, 1_000, 1_000]);
        let mut backoff = Backoff::of_ms(200, 1_000).with_random(|| 1.0);
        for _ in 0..4 {
            backoff.draw();
        }
        backoff.progress();
        assert_eq!(backoff.draw(), Duration::from_millis(200));
    }

    proptest! {
        #[test]
        fn p7_every_wait_lies_between_floor_and_ceiling(
            first in 1u64..5_000,
            more in 0u64..60_000,
            shares in prop::collection::vec(0.0f64..=1.0, 1..40),
        ) {
            let longest = first + more;
            let ceilings = ceilings(first, longest, shares.len());
            let floor = BACKOFF_FLOOR_MS.min(longest);
            let mut numbers = shares.clone().into_iter();
            let mut backoff = Backoff::of_ms(first, longest).with_random(move || numbers.next().unwrap());
            for (ceiling, share) in ceilings.into_iter().zip(shares) {
                let wait = backoff.draw();
                prop_assert!(wait >= Duration::from_millis(floor));
                prop_assert!(wait <= Duration::from_millis(ceiling.max(floor)));
                let drawn = Duration::from_millis(ceiling).mul_f64(share);
                let near = wait.abs_diff(drawn) < Duration::from_micros(1);
                prop_assert!(near || drawn < Duration::from_millis(floor));
            }
        }

        #[test]
        fn any_number_of_failures_and_any_random_number_stay_within_bounds(
            failures in 0usize..200,
            share in prop::num::f64::ANY,
        ) {
            let mut backoff = Backoff::new(Duration::from_millis(7), Duration::MAX).with_random(move || share);
            for _ in 0..failures {
                prop_assert!(backoff.draw() >= Duration::from_millis(BACKOFF_FLOOR_MS));
            }
        }
    }

    #[test]
    fn the_systems_random_numbers_spread_over_the_whole_range() {
        let mut backoff = Backoff::of_ms(1_000, 1_000);
        let waits: Vec<u128> = (0..1_000).map(|_| backoff.draw().as_millis()).collect();
        assert!(waits.iter().any(|ms| *ms < 250) && waits.iter().any(|ms| *ms > 750));
        assert!(waits.iter().all(|ms| *ms <= 1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_takes_virtual_time_and_a_stop_ends_it() {
        let (handle, stop) = stop_pair();
        let mut backoff = Backoff::of_ms(60_000, 60_000).with_random(|| 1.0);
        let begun = Instant::now();
        assert_eq!(backoff.wait(&stop).await, Ok(()));
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
        let waiting = tokio::spawn(async move { (backoff.wait(&stop).await, backoff) });
        tokio::time::sleep(Duration::from_secs(1)).await;
        handle.stop();
        let (ended, mut backoff) = waiting.await.unwrap();
        assert_eq!(ended, Err(Stopped));
        assert!(begun.elapsed() < Duration::from_secs(62));
        // Once stopped there is no further wait.
        let (_, gone) = stop_pair();
        assert_eq!(backoff.wait(&gone).await, Err(Stopped));
    }
}
