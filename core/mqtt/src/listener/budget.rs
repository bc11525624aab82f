//! The bytes that all connections together may keep for the handler.
//!
//! Whoever finds it full stops reading and waits here; whoever gives back wakes the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};

use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    max: usize,
    freed: Notify,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            max,
            freed: Notify::new(),
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Acquire)
    }

    /// Is there room beside `more` bytes that are about to be added, not counting `own` bytes of the asker?
    pub(super) fn has_room(&self, more: usize, own: usize) -> bool {
        self.used().saturating_add(more).saturating_sub(own) < self.max
    }

    pub(super) fn add(&self, bytes: usize) {
        self.used.fetch_add(bytes, AcqRel);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, AcqRel);
            self.freed.notify_waiters();
        }
    }

    /// Something that fits beside what is used may go ahead; something larger than all of it may go alone.
    fn fits(&self, used: usize, bytes: usize) -> bool {
        used == 0 || used.saturating_add(bytes) <= self.max
    }

    /// Reserves room for a large packet before it is buffered.
    pub(super) fn grant(self: &Arc<Self>, bytes: usize) -> Option<Grant> {
        let reserve = |used| self.fits(used, bytes).then(|| used + bytes);
        self.used.fetch_update(AcqRel, Acquire, reserve).ok()?;
        Some(Grant {
            budget: Arc::clone(self),
            bytes,
        })
    }

    /// Waits until there is room, not counting `own` bytes of the asker.
    pub(super) async fn room(&self, own: usize) {
        self.until(|| self.has_room(0, own)).await;
    }

    /// Waits until a grant of so many bytes may succeed.
    pub(super) async fn room_for(&self, bytes: usize) {
        self.until(|| self.fits(self.used(), bytes)).await;
    }

    async fn until(&self, ready: impl Fn() -> bool) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before looking, so that nothing given back in between is missed.
            freed.as_mut().enable();
            if ready() {
                return;
            }
            freed.await;
        }
    }
}

/// Room that was reserved; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Grant {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Grant {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m10_grants_fit_or_go_alone() {
        let budget = Arc::new(Budget::new(100));
        let alone = budget.grant(500).unwrap();
        assert!(budget.grant(1).is_none());
        assert!(budget.has_room(0, 500) && !budget.has_room(0, 0));
        drop(alone);
        let half = budget.grant(60).unwrap();
        assert!(budget.grant(60).is_none());
        assert!(budget.grant(40).is_some());
        drop(half);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn m10_who_waits_for_room_is_woken() {
        let budget = Arc::new(Budget::new(100));
        budget.add(100);
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.room(0).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        budget.give_back(1);
        waiting.await.unwrap();
    }
}
