//! Devices over MQTT: each batch of a connection becomes one append to the store, and the answer waits for its commit.
//!
//! Every topic is taken except `$...` (a broker's own) and `wardline/...` (ours): what is not understood today can be
//! mapped tomorrow. QoS 0 is stored as well, but nobody waits for it.

use std::sync::Arc;

use bytes::Bytes;
use wardline_model::limits::TOPIC_BYTES_MAX;
use wardline_model::{Body, Class, Event, Stamp};
use wardline_mqtt::{
    BoxFuture, Client, ConnectRefusal, Handler, Publish, Qos, Refusal, Session, Settlement,
};

use crate::clock::Stamper;
use crate::store::{self, Store};

/// The agent's own topics: a device that writes there would speak in the agent's name.
const OWN_ROOT: &str = "wardline";

pub struct Intake {
    store: Store,
    clock: Stamper,
}

impl Intake {
    pub fn new(store: Store, clock: Stamper) -> Self {
        Self { store, clock }
    }
}

/// May a device publish there?
pub fn topic_refusal(topic: &str) -> Option<Refusal> {
    let own = topic == OWN_ROOT
        || topic
            .strip_prefix(OWN_ROOT)
            .is_some_and(|rest| rest.starts_with('/'));
    if own || topic.starts_with('$') {
        Some(Refusal::NotAuthorized)
    } else if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX {
        Some(Refusal::TopicInvalid)
    } else {
        None
    }
}

fn refusal(why: store::Refusal) -> Refusal {
    match why {
        // A disk that takes nothing is for the device the same as a full one: keep it, send it again later.
        store::Refusal::Full | store::Refusal::Failed => Refusal::QuotaExceeded,
        store::Refusal::Busy => Refusal::Busy,
        store::Refusal::Stopping => Refusal::Unavailable,
    }
}

fn event(publish: &Publish, source: &str, stamp: Stamp) -> Event {
    Event {
        class: Class::of_topic(&publish.topic),
        stamp,
        source: source.to_owned(),
        body: Body::Mqtt {
            topic: publish.topic.to_string(),
            // A copy, so that a small message does not keep a whole read buffer alive.
            payload: Bytes::copy_from_slice(&publish.payload),
            retain: publish.retain,
            will: publish.will,
        },
    }
}

impl Handler for Intake {
    fn connect(&self, client: &Client) -> BoxFuture<'static, Result<Session, ConnectRefusal>> {
        let (store, id, clean) = (
            self.store.clone(),
            Arc::clone(&client.id),
            client.clean_start,
        );
        Box::pin(async move {
            let (reader, name) = (store.clone(), Arc::clone(&id));
            let unreleased = tokio::task::spawn_blocking(move || reader.unreleased(&name))
                .await
                .map_err(|_| ConnectRefusal::Unavailable)?
                .map_err(|error| {
                    tracing::error!(%error, "the session of a device cannot be read");
                    ConnectRefusal::Unavailable
                })?;
            if clean && !unreleased.is_empty() {
                // Forgotten for good before the device may use an identifier again.
                return match store.clear(id).await {
                    Ok(true) => Ok(Session::default()),
                    _ => Err(ConnectRefusal::Unavailable),
                };
            }
            Ok(Session {
                present: !unreleased.is_empty(),
                unreleased,
            })
        })
    }

    fn publish(&self, client: &Client, batch: Vec<Publish>) -> BoxFuture<'static, Vec<Settlement>> {
        let stamp = self.clock.stamp();
        let refusals: Vec<Option<Refusal>> =
            batch.iter().map(|p| topic_refusal(&p.topic)).collect();
        let (mut events, mut ids) = (Vec::with_capacity(batch.len()), Vec::new());
        for (publish, refused) in batch.iter().zip(&refusals) {
            if refused.is_some() {
                continue;
            }
            events.push(event(publish, &client.id, stamp));
            if let (Qos::ExactlyOnce, Some(id)) = (publish.qos, publish.packet_id) {
                ids.push((Arc::clone(&client.id), id));
            }
        }
        drop(batch);
        // Handed over now, not when the future is first polled: the order of the wire is the order of the store.
        let answer = (!events.is_empty()).then(|| self.store.append(events, ids));
        Box::pin(async move {
            let stored = match answer {
                None => Settlement::Accepted,
                Some(answer) => match answer.await {
                    Ok(Ok(())) => Settlement::Accepted,
                    Ok(Err(why)) => Settlement::Refused(refusal(why)),
                    Err(_) => Settlement::Refused(Refusal::Unavailable),
                },
            };
            let settlement = |refused: Option<Refusal>| refused.map_or(stored, Settlement::Refused);
            refusals.into_iter().map(settlement).collect()
        })
    }

    fn release(&self, client: &Client, packet_ids: Vec<u16>) -> BoxFuture<'static, bool> {
        let answer = self.store.release(Arc::clone(&client.id), packet_ids);
        Box::pin(async move { answer.await.unwrap_or(false) })
    }

    /// The agent has nothing to say to devices.
    fn subscribe(&self, _client: &Client, _filter: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_may_not_speak_in_the_agents_name() {
        for topic in [
            "wardline",
            "wardline/v1/s/a/up/live",
            "$SYS/x",
            "$share/g/t",
        ] {
            assert_eq!(
                topic_refusal(topic),
                Some(Refusal::NotAuthorized),
                "{topic}"
            );
        }
        for topic in ["devices/icu/pump/state", "wardlines/x", "a", "/x"] {
            assert_eq!(topic_refusal(topic), None, "{topic}");
        }
        assert_eq!(
            topic_refusal(&"x".repeat(TOPIC_BYTES_MAX + 1)),
            Some(Refusal::TopicInvalid)
        );
    }
}
