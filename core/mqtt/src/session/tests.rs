//! The state machine against its rules, and against a slow, obvious model under random input.
//!
//! The rules stand one by one (M13, M14, M16); the model plays a whole conversation and knows nothing of windows or slots,
//! only which identifiers are held and what was answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::wire::{Inbound, parse_publish};

fn limits(receive_max: u16) -> Limits {
    Limits {
        receive_max,
        ..Limits::default()
    }
}

fn publish(state: &mut State, qos: u8, id: u16) -> Result<Step, CloseReason> {
    let mut bytes = vec![0x30 | (qos << 1), 0, 0, 1, b't'];
    if qos > 0 {
        bytes.extend_from_slice(&id.to_be_bytes());
    }
    if state.v5 {
        bytes.push(0);
    }
    bytes.push(b'x');
    bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
    let frame = Inbound::new(BytesMut::from(bytes.as_slice()), 1024, state.v5)
        .next_frame()
        .unwrap()
        .unwrap();
    let parsed = parse_publish(&frame, state.v5).unwrap();
    state.publish(&parsed, frame.bytes.clone())
}

fn slot(step: Result<Step, CloseReason>) -> Slot {
    match step.unwrap() {
        Step::HandOver(slot, _) | Step::Answer(slot) => slot,
        Step::Nothing => panic!("no slot"),
    }
}

#[test]
fn m13_a_held_identifier_is_answered_again_and_not_handed_over() {
    let mut state = State::new(Protocol::V311, &limits(10), &[]);
    let first = slot(publish(&mut state, 2, 5));
    assert!(
        matches!(publish(&mut state, 2, 5), Ok(Step::Nothing)),
        "still with the handler"
    );
    assert_eq!(
        state.release(5),
        Err(CloseReason::ProtocolError),
        "no PUBREC was sent"
    );
    let reply = state
        .settled(first.answer, Settlement::Accepted)
        .unwrap()
        .unwrap();
    assert_eq!(
        reply,
        Reply {
            kind: Ack::Pubrec,
            packet_id: 5,
            code: 0
        }
    );
    let again = publish(&mut state, 2, 5).unwrap();
    assert!(matches!(
        again,
        Step::Answer(Slot {
            answer: Answer::RecAgain(5),
            local: Some(Settlement::Accepted)
        })
    ));
    assert_eq!(state.release(5), Ok(Release::Forget(5)));
    assert_eq!(state.release(5), Ok(Release::Nothing));
    assert_eq!(
        state.released(5),
        Reply {
            kind: Ack::Pubcomp,
            packet_id: 5,
            code: 0
        }
    );
    assert!(
        matches!(publish(&mut state, 2, 5), Ok(Step::HandOver(..))),
        "a new message"
    );
}

#[test]
fn m14_unknown_releases() {
    let mut state = State::new(Protocol::V5, &limits(10), &[]);
    assert_eq!(state.release(9), Ok(Release::Unknown(9)));
    assert_eq!(state.unknown_release(9).code, 0x92);
    assert_eq!(
        State::new(Protocol::V311, &limits(10), &[])
            .unknown_release(9)
            .code,
        0
    );
}

#[test]
fn m15_identifiers_from_an_earlier_connection_are_known() {
    let mut state = State::new(Protocol::V5, &limits(1), &[7, 8, 0]);
    assert!(matches!(publish(&mut state, 2, 7), Ok(Step::Answer(_))));
    assert_eq!(
        publish(&mut state, 2, 8).unwrap_err(),
        CloseReason::ReceiveMaximumExceeded
    );
    assert_eq!(state.release(7), Ok(Release::Forget(7)));
    state.released(7);
    assert!(
        matches!(publish(&mut state, 1, 1), Ok(Step::HandOver(..))),
        "the place is free again"
    );
}

#[test]
fn m16_more_than_the_receive_maximum_ends_the_connection() {
    let mut state = State::new(Protocol::V5, &limits(2), &[]);
    let one = slot(publish(&mut state, 1, 1));
    slot(publish(&mut state, 2, 2));
    assert_eq!(
        publish(&mut state, 1, 3).unwrap_err(),
        CloseReason::ReceiveMaximumExceeded
    );
    assert!(publish(&mut state, 0, 0).is_ok(), "QoS 0 takes no place");
    state.settled(one.answer, Settlement::Accepted).unwrap();
    assert!(publish(&mut state, 1, 3).is_ok());
}

#[test]
fn m16_mqtt_3_waits_instead() {
    let mut state = State::new(Protocol::V311, &limits(2), &[]);
    let one = slot(publish(&mut state, 2, 1));
    assert!(state.may_read());
    slot(publish(&mut state, 1, 2));
    assert!(!state.may_read());
    state.settled(one.answer, Settlement::Accepted).unwrap();
    assert!(
        state.may_read(),
        "an unreleased identifier must not stop the PUBREL from being read"
    );
}

