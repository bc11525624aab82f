//! Receipts and configuration out to those who subscribed.
//!
//! Everything sent here is repeated and cumulative, so a subscriber that does not keep up loses the oldest and
//! catches up with the newest; the publisher is never held up. Subscriptions live as long as their connection.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::stats::{Counters, add};

/// Sends QoS 0 messages to the subscribers of a listener. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Arc<Hub>,
}

impl Publisher {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Queues a message for every connection that subscribed to exactly this topic, and says how many there are.
    /// Never waits: a full queue loses its oldest message, which is counted.
    pub fn send(&self, topic: &str, payload: impl Into<Bytes>) -> usize {
        self.hub.send(topic, &payload.into())
    }
}

/// Who subscribed to what.
#[derive(Debug)]
pub(crate) struct Hub {
    topics: RwLock<HashMap<Arc<str>, Vec<Arc<Outbox>>>>,
    counters: Arc<Counters>,
}

impl Hub {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            topics: RwLock::default(),
            counters,
        }
    }

    /// Adds a subscription; adding it again changes nothing.
    pub(crate) fn subscribe(&self, topic: &str, outbox: &Arc<Outbox>) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let outboxes = match topics.get_mut(topic) {
            Some(outboxes) => outboxes,
            None => topics.entry(topic.into()).or_default(),
        };
        if !outboxes.iter().any(|other| Arc::ptr_eq(other, outbox)) {
            outboxes.push(Arc::clone(outbox));
        }
    }

    /// Takes a subscription away.
    pub(crate) fn unsubscribe(&self, topic: &str, outbox: &Arc<Outbox>) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(outboxes) = topics.get_mut(topic) {
            outboxes.retain(|other| !Arc::ptr_eq(other, outbox));
            if outboxes.is_empty() {
                topics.remove(topic);
            }
        }
    }

    fn send(&self, topic: &str, payload: &Bytes) -> usize {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let Some((topic, outboxes)) = topics.get_key_value(topic) else {
            return 0;
        };
        for outbox in outboxes {
            let dropped = outbox.push(Arc::clone(topic), payload.clone());
            add(&self.counters.dropped, dropped);
        }
        add(&self.counters.sent, outboxes.len() as u64);
        outboxes.len()
    }

    #[cfg(test)]
    fn topics(&self) -> usize {
        self.topics.read().unwrap().len()
    }
}

/// A message to a subscriber.
pub(crate) type Outgoing = (Arc<str>, Bytes);

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Outgoing>,
    bytes: usize,
}

/// The queue of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    messages_max: usize,
    bytes_max: usize,
}

impl Outbox {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Notify::new(),
            messages_max,
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message and says how many older ones had to go. The newest always stays.
    fn push(&self, topic: Arc<str>, payload: Bytes) -> u64 {
        let mut dropped = 0;
        let mut queue = self.lock();
        queue.bytes += topic.len() + payload.len();
        queue.messages.push_back((topic, payload));
        while queue.messages.len() > 1
            && (queue.messages.len() > self.messages_max || queue.bytes > self.bytes_max)
        {
            dropped += u64::from(queue.pop().is_some());
        }
        drop(queue);
        self.filled.notify_one();
        dropped
    }

    /// The oldest message.
    pub(crate) fn pop(&self) -> Option<Outgoing> {
        self.lock().pop()
    }

    /// Waits until there is a message. For one waiter.
    pub(crate) async fn filled(&self) {
        while self.lock().messages.is_empty() {
            self.filled.notified().await;
        }
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Outgoing> {
        let (topic, payload) = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(topic.len() + payload.len());
        Some((topic, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> (Publisher, Arc<Hub>, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let hub = Arc::new(Hub::new(Arc::clone(&counters)));
        (Publisher::new(Arc::clone(&hub)), hub, counters)
    }

    #[test]
    fn m26_a_full_queue_loses_the_oldest_and_counts_it() {
        let (publisher, hub, counters) = hub();
        let outbox = Arc::new(Outbox::new(2, 1024));
        hub.subscribe("a", &outbox);
        hub.subscribe("a", &outbox);
        assert_eq!(publisher.send("b", "0"), 0);
        for payload in ["1", "2", "3"] {
            assert_eq!(publisher.send("a", payload), 1);
        }
        let left: Vec<_> = std::iter::from_fn(|| outbox.pop())
            .map(|(_, payload)| payload)
            .collect();
        assert_eq!(left, ["2", "3"]);
        assert_eq!(counters.snapshot(0).dropped, 1);
    }

    #[test]
    fn m26_a_queue_is_bounded_in_bytes_too() {
        let (publisher, hub, counters) = hub();
        let outbox = Arc::new(Outbox::new(100, 10));
        hub.subscribe("a", &outbox);
        publisher.send("a", "12345678");
        publisher.send("a", "a message that alone is above the bound");
        assert_eq!(outbox.lock().messages.len(), 1, "the newest stays");
        assert_eq!(counters.snapshot(0).dropped, 1);
        outbox.pop();
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn m26_a_subscription_that_is_gone_leaves_nothing_behind() {
        let (publisher, hub, _) = hub();
        let outbox = Arc::new(Outbox::new(2, 1024));
        hub.subscribe("a", &outbox);
        hub.unsubscribe("a", &outbox);
        assert_eq!(publisher.send("a", "1"), 0);
        assert_eq!(hub.topics(), 0);
    }
}
