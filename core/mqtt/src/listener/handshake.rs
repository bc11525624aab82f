//! From an accepted stream to the CONNACK, all within the connect timeout.
//!
//! The handler is asked about a client only after everything of its earlier connection is settled. Somebody unknown gets
//! little memory: a CONNECT that is not small waits for room like any other large packet.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::BytesMut;
use tokio::time::timeout;

use super::Shared;
use super::budget::{Budget, Room};
use super::connection::Connection;
use super::ending::farewell;
use super::serving::Serving;
use super::sessions::LiveSession;
use super::timing::Timing;
use crate::io::Io;
use crate::limits::UNGRANTED_CONNECT_BYTES_MAX;
use crate::stream::{Peer, Stream};
use crate::wire::{
    Connect, ConnectAck, ConnectReply, Frame, Inbound, Refused, Will, parse_connect, put_connack,
    put_connack_refusal,
};
use crate::{Client, CloseReason, ConnectRefusal, Protocol, Session};

/// How far a handshake came, to name what it waited for when its time ran out.
#[derive(Clone, Copy)]
enum Phase {
    Connect,
    Predecessor(Protocol),
    Handler(Protocol),
}

/// A client that was welcomed.
struct Established {
    serving: Serving,
    timing: Timing,
    session: LiveSession,
    will: Option<Will>,
}

/// Serves one stream from beginning to end.
pub(super) async fn serve(stream: Stream, peer: Peer, shared: Arc<Shared>) {
    let limits = &shared.limits;
    let connect_bytes_max = limits.connect_bytes_max.min(limits.packet_bytes_max);
    let mut io = Io::new(
        stream,
        Inbound::new(BytesMut::new(), connect_bytes_max, false),
    );
    let mut phase = Phase::Connect;
    let negotiated = tokio::select! {
        biased;
        () = shared.stopping.cancelled() => Err(Refused::from(CloseReason::ShuttingDown)),
        negotiated = timeout(limits.connect_timeout, negotiate(&mut io, &peer, &shared, &mut phase)) => {
            negotiated.unwrap_or_else(|_| Err(timed_out(phase)))
        }
    };
    match negotiated {
        Ok(Established {
            serving,
            timing,
            session,
            will,
        }) => {
            let connection = Connection {
                shared,
                io,
                serving,
                timing,
                session,
                will,
            };
            Box::pin(connection.run()).await;
        }
        Err(refused) => refuse(io, &peer, &shared, refused).await,
    }
}

async fn refuse(mut io: Io, peer: &Peer, shared: &Shared, refused: Refused) {
    shared.counters.closed(refused.reason);
    tracing::debug!(%peer, reason = refused.reason.as_str(), "mqtt: connection refused");
    // A CONNACK that has begun to leave cannot be taken back.
    if let Some(reply) = refused.reply.filter(|_| io.is_sent()) {
        put_connack_refusal(&mut io.out, reply);
    }
    let gone = matches!(
        refused.reason,
        CloseReason::ConnectionLost | CloseReason::ConnectTimeout
    );
    farewell(io, !gone).await;
}

/// The answer that a CONNECT gets for a refusal, in the words of its protocol.
fn reply(protocol: Protocol, refusal: ConnectRefusal) -> ConnectReply {
    let (v3, v5) = match refusal {
        ConnectRefusal::NotAuthorized => (5, 0x87),
        ConnectRefusal::BadCredentials => (4, 0x86),
        ConnectRefusal::ClientIdInvalid => (2, 0x85),
        ConnectRefusal::Busy => (3, 0x89),
        ConnectRefusal::Unavailable => (3, 0x88),
    };
    if protocol == Protocol::V5 {
        ConnectReply::V5(v5)
    } else {
        ConnectReply::V3(v3)
    }
}

fn timed_out(phase: Phase) -> Refused {
    match phase {
        Phase::Connect => Refused::from(CloseReason::ConnectTimeout),
        Phase::Predecessor(protocol) => Refused {
            reason: CloseReason::PredecessorUnsettled,
            reply: Some(reply(protocol, ConnectRefusal::Busy)),
        },
        Phase::Handler(protocol) => Refused {
            reason: CloseReason::ConnectTimeout,
            reply: Some(reply(protocol, ConnectRefusal::Unavailable)),
        },
    }
}

