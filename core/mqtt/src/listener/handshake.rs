//! From an accepted socket to the CONNACK, all within the connect timeout.
//!
//! Nobody is pushed from a seat before the credentials were found right, and the handler is asked about a client
//! only after everything of its earlier connection is settled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Shared;
use super::connection::{Connection, Established};
use super::ending::linger;
use super::registry::Seated;
use crate::limits::FAREWELL_TIMEOUT_MS;
use crate::wire::{
    Connect, ConnectAck, ConnectReply, Frame, Inbound, parse_connect, put_connack,
    put_connack_refusal,
};
use crate::{Client, CloseReason, ConnectRefusal, Protocol, Session};

/// A connection that is not going to be.
struct Refused {
    reason: CloseReason,
    reply: Option<ConnectReply>,
}

impl From<CloseReason> for Refused {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            reply: None,
        }
    }
}

/// How far a handshake came, to name what it waited for when its time ran out.
#[derive(Clone, Copy)]
enum Phase {
    Connect,
    Predecessor(Protocol),
    Handler(Protocol),
}

/// Serves one socket from beginning to end.
pub(super) async fn serve(mut stream: TcpStream, addr: SocketAddr, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%addr, %error, "mqtt: no TCP_NODELAY");
    }
    let mut phase = Phase::Connect;
    let refused = tokio::select! {
        biased;
        () = shared.stopping.cancelled() => Refused::from(CloseReason::ShuttingDown),
        negotiated = timeout(shared.limits.connect_timeout, negotiate(&mut stream, addr, &shared, &mut phase)) => {
            match negotiated {
                Ok(Ok(established)) => {
                    Box::pin(Connection::new(stream, shared, established).run()).await;
                    return;
                }
                Ok(Err(refused)) => refused,
                Err(_) => timed_out(phase),
            }
        }
    };
    shared.counters.closed(refused.reason);
    tracing::debug!(%addr, reason = refused.reason.as_str(), "mqtt: connection refused");
    if let Some(reply) = refused.reply {
        let mut out = BytesMut::new();
        put_connack_refusal(&mut out, reply);
        let farewell = timeout(
            Duration::from_millis(FAREWELL_TIMEOUT_MS),
            stream.write_all(&out),
        );
        if !matches!(farewell.await, Ok(Ok(()))) {
            return;
        }
    }
    if refused.reason != CloseReason::ConnectionLost
        && refused.reason != CloseReason::ConnectTimeout
    {
        linger(&mut stream).await;
    }
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
    stream: &mut TcpStream,
    addr: SocketAddr,
    shared: &Arc<Shared>,
    phase: &mut Phase,
) -> Result<Established, Refused> {
    let limits = &shared.limits;
    let mut inbound = Inbound::new(
        BytesMut::new(),
        limits.connect_bytes_max.min(limits.packet_bytes_max),
        false,
    );
    let frame = first_frame(stream, &mut inbound).await?;
    let connect = parse_connect(&frame, limits.topic_bytes_max).map_err(|fault| Refused {
        reason: fault.reason,
        reply: fault.reply,
    })?;
    drop(frame);
    let protocol = connect.protocol;
    let refuse = |reason, refusal| Refused {
        reason,
        reply: Some(reply(protocol, refusal)),
    };
    if connect.client_id.len() > limits.client_id_bytes_max {
        return Err(refuse(
            CloseReason::ClientIdRejected,
            ConnectRefusal::ClientIdInvalid,
        ));
    }
    let client = client(&connect, addr, shared);
    if !shared
        .handler
        .authenticate(&client, connect.password.as_deref())
    {
        return Err(refuse(
            CloseReason::ConnectRefused,
            ConnectRefusal::BadCredentials,
        ));
    }
    *phase = Phase::Predecessor(protocol);
    let seated = take_seat(shared, &client).await?;
    *phase = Phase::Handler(protocol);
    let session = shared.handler.connect(&client).await;
    let session = session.map_err(|refusal| refuse(CloseReason::ConnectRefused, refusal))?;
    let session = if client.clean_start {
        Session::default()
    } else {
        session
    };
    greet(stream, shared, &connect, &client, &session).await?;
    Ok(Established {
        inbound: inbound.established(limits.packet_bytes_max, protocol == Protocol::V5),
        keep_alive_s: limits.keep_alive_s(connect.keep_alive_s),
        client_packet_bytes_max: connect
            .packet_bytes_max
            .map_or(usize::MAX, |max| max as usize),
        session_expires: connect.session_expiry_s == 0,
        will: connect.will,
        client,
        session,
        seated,
    })
}

/// Reads the first packet, which has to be a CONNECT.
async fn first_frame(stream: &mut TcpStream, inbound: &mut Inbound) -> Result<Frame, CloseReason> {
    loop {
        if inbound.first_byte().is_some_and(|first| first >> 4 != 1) {
            return Err(CloseReason::NotConnect);
        }
        if let Some(frame) = inbound.next_frame()? {
            return Ok(frame);
        }
        match stream.read_buf(inbound.room()).await {
            Ok(0) | Err(_) => return Err(CloseReason::ConnectionLost),
            Ok(_) => {}
        }
    }
}

fn client(connect: &Connect, addr: SocketAddr, shared: &Shared) -> Client {
    let id: Arc<str> = if connect.client_id.is_empty() {
        let number = shared.assigned.fetch_add(1, Relaxed);
        format!("auto-{:016x}-{number}", shared.assigned_prefix).into()
    } else {
        connect.client_id.as_str().into()
    };
    Client {
        id,
        addr,
        username: connect.username.clone(),
        protocol: connect.protocol,
        clean_start: connect.clean_start,
    }
}

/// Takes the client's seat and waits until those before are settled.
async fn take_seat(shared: &Shared, client: &Client) -> Result<Seated, CloseReason> {
    let (seated, predecessors) = shared.registry.enter(&client.id);
    for gone in predecessors {
        tokio::select! {
            () = gone.cancelled() => {}
            () = seated.go.cancelled() => return Err(CloseReason::TakenOver),
        }
    }
    Ok(seated)
}

/// Sends the CONNACK of success.
async fn greet(
    stream: &mut TcpStream,
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
    let mut out = BytesMut::new();
    put_connack(&mut out, &ack, &shared.limits)?;
    if connect
        .packet_bytes_max
        .is_some_and(|max| out.len() > max as usize)
    {
        return Err(CloseReason::ConnectRefused);
    }
    stream
        .write_all(&out)
        .await
        .map_err(|_| CloseReason::ConnectionLost)
}
