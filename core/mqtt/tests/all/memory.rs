//! The listener over pipes in memory and in virtual time: the same every time, whatever the machine does (M36).
//!
//! What the other files show over sockets is shown here without them where it is the stream that matters: handshake, held
//! answers, packets in pieces, peers that stall. Every timeout is held to the millisecond.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::*;
use wardline_mqtt::Limits;

const ALL: [Protocol; 3] = [Protocol::V31, Protocol::V311, Protocol::V5];
/// More than anything here sends at once.
const ROOMY: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn m36_any_byte_stream_is_served_and_brings_its_peer() {
    for protocol in ALL {
        let (listener, handler, pipes) = start_in_memory(Limits::default());
        let mut raw = pipes.open(ROOMY);
        raw.greet(&connect(protocol, "a")).await;
        raw.expect_silence().await;
        let client = handler.state().connects[0].clone();
        assert_eq!(&*client.peer.address, "bed 7");
        assert_eq!(client.peer.identity.as_deref(), Some("pump-7"));
        assert_eq!(listener.local_addr(), None);
        raw.send(&DISCONNECT).await;
        raw.expect_closed().await;
        listener.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn p1_m36_acknowledgements_of_every_qos_wait_for_the_handler() {
    for protocol in ALL {
        let (listener, handler, pipes) = start_in_memory(Limits::default());
        handler.hold();
        let mut raw = pipes.open(ROOMY);
        raw.greet(&connect(protocol, "a")).await;
        let steps = [
            (publish(protocol, 1, 1, "t", "one"), puback(1)),
            (publish(protocol, 2, 2, "t", "two"), pubrec(2)),
            (pubrel(2), pubcomp(2)),
        ];
        for (n, (sent, answer)) in steps.into_iter().enumerate() {
            raw.send(&sent).await;
            until("handed over", || handler.waiting() == 1).await;
            raw.expect_silence().await;
            handler.settle(n);
            raw.expect(&answer).await;
        }
        assert_eq!(handler.payloads(), ["one", "two"]);
        listener.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn m36_how_packets_are_cut_makes_no_difference() {
    for protocol in ALL {
        let (listener, handler, pipes) = start_in_memory(Limits::default());
        // A pipe of one byte: every byte is a read and a write of its own.
        let mut raw = pipes.open(1);
        raw.greet(&connect(protocol, "a")).await;
        raw.send(&publish(protocol, 1, 1, "t", "in pieces")).await;
        raw.expect(&puback(1)).await;
        raw.send(&publish(protocol, 2, 2, "t", "twice")).await;
        raw.expect(&pubrec(2)).await;
        raw.send(&pubrel(2)).await;
        raw.expect(&pubcomp(2)).await;
        // And one that never becomes whole is nothing.
        raw.send(&publish(protocol, 1, 3, "t", "cut off")[..9])
            .await;
        drop(raw);
        until("gone", || closed(&listener, "connection-lost") == 1).await;
        assert_eq!(handler.payloads(), ["in pieces", "twice"]);
        listener.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn m30_a_peer_that_takes_no_byte_is_closed_after_the_write_timeout() {
    let (listener, _handler, pipes) = start_in_memory(Limits::default());
    let mut raw = pipes.open(64);
    let patient = connect(Protocol::V311, "a").keep_alive(3_600);
    raw.greet(&patient).await;
    raw.send(&subscribe(Protocol::V311, 1, &["t"])).await;
    raw.expect(&[0x90, 3, 0, 1, 0]).await;
    let began = Instant::now();
    listener.publisher().send("t", vec![0; 1_000]);
    until("closed", || closed(&listener, "write-timeout") == 1).await;
    let (took, limit) = (began.elapsed(), Limits::default().write_timeout);
    assert!(
        took >= limit && took < limit + Duration::from_millis(10),
        "{took:?}"
    );
    listener.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn m11_a_large_packet_that_stalls_is_closed_after_the_packet_timeout() {
    let (listener, handler, pipes) = start_in_memory(Limits::default());
    let mut raw = pipes.open(ROOMY);
    raw.greet(&connect(Protocol::V5, "a").keep_alive(3_600))
        .await;
    let packet = publish(Protocol::V5, 1, 1, "t", &"x".repeat(100_000));
    let began = Instant::now();
    raw.send(&packet[..50_000]).await;
    until("closed", || closed(&listener, "packet-timeout") == 1).await;
    let (took, limit) = (began.elapsed(), Limits::default().packet_timeout);
    assert!(
        took >= limit && took < limit + Duration::from_millis(10),
        "{took:?}"
    );
    raw.expect(&goodbye(0x83)).await;
    until("its room is free", || listener.stats().pending_bytes == 0).await;
    assert!(handler.payloads().is_empty());
    listener.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn m21_m22_silence_is_closed_to_the_millisecond() {
    let (listener, _handler, pipes) = start_in_memory(Limits::default());
    let began = Instant::now();
    let _never_connects = pipes.open(ROOMY);
    until("closed", || closed(&listener, "connect-timeout") == 1).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(5) && took < Duration::from_millis(5_010),
        "{took:?}"
    );

    let mut raw = pipes.open(ROOMY);
    raw.greet(&connect(Protocol::V5, "a").keep_alive(60)).await;
    let began = Instant::now();
    until("closed", || closed(&listener, "keep-alive-timeout") == 1).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(90) && took < Duration::from_millis(90_010),
        "{took:?}"
    );
    raw.expect(&goodbye(0x8d)).await;
    listener.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn m21_the_clock_stands_while_the_listener_does_not_read() {
    let limits = Limits {
        receive_max: 1,
        ..Limits::default()
    };
    let (listener, handler, pipes) = start_in_memory(limits);
    handler.hold();
    let mut raw = pipes.open(ROOMY);
    raw.greet(&connect(Protocol::V311, "a").keep_alive(60))
        .await;
    raw.send(&publish(Protocol::V311, 1, 1, "t", "x")).await;
    until("reading stopped", || listener.stats().pauses == 1).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(closed(&listener, "keep-alive-timeout"), 0);
    handler.release_all();
    raw.expect(&puback(1)).await;
    raw.expect_silence().await;
    listener.shutdown().await;
}
