//! What the handler has, in the order in which it must be answered.
//!
//! Batches are handed over while earlier ones are still being settled, and may be settled in any order; outcomes
//! come out of here in the order of the wire. The bytes that wait are counted until their outcome is taken.

use std::future::Future;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use super::budget::Room;
use crate::Settlement;
use crate::session::{Release, Slot};

/// What the handler has, with its future.
pub(super) enum Work {
    Publishes(Vec<Slot>, BoxFuture<'static, Vec<Settlement>>),
    Releases(Vec<Release>, BoxFuture<'static, bool>),
}

/// What was handed over together, and what came back.
#[derive(Debug)]
pub(super) enum Settled {
    Publishes(Vec<Slot>, Vec<Settlement>),
    Releases(Vec<Release>, bool),
}

struct Entry {
    work: Work,
    /// Free again when the outcome is taken.
    room: Room,
}

impl Future for Entry {
    type Output = (Settled, Room);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { work, room } = self.get_mut();
        let settled = match work {
            Work::Publishes(slots, handler) => {
                let settlements = ready!(handler.as_mut().poll(cx));
                Settled::Publishes(take(slots), settlements)
            }
            Work::Releases(releases, handler) => {
                let done = ready!(handler.as_mut().poll(cx));
                Settled::Releases(take(releases), done)
            }
        };
        Poll::Ready((settled, take(room)))
    }
}

#[derive(Default)]
pub(super) struct Flow {
    entries: FuturesOrdered<Entry>,
    pending_bytes: usize,
}

impl Flow {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Adds work at the end of the order.
    pub(super) fn push(&mut self, work: Work, room: Room) {
        self.pending_bytes += room.bytes();
        self.entries.push_back(Entry { work, room });
    }

    /// Takes everything whose turn has come; pending if that is nothing.
    pub(super) fn poll_settled(
        &mut self,
        cx: &mut Context<'_>,
        settled: &mut Vec<Settled>,
    ) -> Poll<()> {
        while let Poll::Ready(Some((done, room))) = self.entries.poll_next_unpin(cx) {
            self.pending_bytes = self.pending_bytes.saturating_sub(room.bytes());
            settled.push(done);
        }
        if settled.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Waits for everything whose turn comes next.
    pub(super) async fn settled(&mut self) -> Vec<Settled> {
        let mut settled = Vec::new();
        std::future::poll_fn(|cx| self.poll_settled(cx, &mut settled)).await;
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::budget::{Budget, Share};
    use super::*;

    fn room(budget: &Arc<Budget>, bytes: usize) -> Room {
        let mut share = Share::new(Arc::clone(budget));
        assert!(share.covers(0, bytes));
        share.spend(bytes)
    }

    #[tokio::test]
    async fn m3_outcomes_come_in_the_order_of_the_wire() {
        let budget = Arc::new(Budget::new(1000));
        let mut flow = Flow::default();
        let mut senders = Vec::new();
        for _ in 0..3 {
            let (sender, receiver) = tokio::sync::oneshot::channel::<bool>();
            senders.push(sender);
            let future = async move { receiver.await.unwrap_or(false) };
            let work = Work::Releases(Vec::new(), Box::pin(future));
            flow.push(work, room(&budget, 10));
        }
        let third = senders.pop().unwrap();
        third.send(false).unwrap();
        let mut settled = Vec::new();
        std::future::poll_fn(|cx| {
            assert!(
                flow.poll_settled(cx, &mut settled).is_pending(),
                "the first has not come"
            );
            Poll::Ready(())
        })
        .await;
        assert_eq!(budget.used(), 30);
        for sender in senders {
            sender.send(true).unwrap();
        }
        while settled.len() < 3 {
            settled.extend(flow.settled().await);
        }
        let order: Vec<_> = settled
            .iter()
            .map(|settled| matches!(settled, Settled::Releases(_, true)))
            .collect();
        assert_eq!(order, [true, true, false]);
        assert_eq!((budget.used(), flow.is_empty()), (0, true));
    }

    #[test]
    fn m10_a_dropped_flow_gives_its_bytes_back() {
        let budget = Arc::new(Budget::new(1000));
        let mut flow = Flow::default();
        let never = Box::pin(std::future::pending());
        flow.push(Work::Publishes(Vec::new(), never), room(&budget, 500));
        assert_eq!(budget.used(), 500);
        drop(flow);
        assert_eq!(budget.used(), 0);
    }
}
