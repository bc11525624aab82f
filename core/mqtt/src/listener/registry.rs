//! One seat for each client identifier.
//!
//! Who connects with an identifier that is in use takes the seat: the old connection is told to go, and the new one
//! waits until everything that the old one handed over is settled. So a client's messages are settled in the order
//! in which it sent them, across connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Registry {
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    /// All connections of an identifier that are not settled, oldest first.
    by_id: HashMap<Arc<str>, Vec<Seat>>,
}

#[derive(Debug)]
struct Seat {
    number: u64,
    go: CancellationToken,
    gone: CancellationToken,
}

/// A seat that is held. Dropped when its connection is settled, however that ended.
#[derive(Debug)]
pub(super) struct Seated {
    registry: Arc<Registry>,
    id: Arc<str>,
    number: u64,
    /// Cancelled when somebody else takes the seat.
    pub(super) go: CancellationToken,
    gone: CancellationToken,
}

impl Registry {
    /// Takes the seat of `id`, tells all earlier holders to go, and returns what to wait for.
    pub(super) fn enter(self: &Arc<Self>, id: &Arc<str>) -> (Seated, Vec<CancellationToken>) {
        let mut guard = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = &mut *guard;
        seats.next += 1;
        let number = seats.next;
        let (go, gone) = (CancellationToken::new(), CancellationToken::new());
        let holders = seats.by_id.entry(Arc::clone(id)).or_default();
        let predecessors = holders.iter().map(|seat| seat.gone.clone()).collect();
        for seat in holders.iter() {
            seat.go.cancel();
        }
        holders.push(Seat {
            number,
            go: go.clone(),
            gone: gone.clone(),
        });
        drop(guard);
        (
            Seated {
                registry: Arc::clone(self),
                id: Arc::clone(id),
                number,
                go,
                gone,
            },
            predecessors,
        )
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let mut seats = self
            .registry
            .seats
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(holders) = seats.by_id.get_mut(&self.id) {
            holders.retain(|seat| seat.number != self.number);
            if holders.is_empty() {
                seats.by_id.remove(&self.id);
            }
        }
        drop(seats);
        self.gone.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m19_the_newest_waits_for_all_that_are_not_settled() {
        let registry = Arc::new(Registry::default());
        let id: Arc<str> = "a".into();
        let (first, before_first) = registry.enter(&id);
        assert!(before_first.is_empty());
        let (second, before_second) = registry.enter(&id);
        assert!(first.go.is_cancelled());
        drop(second);
        // The second gave up while it waited; the first is still not settled, and the third has to know.
        let (third, before_third) = registry.enter(&id);
        assert_eq!((before_second.len(), before_third.len()), (1, 1));
        assert!(!before_third[0].is_cancelled());
        drop(first);
        assert!(before_third[0].is_cancelled());
        assert!(!third.go.is_cancelled());
        drop(third);
        assert!(registry.seats.lock().unwrap().by_id.is_empty());
    }
}
