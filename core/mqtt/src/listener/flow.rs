//! What the handler has, in the order in which it must be answered.
//!
//! Batches are handed over while earlier ones are still being settled, and may be settled in any order; outcomes
//! come out of here in the order of the wire. The bytes that wait are counted until their outcome is taken.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use super::budget::Room;
use crate::Settlement;
use crate::session::{Release, Slot};

/// What was handed over together.
#[derive(Debug)]
pub(super) enum Handed {
    Publishes(Vec<Slot>),
    Releases(Vec<Release>),
}

/// What came back.
#[derive(Debug)]
pub(super) enum Outcome {
    Settlements(Vec<Settlement>),
    Released(bool),
}

/// The handler's part.
pub(super) enum Work {
    Publish(BoxFuture<'static, Vec<Settlement>>),
    Release(BoxFuture<'static, bool>),
    /// Nothing for the handler in it; it only waits for its turn. `Some`: the outcome.
    Turn(Option<Outcome>),
}

impl Future for Work {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.get_mut() {
            Self::Publish(future) => future.as_mut().poll(cx).map(Outcome::Settlements),
            Self::Release(future) => future.as_mut().poll(cx).map(Outcome::Released),
            Self::Turn(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

struct Entry {
    handed: Handed,
    /// Free again when the outcome is taken.
    room: Room,
}

#[derive(Default)]
pub(super) struct Flow {
    entries: VecDeque<Entry>,
    work: FuturesOrdered<Work>,
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
    pub(super) fn push(&mut self, handed: Handed, room: Room, work: Work) {
        self.pending_bytes += room.bytes();
        self.entries.push_back(Entry { handed, room });
        self.work.push_back(work);
    }

    /// Takes everything whose turn has come; pending if that is nothing.
    pub(super) fn poll_settled(
        &mut self,
        cx: &mut Context<'_>,
        settled: &mut Vec<(Handed, Outcome)>,
    ) -> Poll<()> {
        while let Poll::Ready(Some(outcome)) = self.work.poll_next_unpin(cx) {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.pending_bytes = self.pending_bytes.saturating_sub(entry.room.bytes());
            settled.push((entry.handed, outcome));
        }
        if settled.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Waits for everything whose turn comes next.
    pub(super) async fn settled(&mut self) -> Vec<(Handed, Outcome)> {
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
            flow.push(
                Handed::Releases(Vec::new()),
                room(&budget, 10),
                Work::Release(Box::pin(future)),
            );
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
            .map(|(_, outcome)| matches!(outcome, Outcome::Released(true)))
            .collect();
        assert_eq!(order, [true, true, false]);
        assert_eq!((budget.used(), flow.is_empty()), (0, true));
    }

    #[test]
    fn m10_a_dropped_flow_gives_its_bytes_back() {
        let budget = Arc::new(Budget::new(1000));
        let mut flow = Flow::default();
        flow.push(
            Handed::Publishes(Vec::new()),
            room(&budget, 500),
            Work::Turn(None),
        );
        assert_eq!(budget.used(), 500);
        drop(flow);
        assert_eq!(budget.used(), 0);
    }
}
