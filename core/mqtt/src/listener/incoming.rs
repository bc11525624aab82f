//! Decodes what was read and hands it over as one batch.
//!
//! Decoding stops at the first bound that is reached, between two packets, so that what the handler has never
//! exceeds a bound by more than one packet. What came before a fault is well-formed and is handed over.

use tokio::time::Instant;

use super::connection::Connection;
use super::flow::{Handed, Outcome, Work};
use crate::limits::{CONNECTION_BATCHES_MAX, MESSAGE_OVERHEAD_BYTES, UNSENT_BYTES_MAX};
use crate::session::{Release, Slot, Step};
use crate::stats::add;
use crate::topic::{self, FilterFault};
use crate::wire::{Control, Frame, Kind, parse_publish, put_pingresp, put_suback, put_unsuback};
use crate::{CloseReason, Publish, Verdict};

/// What was decoded and is not yet handed over.
#[derive(Default)]
struct Batch {
    slots: Vec<Slot>,
    messages: Vec<Publish>,
    charge: usize,
    releases: Vec<Release>,
    received: u64,
}

impl Connection {
    /// May another packet be decoded, beside a batch that costs `charge`?
    pub(super) fn may_decode(&self, charge: usize) -> bool {
        let limits = &self.shared.limits;
        self.state.may_read()
            && self.flow.pending_bytes() + charge < limits.connection_pending_bytes_max
            && self.flow.len() < CONNECTION_BATCHES_MAX
            && self.out.len() < UNSENT_BYTES_MAX
            && self.shared.budget.has_room(charge, self.granted())
    }

    /// Decodes what is there and hands it over.
    pub(super) fn pump(&mut self) -> Result<(), CloseReason> {
        let mut batch = Batch::default();
        let collected = self.collect(&mut batch);
        // What came before a fault was well-formed and is kept.
        self.hand_over(batch);
        let paused = !collected?;
        if self.paused && !paused {
            self.heard = Instant::now();
        } else if paused && !self.paused {
            add(&self.shared.counters.pauses, 1);
        }
        self.paused = paused;
        let wanted = self.inbound.grant_wanted();
        if self.grant.is_none() && wanted > 0 {
            let until = Instant::now() + self.shared.limits.packet_timeout;
            self.grant = self.shared.budget.grant(wanted).map(|grant| (grant, until));
        }
        Ok(())
    }

    /// `false` if a bound stopped it before the buffer was empty.
    fn collect(&mut self, batch: &mut Batch) -> Result<bool, CloseReason> {
        let mut heard = false;
        let done = loop {
            if !self.may_decode(batch.charge) {
                break false;
            }
            let Some(frame) = self.inbound.next_frame()? else {
                break true;
            };
            self.grant = None;
            heard = true;
            if frame.kind == Kind::Publish {
                self.publish(&frame, batch)?;
            } else {
                self.control(&frame, batch)?;
            }
        };
        if heard {
            self.heard = Instant::now();
        }
        Ok(done)
    }

    fn publish(&mut self, frame: &Frame, batch: &mut Batch) -> Result<(), CloseReason> {
        let charge = frame.bytes.len() + MESSAGE_OVERHEAD_BYTES;
        let parsed = parse_publish(frame, self.v5)?;
        let step = self.state.publish(&parsed, frame.bytes.clone())?;
        batch.received += 1;
        match step {
            Step::HandOver(slot, message) => {
                batch.slots.push(slot);
                batch.messages.push(message);
            }
            Step::Answer(slot) => {
                if slot.local == Some(Verdict::Accepted) {
                    add(&self.shared.counters.repeated, 1);
                }
                batch.slots.push(slot);
            }
            Step::Nothing => {
                add(&self.shared.counters.repeated, 1);
                return Ok(());
            }
        }
        batch.charge += charge;
        Ok(())
    }

    fn control(&mut self, frame: &Frame, batch: &mut Batch) -> Result<(), CloseReason> {
        match self.decoder.control(frame)? {
            Control::Release(id) => match self.state.release(id)? {
                Release::Nothing => {}
                release => batch.releases.push(release),
            },
            Control::Subscribe {
                packet_id,
                filters,
                identifier,
            } => {
                let codes: Vec<u8> = filters
                    .iter()
                    .map(|filter| self.subscribe(filter, identifier))
                    .collect();
                put_suback(&mut self.out, packet_id, self.v5, &codes);
            }
            Control::Unsubscribe { packet_id, filters } => {
                let codes: Vec<u8> = filters
                    .iter()
                    .map(|filter| self.unsubscribe(filter))
                    .collect();
                put_unsuback(&mut self.out, packet_id, self.v5, &codes);
            }
            Control::Ping => put_pingresp(&mut self.out),
            Control::Disconnect {
                session_expiry_s: Some(expiry),
                ..
            } if expiry > 0 && self.session_expires => {
                // A session that was to end with the connection cannot be prolonged at its end.
                return Err(CloseReason::ProtocolError);
            }
            Control::Disconnect { code: 0, .. } => return Err(CloseReason::Disconnected),
            Control::Disconnect { .. } => return Err(CloseReason::DisconnectedWithWill),
        }
        Ok(())
    }

    fn subscribe(&mut self, filter: &str, identifier: bool) -> u8 {
        let limits = &self.shared.limits;
        let known = self.subscriptions.iter().any(|other| other == filter);
        let code = match topic::filter(filter, limits.topic_bytes_max) {
            Err(FilterFault::Invalid) => 0x8f,
            Err(FilterFault::Shared) => 0x9e,
            Err(FilterFault::Wildcard) => 0xa2,
            Ok(()) if identifier => 0xa1,
            Ok(()) if !known && self.subscriptions.len() >= limits.subscriptions_max => 0x97,
            Ok(()) if !self.shared.handler.subscribe(&self.client, filter) => 0x87,
            Ok(()) => {
                self.shared.hub.subscribe(filter, &self.outbox);
                if !known {
                    self.subscriptions.push(filter.to_owned());
                }
                0
            }
        };
        if self.v5 || code == 0 { code } else { 0x80 }
    }

    fn unsubscribe(&mut self, filter: &str) -> u8 {
        let Some(index) = self.subscriptions.iter().position(|other| other == filter) else {
            return 0x11;
        };
        self.subscriptions.swap_remove(index);
        self.shared.hub.unsubscribe(filter, &self.outbox);
        0
    }

    fn hand_over(&mut self, batch: Batch) {
        if batch.received > 0 {
            add(&self.shared.counters.received, batch.received);
        }
        if !batch.slots.is_empty() {
            let work = if batch.messages.is_empty() {
                Work::Turn(Some(Outcome::Verdicts(Vec::new())))
            } else {
                Work::Publish(self.shared.handler.publish(&self.client, batch.messages))
            };
            self.flow
                .push(Handed::Publishes(batch.slots), batch.charge, work);
        }
        if !batch.releases.is_empty() {
            let forget = |release: &Release| {
                if let Release::Forget(id) = release {
                    Some(*id)
                } else {
                    None
                }
            };
            let ids: Vec<u16> = batch.releases.iter().filter_map(forget).collect();
            let work = if ids.is_empty() {
                Work::Turn(Some(Outcome::Released(true)))
            } else {
                Work::Release(self.shared.handler.release(&self.client, ids))
            };
            let charge = batch.releases.len() * size_of::<Release>() + MESSAGE_OVERHEAD_BYTES;
            self.flow
                .push(Handed::Releases(batch.releases), charge, work);
        }
    }
}
