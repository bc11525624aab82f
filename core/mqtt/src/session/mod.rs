//! The state of one MQTT connection: windows, QoS 2 identifiers, topic aliases.
//!
//! Pure: packets and settlements go in, what to hand over and what to answer comes out. It keeps true that
//! a QoS 2 identifier is handed over once between PUBLISH and PUBCOMP, that no answer exists for a message whose
//! settlement has not come, and that a client has never more unanswered messages than it was granted.

mod topics;

use std::collections::HashMap;

use bytes::Bytes;

use crate::wire::{Ack, PublishFrame};
use crate::{CloseReason, Limits, Protocol, Publish, Qos, Refusal, Settlement};
use topics::{Resolved, Topics};

/// How a PUBLISH is going to be answered once it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// QoS 0.
    Nothing,
    /// PUBACK.
    Ack(u16),
    /// PUBREC.
    Rec(u16),
    /// PUBREC again for an identifier that is held already.
    RecAgain(u16),
}

/// The place of one message in the order of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) answer: Answer,
    /// Decided here; `None`: the handler decides.
    pub(crate) local: Option<Settlement>,
}

/// What follows from a PUBLISH.
#[derive(Debug)]
pub(crate) enum Step {
    /// Hand it over, answer when settled.
    HandOver(Slot, Publish),
    /// Answer in its turn without handing it over.
    Answer(Slot),
    /// The answer of an earlier copy, still to come, is the answer to this one too.
    Nothing,
}

/// What follows from a PUBREL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// Ask the handler to forget it, then PUBCOMP.
    Forget(u16),
    /// PUBCOMP in its turn: there is nothing to forget.
    Unknown(u16),
    /// It is being forgotten already.
    Nothing,
}

/// An acknowledgement to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) kind: Ack,
    pub(crate) packet_id: u16,
    pub(crate) code: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// With the handler.
    Pending,
    /// Settled; PUBREC was sent.
    Held,
    /// PUBREL came; the handler forgets.
    Releasing,
}

#[derive(Debug, Clone, Copy)]
struct Exactly {
    stage: Stage,
    /// It takes a place in the window that was granted on this connection.
    counted: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    v5: bool,
    receive_max: u16,
    topics: Topics,
    exactly: HashMap<u16, Exactly>,
    /// Places taken in the window of MQTT 5: until PUBACK, PUBCOMP or a refusing PUBREC.
    window: u16,
    /// Messages of QoS 1 and 2 that the handler has.
    unsettled: u16,
}

impl State {
    /// `unreleased` are the QoS 2 identifiers that the handler still holds for this client.
    pub(crate) fn new(protocol: Protocol, limits: &Limits, unreleased: &[u16]) -> Self {
        let held = Exactly {
            stage: Stage::Held,
            counted: false,
        };
        let alias_max = if protocol == Protocol::V5 {
            limits.topic_alias_max
        } else {
            0
        };
        Self {
            v5: protocol == Protocol::V5,
            receive_max: limits.receive_max,
            topics: Topics::new(limits.topic_bytes_max, alias_max),
            exactly: unreleased
                .iter()
                .filter(|id| **id != 0)
                .map(|id| (*id, held))
                .collect(),
            window: 0,
            unsettled: 0,
        }
    }

    /// MQTT 3.x knows no receive maximum; there reading waits instead.
    pub(crate) fn may_read(&self) -> bool {
        self.v5 || self.unsettled < self.receive_max
    }

    /// A PUBLISH came.
    pub(crate) fn publish(
        &mut self,
        frame: &PublishFrame<'_>,
        bytes: Bytes,
    ) -> Result<Step, CloseReason> {
        let topic = self.topics.resolve(frame.topic, frame.alias)?;
        let answer = match (frame.qos, frame.packet_id) {
            (Qos::AtMostOnce, _) | (_, None) => Answer::Nothing,
            (Qos::AtLeastOnce, Some(id)) => {
                self.take_place()?;
                Answer::Ack(id)
            }
            (Qos::ExactlyOnce, Some(id)) => match self.exactly.get(&id).copied() {
                Some(Exactly {
                    stage: Stage::Pending,
                    ..
                }) => return Ok(Step::Nothing),
                Some(held) => return self.again(id, held),
                None => {
                    self.take_place()?;
                    self.exactly.insert(
                        id,
                        Exactly {
                            stage: Stage::Pending,
                            counted: true,
                        },
                    );
                    Answer::Rec(id)
                }
            },
        };
        if answer != Answer::Nothing {
            self.unsettled = self.unsettled.saturating_add(1);
        }
        let Resolved::Known(topic) = topic else {
            return Ok(Step::Answer(Slot {
                answer,
                local: Some(Settlement::Refused(Refusal::TopicInvalid)),
            }));
        };
        let publish = Publish {
            topic,
            payload: PublishFrame::payload_of(frame.payload_start(), bytes),
            qos: frame.qos,
            retain: frame.retain,
            dup: frame.dup,
            packet_id: frame.packet_id,
            will: false,
        };
        Ok(Step::HandOver(
            Slot {
                answer,
                local: None,
            },
            publish,
        ))
    }

