//! What a client subscribed to, and what waits to be sent to it. Subscriptions live as long as their connection.

use std::sync::Arc;

use bytes::BytesMut;

use super::Shared;
use crate::Client;
use crate::hub::Outbox;
use crate::limits::UNSENT_BYTES_MAX;
use crate::stats::add;
use crate::topic::{self, FilterFault};
use crate::wire::{OutgoingPublish, put_publish};

pub(super) struct Subscriber {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    topics: Vec<String>,
    v5: bool,
    /// Largest packet that the client takes.
    packet_bytes_max: usize,
}

impl Subscriber {
    pub(super) fn new(shared: Arc<Shared>, v5: bool, packet_bytes_max: usize) -> Self {
        let limits = &shared.limits;
        let outbox = Outbox::new(limits.outgoing_messages_max, limits.outgoing_bytes_max);
        Self {
            outbox: Arc::new(outbox),
            topics: Vec::new(),
            shared,
            v5,
            packet_bytes_max,
        }
    }

    /// Says the code of the SUBACK. `identifier`: the client wants the subscription numbered.
    pub(super) fn subscribe(&mut self, client: &Client, filter: &str, identifier: bool) -> u8 {
        let limits = &self.shared.limits;
        let known = self.topics.iter().any(|other| other == filter);
        let code = match topic::filter(filter, limits.topic_bytes_max) {
            Err(FilterFault::Invalid) => 0x8f,
            Err(FilterFault::Shared) => 0x9e,
            Err(FilterFault::Wildcard) => 0xa2,
            Ok(()) if identifier => 0xa1,
            Ok(()) if !known && self.topics.len() >= limits.subscriptions_max => 0x97,
            Ok(()) if !self.shared.handler.subscribe(client, filter) => 0x87,
            Ok(()) => {
                self.shared.hub.subscribe(filter, &self.outbox);
                if !known {
                    self.topics.push(filter.to_owned());
                }
                0
            }
        };
        if self.v5 || code == 0 { code } else { 0x80 }
    }

    /// Says the code of the UNSUBACK.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> u8 {
        let Some(index) = self.topics.iter().position(|other| other == filter) else {
            return 0x11;
        };
        self.topics.swap_remove(index);
        self.shared.hub.unsubscribe(filter, &self.outbox);
        0
    }

    /// Nothing more is meant for this client.
    pub(super) fn leave(&mut self) {
        for topic in self.topics.drain(..) {
            self.shared.hub.unsubscribe(&topic, &self.outbox);
        }
    }

    /// Waits until something is there to send.
    pub(super) async fn filled(&self) {
        self.outbox.filled().await;
    }

    /// Encodes what waits, as far as the client keeps up.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        while out.len() < UNSENT_BYTES_MAX {
            let Some((topic, payload)) = self.outbox.pop() else {
                return;
            };
            let publish = OutgoingPublish {
                topic: &topic,
                payload: &payload,
                retain: false,
                packet_id: None,
                v5: self.v5,
            };
            if !put_publish(out, publish, self.packet_bytes_max) {
                add(&self.shared.counters.dropped, 1);
            }
        }
    }
}
