//! What a stranger may say, without sockets, for the fuzz targets: to the listener, and to the client.
//!
//! `connection` is the packet path of one connection: every message is settled at once, every second one refused, so that
//! all answers are taken. `client` is an uplink against a broker that says whatever it likes, in pieces of any size.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex, sink};

use crate::client::{ClientError, ClientEvent, Login, MqttClient, Will};
use crate::limits::{CLIENT_UNSENT_BYTES_MAX, READ_BYTES_MAX};
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

/// A client that logs in, subscribes, publishes, and hears everything that a broker might send. Returns how many events it
/// heard, and why it ended: it always does, because the broker's bytes do.
pub async fn client(bytes: &[u8]) -> (usize, ClientError) {
    // The first byte says in which pieces the bytes come, and whether the broker takes any.
    let (script, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (near, far) = duplex(1 + usize::from(script & 0x7f));
    let mut events = 0;
    let login = async {
        let Err(error) = uplink(near, &mut events).await;
        error
    };
    let (error, ()) = tokio::join!(login, broker(far, bytes, script & 0x80 == 0));
    (events, error)
}

async fn broker(far: DuplexStream, bytes: &[u8], takes: bool) {
    let (mut from_client, mut to_client) = tokio::io::split(far);
    let say = async {
        // The client may have had enough of it.
        to_client.write_all(bytes).await.ok();
        to_client.shutdown().await.ok();
    };
    let mut nowhere = sink();
    let take = async {
        if takes {
            tokio::io::copy(&mut from_client, &mut nowhere).await.ok();
        }
    };
    tokio::join!(say, take);
}

async fn uplink(
    near: DuplexStream,
    events: &mut usize,
) -> Result<std::convert::Infallible, ClientError> {
    let login = Login {
        client_id: "site.gw-1".to_owned(),
        credentials: None,
        keep_alive: Duration::from_secs(3_600),
        will: Some(Will {
            topic: "status".to_owned(),
            payload: b"gone".to_vec(),
            retain: true,
        }),
        packet_bytes_max: 4 * 1024,
    };
    let mut client = MqttClient::login(Box::new(near), &login).await?;
    client.subscribe("receipt").await?;
    loop {
        client.publish("up", b"frame", false)?;
        let event = client.event().await?;
        *events += 1;
        if let ClientEvent::Message { topic, payload } = event {
            assert!(topic.len() + payload.len() <= login.packet_bytes_max);
        }
        let (unread, unsent) = client.kept_bytes();
        assert!(unread <= login.packet_bytes_max + 2 * READ_BYTES_MAX);
        assert!(unsent <= CLIENT_UNSENT_BYTES_MAX + login.packet_bytes_max);
    }
}