    fn again(&mut self, id: u16, held: Exactly) -> Result<Step, CloseReason> {
        if !held.counted {
            self.take_place()?;
            self.exactly.insert(
                id,
                Exactly {
                    counted: true,
                    ..held
                },
            );
        }
        self.unsettled = self.unsettled.saturating_add(1);
        Ok(Step::Answer(Slot {
            answer: Answer::RecAgain(id),
            local: Some(Settlement::Accepted),
        }))
    }

    fn take_place(&mut self) -> Result<(), CloseReason> {
        if self.v5 && self.window >= self.receive_max {
            return Err(CloseReason::ReceiveMaximumExceeded);
        }
        self.window = self.window.saturating_add(1);
        Ok(())
    }

    fn leave_place(&mut self, counted: bool) {
        if counted {
            self.window = self.window.saturating_sub(1);
        }
    }

    /// A PUBREL came.
    pub(crate) fn release(&mut self, id: u16) -> Result<Release, CloseReason> {
        match self.exactly.get_mut(&id) {
            None => Ok(Release::Unknown(id)),
            // There was no PUBREC to answer with PUBREL.
            Some(Exactly {
                stage: Stage::Pending,
                ..
            }) => Err(CloseReason::ProtocolError),
            Some(Exactly {
                stage: Stage::Releasing,
                ..
            }) => Ok(Release::Nothing),
            Some(held) => {
                held.stage = Stage::Releasing;
                Ok(Release::Forget(id))
            }
        }
    }

    /// The handler has forgotten an identifier.
    pub(crate) fn released(&mut self, id: u16) -> Reply {
        let counted = self.exactly.remove(&id).is_some_and(|held| held.counted);
        self.leave_place(counted);
        Reply {
            kind: Ack::Pubcomp,
            packet_id: id,
            code: 0,
        }
    }

    /// The answer to a PUBREL of an unknown identifier: MQTT 3.x has one answer only.
    pub(crate) fn unknown_release(&self, id: u16) -> Reply {
        Reply {
            kind: Ack::Pubcomp,
            packet_id: id,
            code: if self.v5 { 0x92 } else { 0 },
        }
    }

    /// A message is settled. An error means that the connection has to end, because MQTT 3.x cannot say no.
    pub(crate) fn settled(
        &mut self,
        answer: Answer,
        settlement: Settlement,
    ) -> Result<Option<Reply>, CloseReason> {
        let (kind, packet_id) = match answer {
            Answer::Nothing => return Ok(None),
            Answer::Ack(id) => (Ack::Puback, id),
            Answer::Rec(id) | Answer::RecAgain(id) => (Ack::Pubrec, id),
        };
        self.unsettled = self.unsettled.saturating_sub(1);
        match (answer, settlement) {
            (Answer::Ack(_), _) => self.leave_place(true),
            (Answer::Rec(id), Settlement::Accepted) => {
                if let Some(exactly) = self.exactly.get_mut(&id) {
                    exactly.stage = Stage::Held;
                }
            }
            (Answer::Rec(id), Settlement::Refused(_)) => {
                let counted = self.exactly.remove(&id).is_some_and(|held| held.counted);
                self.leave_place(counted);
            }
            (Answer::RecAgain(_) | Answer::Nothing, _) => {}
        }
        match settlement {
            Settlement::Accepted => Ok(Some(Reply {
                kind,
                packet_id,
                code: 0,
            })),
            Settlement::Refused(refusal) if self.v5 => Ok(Some(Reply {
                kind,
                packet_id,
                code: code(refusal),
            })),
            Settlement::Refused(_) => Err(CloseReason::MessageRefused),
        }
    }
}

/// The reason code of a PUBACK or PUBREC that refuses.
fn code(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::NotAuthorized => 0x87,
        Refusal::QuotaExceeded => 0x97,
        Refusal::TopicInvalid => 0x90,
        Refusal::PayloadInvalid => 0x99,
        Refusal::Busy => 0x83,
        Refusal::Unavailable => 0x80,
    }
}

#[cfg(test)]
mod tests;
