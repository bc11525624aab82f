//! The bytes that all connections together may keep for the handler, and one connection's share of them.
//!
//! Room is taken before a packet is decoded, so that the total is never passed, and whoever finds none waits in line:
//! first come, first served. A large packet therefore gets its turn although small ones never stop. Room that is dropped
//! is free again, however its holder ended.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::ROOM_AHEAD_BYTES;

#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    max: usize,
}

impl Budget {
    /// `Limits::check` has seen that the semaphore can count so far.
    pub(super) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(max)),
            max,
        }
    }

    /// Taken now, or promised to those who wait.
    pub(super) fn used(&self) -> usize {
        self.max.saturating_sub(self.free.available_permits())
    }

    /// Something larger than all of it goes alone.
    fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.max)).unwrap_or(u32::MAX)
    }

    /// Room that is free and for which nobody waits.
    fn try_take(&self, bytes: usize) -> Option<Room> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(self.cost(bytes));
        permit.ok().map(|permit| Room(Some(permit)))
    }

    /// Room in its turn. Dropping the future leaves the line.
    pub(super) fn take(&self, bytes: usize) -> BoxFuture<'static, Room> {
        let (free, cost) = (Arc::clone(&self.free), self.cost(bytes));
        // The semaphore is never closed.
        Box::pin(async move { Room(free.acquire_many_owned(cost).await.ok()) })
    }
}

/// Room that is held; dropped, it is free again.
#[derive(Debug, Default)]
pub(super) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn add(&mut self, more: Self) {
        match (&mut self.0, more.0) {
            (Some(held), Some(more)) => held.merge(more),
            (held, more) => *held = held.take().or(more),
        }
    }

    /// Takes up to so many bytes out of it.
    fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes());
        Self(self.0.as_mut().and_then(|held| held.split(bytes)))
    }
}

/// What one connection holds for packets that are not yet handed over, and its place in the line.
pub(super) struct Share {
    budget: Arc<Budget>,
    held: Room,
    waiting: Option<BoxFuture<'static, Room>>,
}

impl Share {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            held: Room::default(),
            waiting: None,
        }
    }

    /// Is there room for so many bytes beside those that are reserved for a batch already? If not, the connection gets in
    /// line for it.
    pub(super) fn covers(&mut self, reserved: usize, bytes: usize) -> bool {
        let bytes = bytes.min(self.budget.max);
        let needed = reserved.saturating_add(bytes);
        if self.held.bytes() >= needed {
            return true;
        }
        if self.waiting.is_some() {
            return false;
        }
        let missing = needed - self.held.bytes();
        // Some in advance, so that small messages do not go to the counter one by one.
        let more = self.budget.try_take(missing.max(ROOM_AHEAD_BYTES));
        match more.or_else(|| self.budget.try_take(missing)) {
            Some(room) => self.held.add(room),
            None => self.waiting = Some(self.budget.take(bytes)),
        }
        self.waiting.is_none()
    }

    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Waits for the connection's turn. May be dropped without losing the place in the line.
    pub(super) async fn turn(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            let room = waiting.await;
            self.waiting = None;
            self.held.add(room);
        }
    }

    /// Takes what a batch costs out of what is held.
    pub(super) fn spend(&mut self, bytes: usize) -> Room {
        self.held.split(bytes)
    }

    /// Gives back what is held beyond so many bytes.
    pub(super) fn keep(&mut self, bytes: usize) {
        let kept = self.held.split(bytes);
        self.held = kept;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn budget(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget::new(bytes))
    }

    #[test]
    fn m10_room_is_never_given_twice_and_comes_back() {
        let budget = budget(100_000);
        let mut one = Share::new(Arc::clone(&budget));
        assert!(one.covers(0, 60_000));
        let mut other = Share::new(Arc::clone(&budget));
        assert!(!other.covers(0, 60_000) && other.waits());
        let batch = one.spend(50_000);
        one.keep(0);
        assert_eq!((batch.bytes(), other.turn().now_or_never()), (50_000, None));
        drop(batch);
        assert!(other.turn().now_or_never().is_some() && other.covers(0, 60_000));
        drop((one, other));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn m11_what_is_larger_than_everything_goes_alone() {
        let budget = budget(100_000);
        let mut small = Share::new(Arc::clone(&budget));
        assert!(small.covers(0, 1));
        let mut large = Share::new(Arc::clone(&budget));
        assert!(!large.covers(0, 500_000));
        drop(small);
        assert!(large.turn().now_or_never().is_some() && large.covers(0, 500_000));
        assert!(!Share::new(Arc::clone(&budget)).covers(0, 1));
    }

    #[test]
    fn m11_who_waits_is_served_before_who_comes_later() {
        let budget = budget(100_000);
        let mut small = Share::new(Arc::clone(&budget));
        assert!(small.covers(0, 100_000));
        let mut held: Vec<Room> = (0..10).map(|_| small.spend(10_000)).collect();
        let mut large = Share::new(Arc::clone(&budget));
        assert!(!large.covers(0, 60_000));
        assert!(large.turn().now_or_never().is_none());
        for _ in 0..5 {
            held.pop();
            assert!(large.turn().now_or_never().is_none());
            assert!(
                budget.try_take(1).is_none(),
                "what is given back is promised"
            );
        }
        held.pop();
        assert!(large.turn().now_or_never().is_some() && large.covers(0, 60_000));
    }
}
