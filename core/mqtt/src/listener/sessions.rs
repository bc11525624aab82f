//! One live session for each client identifier.
//!
//! Who connects with an identifier that is in use takes its session over: the old connection is told to go, and the new
//! one waits until everything that the old one handed over is settled. So a client's messages are settled in the order
//! in which it sent them, across connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    next: u64,
    /// All connections of an identifier that are not settled, oldest first.
    by_id: HashMap<Arc<str>, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    taken_over: CancellationToken,
    settled: CancellationToken,
}

/// A connection's hold on its session. Dropped when the connection is settled, however that ended.
#[derive(Debug)]
pub(super) struct LiveSession {
    sessions: Arc<Sessions>,
    id: Arc<str>,
    number: u64,
    /// Cancelled when another connection takes the session over.
    pub(super) taken_over: CancellationToken,
    settled: CancellationToken,
}

impl Sessions {
    /// Takes the session of `id` over, tells all earlier connections to go, and returns what to wait for.
    pub(super) fn take_over(
        self: &Arc<Self>,
        id: &Arc<str>,
    ) -> (LiveSession, Vec<CancellationToken>) {
        let (taken_over, settled) = (CancellationToken::new(), CancellationToken::new());
        let mut guard = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let live = &mut *guard;
        live.next += 1;
        let number = live.next;
        let entries = live.by_id.entry(Arc::clone(id)).or_default();
        let predecessors = entries.iter().map(|entry| entry.settled.clone()).collect();
        for entry in entries.iter() {
            entry.taken_over.cancel();
        }
        entries.push(Entry {
            number,
            taken_over: taken_over.clone(),
            settled: settled.clone(),
        });
        drop(guard);
        let session = LiveSession {
            sessions: Arc::clone(self),
            id: Arc::clone(id),
            number,
            taken_over,
            settled,
        };
        (session, predecessors)
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        let mut live = self
            .sessions
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = live.by_id.get_mut(&self.id) {
            entries.retain(|entry| entry.number != self.number);
            if entries.is_empty() {
                live.by_id.remove(&self.id);
            }
        }
        drop(live);
        self.settled.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m19_the_newest_waits_for_all_that_are_not_settled() {
        let sessions = Arc::new(Sessions::default());
        let id: Arc<str> = "a".into();
        let (first, before_first) = sessions.take_over(&id);
        assert!(before_first.is_empty());
        let (second, before_second) = sessions.take_over(&id);
        assert!(first.taken_over.is_cancelled());
        drop(second);
        // The second gave up while it waited; the first is still not settled, and the third has to know.
        let (third, before_third) = sessions.take_over(&id);
        assert_eq!((before_second.len(), before_third.len()), (1, 1));
        assert!(!before_third[0].is_cancelled());
        drop(first);
        assert!(before_third[0].is_cancelled());
        assert!(!third.taken_over.is_cancelled());
        drop(third);
        assert!(sessions.live.lock().unwrap().by_id.is_empty());
    }
}