async fn negotiate(
    io: &mut Io,
    peer: &Peer,
    shared: &Arc<Shared>,
    phase: &mut Phase,
) -> Result<Established, Refused> {
    let connect = read_connect(io, shared).await?;
    let protocol = connect.protocol;
    let refuse = |reason, refusal| Refused {
        reason,
        reply: Some(reply(protocol, refusal)),
    };
    if connect.client_id.len() > shared.limits.client_id_bytes_max {
        let refusal = ConnectRefusal::ClientIdInvalid;
        return Err(refuse(CloseReason::ClientIdRejected, refusal));
    }
    let client = client(&connect, peer, shared);
    *phase = Phase::Predecessor(protocol);
    let live = take_over(shared, &client).await?;
    *phase = Phase::Handler(protocol);
    let known = shared.handler.connect(&client).await;
    let known = known.map_err(|refusal| refuse(CloseReason::ConnectRefused, refusal))?;
    let known = Some(known)
        .filter(|_| !client.clean_start)
        .unwrap_or_default();
    greet(io, shared, &connect, &client, &known).await?;
    io.inbound
        .established(shared.limits.packet_bytes_max, protocol == Protocol::V5);
    let keep_alive_s = shared.limits.keep_alive_s(connect.keep_alive_s);
    Ok(Established {
        serving: Serving::new(
            Arc::clone(shared),
            client,
            &known,
            connect.session_expiry_s == 0,
            connect.packet_bytes_max(),
        ),
        timing: Timing::new(keep_alive_s, &shared.limits),
        session: live,
        will: connect.will,
    })
}

async fn read_connect(io: &mut Io, shared: &Shared) -> Result<Connect, Refused> {
    // The room is held until the packet is read and dropped.
    let (frame, _room) = first_frame(io, &shared.budget).await?;
    parse_connect(&frame, shared.limits.topic_bytes_max)
}

/// Reads the first packet, which has to be a CONNECT.
async fn first_frame(io: &mut Io, budget: &Budget) -> Result<(Frame, Room), CloseReason> {
    let mut room = Room::default();
    loop {
        if io.inbound.first_byte().is_some_and(|first| first >> 4 != 1) {
            return Err(CloseReason::NotConnect);
        }
        if let Some(front) = io.inbound.front()? {
            if let Some(frame) = io.inbound.take(front) {
                return Ok((frame, room));
            }
            if front.total > UNGRANTED_CONNECT_BYTES_MAX && room.bytes() == 0 {
                room = budget.take(front.total).await;
            }
        }
        io.receive()
            .await
            .map_err(|_| CloseReason::ConnectionLost)?;
    }
}

fn client(connect: &Connect, peer: &Peer, shared: &Shared) -> Client {
    let id: Arc<str> = if connect.client_id.is_empty() {
        let number = shared.assigned.fetch_add(1, Relaxed);
        format!("auto-{:016x}-{number}", shared.assigned_prefix).into()
    } else {
        connect.client_id.as_str().into()
    };
    Client {
        id,
        peer: peer.clone(),
        username: connect.username.clone(),
        protocol: connect.protocol,
        clean_start: connect.clean_start,
    }
}

/// Takes the client's session over and waits until its earlier connections are settled.
async fn take_over(shared: &Shared, client: &Client) -> Result<LiveSession, CloseReason> {
    let (session, predecessors) = shared.sessions.take_over(&client.id);
    for settled in predecessors {
        tokio::select! {
            () = settled.cancelled() => {}
            () = session.taken_over.cancelled() => return Err(CloseReason::TakenOver),
        }
    }
    Ok(session)
}

/// Sends the CONNACK of success.
async fn greet(
    io: &mut Io,
    shared: &Shared,
    connect: &Connect,
    client: &Client,
    session: &Session,
) -> Result<(), CloseReason> {
    let keep_alive_s = shared.limits.keep_alive_s(connect.keep_alive_s);
    let ack = ConnectAck {
        v5: client.protocol == Protocol::V5,
        // MQTT 3.1 has no such flag; its byte is reserved.
        session_present: session.present && client.protocol != Protocol::V31,
        assigned: connect.client_id.is_empty().then_some(&*client.id),
        keep_alive_s: (keep_alive_s != connect.keep_alive_s).then_some(keep_alive_s),
    };
    let mut packet = BytesMut::new();
    put_connack(&mut packet, &ack, &shared.limits);
    if packet.len() > connect.packet_bytes_max() {
        return Err(CloseReason::ConnectRefused);
    }
    io.out.unsplit(packet);
    io.send_all().await.map_err(|_| CloseReason::ConnectionLost)
}
