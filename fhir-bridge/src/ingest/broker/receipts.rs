//! Receipts on their way to a broker. They are cumulative, so only the newest of each topic waits: the memory is
//! bounded by the number of agents, whatever the broker does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rumqttc::{AsyncClient, QoS};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Receipts {
    newest: Mutex<BTreeMap<String, Bytes>>,
    came: Notify,
}

impl Receipts {
    pub fn put(&self, topic: &str, payload: Bytes) {
        self.newest().insert(topic.to_owned(), payload);
        self.came.notify_one();
    }

    fn newest(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<(String, Bytes)> {
        self.newest().pop_first()
    }

    /// Sends until the client is gone. What it takes with it comes again with the agent's next frame.
    pub(super) async fn send_to(self: Arc<Self>, client: AsyncClient) {
        loop {
            while let Some((topic, payload)) = self.take() {
                if client
                    .publish_bytes(topic, QoS::AtLeastOnce, false, payload)
                    .await
                    .is_err()
                {
                    return;
                }
            }
            self.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i30_only_the_newest_receipt_of_an_agent_waits() {
        let receipts = Receipts::default();
        for n in 0..1000 {
            receipts.put("a", Bytes::from(format!("{n}")));
        }
        receipts.put("b", Bytes::from_static(b"x"));
        assert_eq!(
            receipts.take(),
            Some(("a".to_owned(), Bytes::from_static(b"999")))
        );
        assert_eq!(
            receipts.take(),
            Some(("b".to_owned(), Bytes::from_static(b"x")))
        );
        assert_eq!(receipts.take(), None);
    }
}