#[test]
fn m12_refusals() {
    let mut five = State::new(Protocol::V5, &limits(10), &[]);
    for (refusal, expected) in [
        (Refusal::NotAuthorized, 0x87),
        (Refusal::QuotaExceeded, 0x97),
        (Refusal::TopicInvalid, 0x90),
        (Refusal::PayloadInvalid, 0x99),
        (Refusal::Busy, 0x83),
        (Refusal::Unavailable, 0x80),
    ] {
        for qos in [1, 2] {
            let slot = slot(publish(&mut five, qos, 3));
            let reply = five
                .settled(slot.answer, Settlement::Refused(refusal))
                .unwrap()
                .unwrap();
            assert_eq!(reply.code, expected);
        }
    }
    assert_eq!(five.window, 0);
    let mut three = State::new(Protocol::V31, &limits(10), &[]);
    let slot = slot(publish(&mut three, 1, 3));
    let settlement = Settlement::Refused(Refusal::Busy);
    assert_eq!(
        three.settled(slot.answer, settlement),
        Err(CloseReason::MessageRefused)
    );
    assert_eq!(
        three.settled(Answer::Nothing, settlement),
        Ok(None),
        "QoS 0 has no answer"
    );
}

#[derive(Debug, Clone)]
enum Input {
    Publish { qos: u8, id: u16 },
    Release { id: u16 },
    Settle { accept: bool },
    Released,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => (0u8..3, 1u16..6).prop_map(|(qos, id)| Input::Publish { qos, id }),
        2 => (1u16..6).prop_map(|id| Input::Release { id }),
        4 => any::<bool>().prop_map(|accept| Input::Settle { accept }),
        2 => Just(Input::Released),
    ]
}

/// What a client and a handler together would know.
#[derive(Default)]
struct Model {
    waiting: VecDeque<Answer>,
    releasing: VecDeque<u16>,
    held: BTreeSet<u16>,
    /// How often each QoS 2 identifier was handed over since it was last free.
    handed: BTreeMap<u16, u32>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn m13_exactly_once_between_publish_and_pubcomp(
        v5 in any::<bool>(),
        receive_max in 1u16..5,
        inputs in prop::collection::vec(input(), 1..80),
    ) {
        let protocol = if v5 { Protocol::V5 } else { Protocol::V311 };
        let mut state = State::new(protocol, &limits(receive_max), &[]);
        let mut model = Model::default();
        for input in inputs {
            match input {
                Input::Publish { .. } if !state.may_read() => {}
                Input::Publish { qos, id } => match publish(&mut state, qos, id) {
                    Ok(Step::HandOver(slot, message)) => {
                        if message.qos == Qos::ExactlyOnce {
                            let count = model.handed.entry(id).or_default();
                            *count += 1;
                            prop_assert_eq!(*count, 1, "handed over twice");
                        }
                        model.waiting.push_back(slot.answer);
                    }
                    Ok(Step::Answer(slot)) => {
                        prop_assert!(model.handed.contains_key(&id));
                        model.waiting.push_back(slot.answer);
                    }
                    Ok(Step::Nothing) => prop_assert!(model.waiting.contains(&Answer::Rec(id))),
                    Err(reason) => {
                        prop_assert!(v5);
                        prop_assert_eq!(reason, CloseReason::ReceiveMaximumExceeded);
                        prop_assert_eq!(state.window, receive_max);
                    }
                },
                Input::Release { id } => match state.release(id) {
                    Ok(Release::Forget(id)) => {
                        prop_assert!(model.held.remove(&id));
                        model.releasing.push_back(id);
                    }
                    Ok(Release::Unknown(id)) => prop_assert!(!model.handed.contains_key(&id)),
                    Ok(Release::Nothing) => prop_assert!(model.releasing.contains(&id)),
                    Err(_) => prop_assert!(model.waiting.contains(&Answer::Rec(id))),
                },
                Input::Settle { accept } => {
                    let Some(answer) = model.waiting.pop_front() else { continue };
                    let settlement = match answer {
                        Answer::RecAgain(_) => Settlement::Accepted,
                        _ if accept => Settlement::Accepted,
                        _ => Settlement::Refused(Refusal::Busy),
                    };
                    match (state.settled(answer, settlement), answer, settlement) {
                        (Ok(Some(reply)), Answer::Rec(id), Settlement::Accepted) => {
                            prop_assert_eq!((reply.kind, reply.packet_id), (Ack::Pubrec, id));
                            model.held.insert(id);
                        }
                        (Ok(Some(reply)), Answer::Rec(id), _) => {
                            prop_assert!(reply.code >= 0x80);
                            model.handed.remove(&id);
                        }
                        (Ok(Some(reply)), Answer::Ack(id), _) => prop_assert_eq!((reply.kind, reply.packet_id), (Ack::Puback, id)),
                        (Ok(Some(reply)), Answer::RecAgain(id), _) => prop_assert_eq!((reply.kind, reply.packet_id), (Ack::Pubrec, id)),
                        (Ok(None), answer, _) => prop_assert_eq!(answer, Answer::Nothing),
                        (Ok(Some(_)), Answer::Nothing, _) => prop_assert!(false, "QoS 0 was answered"),
                        (Err(_), _, settlement) => {
                            prop_assert!(!v5 && settlement != Settlement::Accepted);
                            return Ok(());
                        }
                    }
                }
                Input::Released => {
                    let Some(id) = model.releasing.pop_front() else { continue };
                    prop_assert_eq!(state.released(id).packet_id, id);
                    model.handed.remove(&id);
                }
            }
            prop_assert!(!v5 || state.window <= receive_max);
            prop_assert!(v5 || state.unsettled <= receive_max);
            let waiting = model.waiting.iter().filter(|answer| **answer != Answer::Nothing).count();
            prop_assert_eq!(usize::from(state.unsettled), waiting);
            prop_assert_eq!(state.exactly.len(), model.handed.len());
        }
    }
}
