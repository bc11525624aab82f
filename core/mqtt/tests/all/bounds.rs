//! Everything is bounded (P7): packets, pending bytes, connections, waits.
//!
//! Each test drives one bound from the smallest limits that show it, looks at what happens there, and that everything which
//! was taken is given back.

use std::time::{Duration, Instant};

use crate::support::*;
use wardline_mqtt::Limits;

#[tokio::test]
async fn m8_a_packet_above_the_limit_is_refused_before_it_is_buffered() {
    let (listener, _handler) = start(Limits::default()).await;
    for (protocol, codes) in [(Protocol::V5, true), (Protocol::V311, false)] {
        let before = listener.stats().received_bytes;
        let raw = Raw::connected(address(&listener), protocol, "a").await;
        // 256 MiB are announced and a few MiB really sent, as fast as the listener takes them.
        let mut bytes = vec![0x30, 0xff, 0xff, 0xff, 0x7f];
        bytes.resize(8 << 20, 0);
        let (mut reader, mut writer) = tokio::io::split(raw.stream);
        let (reply, _) = tokio::join!(
            async {
                let mut reply = Vec::new();
                tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut reply)
                    .await
                    .ok();
                reply
            },
            async {
                tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes)
                    .await
                    .ok()
            },
        );
        let expected = if codes { goodbye(0x95) } else { Vec::new() };
        assert!(reply.starts_with(&expected), "{reply:02x?}");
        let read = listener.stats().received_bytes - before;
        assert!(read <= 64 * 1024, "{read} bytes were read");
    }
    assert_eq!(closed(&listener, "packet-too-large"), 2);
    listener.shutdown().await;
}

