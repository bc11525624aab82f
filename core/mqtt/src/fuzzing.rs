//! The packet path of one connection without sockets, for the fuzz target: bytes in, the reason of the end out.
//!
//! Every message is settled at once, every second one refused, so that all answers are taken.

use bytes::BytesMut;

use crate::session::{Release, State, Step};
use crate::wire::{Control, Inbound, Kind, parse_connect, parse_control, parse_publish};
use crate::{CloseReason, Limits, Protocol, Refusal, Settlement};

/// Takes everything that a client might send on one connection. `None`: more bytes could follow.
pub fn connection(bytes: &[u8]) -> Option<CloseReason> {
    run(bytes).err()
}

fn run(bytes: &[u8]) -> Result<(), CloseReason> {
    let limits = Limits::default();
    let buffer = BytesMut::from(bytes);
    let mut inbound = Inbound::new(buffer, limits.packet_bytes_max, true);
    let Some(first) = inbound.next_frame()? else {
        return Ok(());
    };
    if first.kind != Kind::Connect {
        return Err(CloseReason::ProtocolError);
    }
    let connect = parse_connect(&first, limits.topic_bytes_max).map_err(|fault| fault.reason)?;
    let v5 = connect.protocol == Protocol::V5;
    inbound.established(limits.packet_bytes_max, v5);
    let mut state = State::new(connect.protocol, &limits, &[7]);
    let mut settlements = [
        Settlement::Accepted,
        Settlement::Refused(Refusal::QuotaExceeded),
    ]
    .into_iter()
    .cycle();
    while let Some(frame) = inbound.next_frame()? {
        if frame.kind == Kind::Publish {
            let publish = parse_publish(&frame, v5)?;
            let (Step::HandOver(slot, _) | Step::Answer(slot)) =
                state.publish(&publish, frame.bytes.clone())?
            else {
                continue;
            };
            let next = settlements.next().unwrap_or(Settlement::Accepted);
            state.settled(slot.answer, slot.local.unwrap_or(next))?;
            continue;
        }
        match parse_control(&frame, v5)? {
            Control::Release(id) => match state.release(id)? {
                Release::Forget(id) => drop(state.released(id)),
                Release::Unknown(id) => drop(state.unknown_release(id)),
                Release::Nothing => {}
            },
            Control::Disconnect { .. } => return Err(CloseReason::Disconnected),
            Control::Subscribe { .. } | Control::Unsubscribe { .. } | Control::Ping => {}
        }
    }
    Ok(())
}