#[tokio::test]
async fn m8_the_largest_packet_passes_and_one_byte_more_does_not() {
    let limits = Limits {
        packet_bytes_max: 100_000,
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    // Fixed header 4, topic 3, identifier 2, properties 1.
    let payload = "x".repeat(100_000 - 10);
    let largest = publish(Protocol::V5, 1, 1, "t", &payload);
    assert_eq!(largest.len(), 100_000);
    raw.send(&largest).await;
    raw.expect(&puback(1)).await;
    assert_eq!(handler.state().messages[0].1.payload.len(), payload.len());
    raw.send_until_closed(&publish(Protocol::V5, 1, 2, "tt", &payload))
        .await;
    raw.expect(&goodbye(0x95)).await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m8_a_connect_has_its_own_smaller_limit() {
    let (listener, _handler) = start(Limits::default()).await;
    let mut raw = Raw::open(address(&listener)).await;
    raw.send_until_closed(&[0x10, 0xff, 0xff, 0x0f]).await;
    raw.expect_closed().await;
    assert_eq!(closed(&listener, "packet-too-large"), 1);
    listener.shutdown().await;
}

#[tokio::test]
async fn m22_four_hundred_silent_connections_are_closed_after_the_connect_timeout() {
    let limits = Limits {
        connect_timeout: Duration::from_millis(1_500),
        ..Limits::default()
    };
    let (listener, _handler) = start(limits).await;
    let mut silent = Vec::new();
    for n in 0..400 {
        let mut raw = Raw::open(address(&listener)).await;
        // Half a CONNECT is as silent as none.
        if n % 2 == 0 {
            raw.send(&connect(Protocol::V311, "a").bytes()[..9]).await;
        }
        silent.push(raw);
    }
    // Others are served meanwhile.
    let mut busy = Raw::connected(address(&listener), Protocol::V311, "busy").await;
    busy.send(&publish(Protocol::V311, 1, 1, "t", "x")).await;
    busy.expect(&puback(1)).await;
    for raw in &mut silent {
        raw.expect_closed().await;
    }
    assert_eq!(closed(&listener, "connect-timeout"), 400);
    until("only the busy one is left", || {
        listener.stats().connections == 1
    })
    .await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m23_connections_above_the_bound_are_closed_at_once() {
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let (listener, _handler) = start(limits).await;
    let one = Raw::connected(address(&listener), Protocol::V311, "1").await;
    let _two = Raw::connected(address(&listener), Protocol::V311, "2").await;
    let mut three = Raw::open(address(&listener)).await;
    three.expect_closed().await;
    assert_eq!(closed(&listener, "connection-limit"), 1);
    drop(one);
    until("there is room again", || listener.stats().connections == 1).await;
    Raw::connected(address(&listener), Protocol::V311, "3").await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m16_more_than_the_receive_maximum_is_told_to_mqtt_5() {
    let limits = Limits {
        receive_max: 3,
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    handler.hold();
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    for id in 1..=3 {
        raw.send(&publish(Protocol::V5, 1, id, "t", "x")).await;
    }
    raw.send(&publish(Protocol::V5, 0, 0, "t", "not counted"))
        .await;
    raw.expect_silence().await;
    raw.send(&publish(Protocol::V5, 2, 4, "t", "x")).await;
    raw.expect(&goodbye(0x93)).await;
    handler.release_all();
    listener.shutdown().await;
}

#[tokio::test]
async fn m16_mqtt_3_is_read_no_further_and_loses_nothing() {
    let limits = Limits {
        receive_max: 3,
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    handler.hold();
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    let bytes: Vec<u8> = (1..=20)
        .flat_map(|id| publish(Protocol::V311, 1, id, "t", "x"))
        .collect();
    raw.send(&bytes).await;
    until("reading stopped", || listener.stats().pauses == 1).await;
    assert_eq!(handler.state().messages.len(), 3);
    handler.release_all();
    for id in 1..=20 {
        raw.expect(&puback(id)).await;
    }
    assert_eq!(handler.state().messages.len(), 20);
    listener.shutdown().await;
}

/// Many clients push as hard as they can into a handler that settles nothing; then it settles everything.
async fn back_pressure(limits: Limits, clients: usize, bound: usize) {
    const MESSAGES: usize = 3_000;
    let (listener, handler) = start(limits).await;
    handler.hold();
    let payload = "x".repeat(1_000);
    let mut writers = Vec::new();
    for n in 0..clients {
        let mut raw = Raw::connected(address(&listener), Protocol::V311, &format!("c{n}")).await;
        let one = publish(Protocol::V311, 0, 0, "t", &payload);
        writers.push(tokio::spawn(async move {
            for _ in 0..MESSAGES {
                tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &one)
                    .await
                    .unwrap();
            }
            raw
        }));
    }
    until("every connection stopped reading", || {
        listener.stats().pauses >= clients as u64
    })
    .await;
    let stats = listener.stats();
    assert!(
        stats.pending_bytes <= bound,
        "{} pending",
        stats.pending_bytes
    );
    assert!(stats.received < (clients * MESSAGES) as u64);
    handler.release_all();
    let all = clients * MESSAGES;
    until("everything is read after all", || {
        handler.state().messages.len() == all
    })
    .await;
    let most = handler.state().outstanding_bytes_max;
    assert!(
        most <= bound,
        "{most} bytes were outstanding, allowed {bound}"
    );
    until("all given back", || listener.stats().pending_bytes == 0).await;
    for writer in writers {
        writer.await.unwrap();
    }
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m10_a_slow_handler_bounds_the_pending_bytes_of_a_connection() {
    let limits = Limits {
        connection_pending_bytes_max: 50_000,
        ..Limits::default()
    };
    // A bound may be passed by the packet that reaches it.
    back_pressure(limits, 1, 50_000 + 1_100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m10_a_slow_handler_bounds_the_pending_bytes_of_all_connections() {
    let limits = Limits {
        connection_pending_bytes_max: 100_000,
        total_pending_bytes_max: 150_000,
        ..Limits::default()
    };
    // Room is taken before a packet is decoded: this bound is never passed.
    back_pressure(limits, 8, 150_000).await;
}

#[tokio::test]
async fn m11_large_packets_of_many_connections_share_the_budget() {
    let limits = Limits {
        total_pending_bytes_max: 300_000,
        packet_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    let payload = "x".repeat(200_000);
    // One begins a large packet and stops; the room for it is reserved.
    let mut stuck = Raw::connected(address(&listener), Protocol::V5, "stuck").await;
    stuck
        .send(&publish(Protocol::V5, 1, 1, "t", &payload)[..1_000])
        .await;
    until("reserved", || listener.stats().pending_bytes >= 200_000).await;
    // Small messages still pass, a second large one has to wait.
    let mut small = Raw::connected(address(&listener), Protocol::V311, "small").await;
    small.send(&publish(Protocol::V311, 1, 1, "t", "x")).await;
    small.expect(&puback(1)).await;
    let mut large = Raw::connected(address(&listener), Protocol::V311, "large").await;
    let sending = tokio::spawn(async move {
        large
            .send(&publish(Protocol::V311, 1, 1, "t", &payload))
            .await;
        large.expect(&puback(1)).await;
    });
    // Who does not finish is closed, and the other gets the room.
    stuck.expect(&goodbye(0x83)).await;
    assert_eq!(closed(&listener, "packet-timeout"), 1);
    sending.await.unwrap();
    assert_eq!(handler.state().messages.len(), 2);
    until("all given back", || listener.stats().pending_bytes == 0).await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m30_a_subscriber_that_does_not_read_loses_the_oldest_and_is_closed_in_the_end() {
    let limits = Limits {
        outgoing_messages_max: 10,
        write_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let (listener, _handler) = start(limits).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    raw.send(&subscribe(Protocol::V311, 1, &["t"])).await;
    raw.expect(&[0x90, 3, 0, 1, 0]).await;
    let publisher = listener.publisher();
    let payload = vec![0u8; 50_000];
    let end = Instant::now() + DEADLINE;
    while listener.stats().dropped == 0 {
        assert!(Instant::now() < end, "the socket took everything");
        publisher.send("t", payload.clone());
        tokio::task::yield_now().await;
    }
    // And a peer that takes nothing at all is gone in the end.
    until("closed", || closed(&listener, "write-timeout") == 1).await;
    listener.shutdown().await;
}

/// Sends QoS 0 messages of 1,000 bytes for as long as it lives.
async fn push_small(mut raw: Raw) {
    let one = publish(Protocol::V311, 0, 0, "t", &"x".repeat(1_000));
    while tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &one)
        .await
        .is_ok()
    {}
}

#[tokio::test]
async fn m11_a_large_packet_gets_its_turn_although_small_ones_never_stop() {
    let limits = Limits {
        connection_pending_bytes_max: 40_000,
        total_pending_bytes_max: 100_000,
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    handler.hold();
    let mut pushing = tokio::task::JoinSet::new();
    for n in 0..4 {
        let raw = Raw::connected(address(&listener), Protocol::V311, &format!("s{n}")).await;
        pushing.spawn(push_small(raw));
    }
    let full = || listener.stats().pending_bytes > 98_000;
    until("the budget is used up", full).await;
    let mut large = Raw::connected(address(&listener), Protocol::V311, "large").await;
    pushing.spawn(async move {
        let packet = publish(Protocol::V311, 1, 1, "t", &"x".repeat(60_000));
        large.send(&packet).await;
        large.expect(&puback(1)).await;
    });
    let there = || handler.state().messages.iter().any(|(id, _)| id == "large");
    // Whatever is given back, small messages are there to take it.
    for settled in 0.. {
        if there() {
            break;
        }
        assert!(settled < 100, "the large packet is passed by small ones");
        until("full again", || {
            there() || (full() && handler.waiting() > 0)
        })
        .await;
        handler.settle(settled);
    }
    pushing.shutdown().await;
    handler.release_all();
    listener.shutdown().await;
}

#[tokio::test]
async fn m11_a_connect_that_is_not_small_waits_for_room() {
    let limits = Limits {
        total_pending_bytes_max: 60_000,
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    handler.hold();
    let mut busy = Raw::connected(address(&listener), Protocol::V311, "busy").await;
    let held = publish(Protocol::V311, 1, 1, "t", &"x".repeat(50_000));
    busy.send(&held).await;
    until("handed over", || handler.waiting() == 1).await;
    let mut small = Raw::connected(address(&listener), Protocol::V5, "small").await;
    let mut large = Raw::open(address(&listener)).await;
    let connect = connect(Protocol::V5, "large").will("gone", &"x".repeat(30_000), 0);
    large.send(&connect.bytes()).await;
    small.expect_silence().await;
    assert_eq!(handler.state().connects.len(), 2, "it waits for room");
    handler.release_all();
    busy.expect(&puback(1)).await;
    assert_eq!(large.packet().await.map(|connack| connack[3]), Some(0));
    until("all given back", || listener.stats().pending_bytes == 0).await;
    listener.shutdown().await;
}
