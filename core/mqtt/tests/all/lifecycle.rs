//! How connections begin and end: identifiers, keep-alive, wills, take-over, shutdown.
//!
//! Whatever ends a connection, the handler hears of it once, after everything that was handed over is settled, and the will
//! leaves or does not leave as the reason says.

use std::time::{Duration, Instant};

use crate::support::*;
use wardline_mqtt::{ConnectRefusal, Limits};

#[tokio::test]
async fn m5_every_protocol_connects_and_says_goodbye() {
    for protocol in [Protocol::V31, Protocol::V311, Protocol::V5] {
        let (listener, handler) = start(Limits::default()).await;
        let mut raw = Raw::connected(address(&listener), protocol, "a").await;
        raw.send(&PINGREQ).await;
        raw.expect(&PINGRESP).await;
        raw.send(&DISCONNECT).await;
        raw.expect_closed().await;
        until("ended", || {
            handler.state().ended == [("a".to_owned(), true)]
        })
        .await;
        assert_eq!(closed(&listener, "disconnected"), 1);
        until("forgotten", || listener.stats().connections == 0).await;
        listener.shutdown().await;
    }
}

#[tokio::test]
async fn m6_the_connack_of_mqtt_5_announces_the_limits() {
    let limits = Limits {
        receive_max: 77,
        topic_alias_max: 5,
        packet_bytes_max: 70_000,
        ..Limits::default()
    };
    let (listener, _handler) = start(limits).await;
    let (_raw, connack) = Raw::connected_as(address(&listener), &connect(Protocol::V5, "a")).await;
    let properties = &connack[5..];
    for expected in [
        [0x21, 0, 77].as_slice(),
        &[0x22, 0, 5],
        &[0x27, 0, 1, 0x11, 0x70],
        &[0x28, 0],
        &[0x29, 0],
        &[0x2a, 0],
    ] {
        assert!(
            properties.windows(expected.len()).any(|w| w == expected),
            "{expected:02x?} in {properties:02x?}"
        );
    }
    assert!(
        !properties.contains(&0x24),
        "maximum QoS 2 is said by absence"
    );
    listener.shutdown().await;
}

#[tokio::test]
async fn m18_an_empty_identifier_is_assigned_where_the_protocol_allows() {
    let (listener, handler) = start(Limits::default()).await;
    for clean in [true, false] {
        let mut without = connect(Protocol::V5, "");
        without.clean = clean;
        let (_raw, connack) = Raw::connected_as(address(&listener), &without).await;
        let at = connack
            .iter()
            .position(|byte| *byte == 0x12)
            .expect("assigned client identifier");
        let id = String::from_utf8(connack[at + 3..at + 3 + usize::from(connack[at + 2])].to_vec())
            .unwrap();
        assert_eq!(*handler.state().connects.last().unwrap().id, *id);
    }
    Raw::connected(address(&listener), Protocol::V311, "").await;
    let ids: std::collections::BTreeSet<_> = handler
        .state()
        .connects
        .iter()
        .map(|c| c.id.clone())
        .collect();
    assert_eq!(ids.len(), 3, "each is a different one");
    for refused in [
        connect(Protocol::V311, "").resume(),
        connect(Protocol::V31, ""),
    ] {
        let mut raw = Raw::open(address(&listener)).await;
        raw.send(&refused.bytes()).await;
        raw.expect(&[0x20, 2, 0, 2]).await;
        raw.expect_closed().await;
    }
    let mut raw = Raw::open(address(&listener)).await;
    raw.send(&connect(Protocol::V5, &"x".repeat(300)).bytes())
        .await;
    raw.expect(&[0x20, 3, 0, 0x85, 0]).await;
    assert_eq!(closed(&listener, "client-id-rejected"), 3);
    listener.shutdown().await;
}

#[tokio::test]
async fn m18_a_refused_connection_is_told_why() {
    let (listener, handler) = start(Limits::default()).await;
    for (refusal, v3, v5) in [
        (ConnectRefusal::NotAuthorized, 5, 0x87),
        (ConnectRefusal::BadCredentials, 4, 0x86),
        (ConnectRefusal::ClientIdInvalid, 2, 0x85),
        (ConnectRefusal::Busy, 3, 0x89),
        (ConnectRefusal::Unavailable, 3, 0x88),
    ] {
        handler.state().refuse_connect = Some(refusal);
        let mut raw = Raw::open(address(&listener)).await;
        raw.send(&connect(Protocol::V311, "a").bytes()).await;
        raw.expect(&[0x20, 2, 0, v3]).await;
        raw.expect_closed().await;
        let mut raw = Raw::open(address(&listener)).await;
        raw.send(&connect(Protocol::V5, "a").bytes()).await;
        raw.expect(&[0x20, 3, 0, v5, 0]).await;
        raw.expect_closed().await;
    }
    assert_eq!(closed(&listener, "connect-refused"), 10);
    assert!(
        handler.state().ended.is_empty(),
        "who never connected does not end"
    );
    listener.shutdown().await;
}

#[tokio::test]
async fn m19_a_take_over_waits_until_the_old_connection_is_settled() {
    for protocol in [Protocol::V311, Protocol::V5] {
        let (listener, handler) = start(Limits::default()).await;
        handler.hold();
        let mut old = Raw::connected(address(&listener), protocol, "a").await;
        old.send(&publish(protocol, 1, 1, "t", "old")).await;
        until("handed over", || handler.waiting() == 1).await;

        let mut new = Raw::open(address(&listener)).await;
        let mut first = connect(protocol, "a").bytes();
        first.extend(publish(protocol, 1, 1, "t", "new"));
        new.send(&first).await;
        if protocol == Protocol::V5 {
            old.expect(&goodbye(0x8e)).await;
        }
        old.expect_closed().await;
        assert_eq!(
            handler.state().connects.len(),
            1,
            "the handler was not asked again"
        );
        assert_eq!(handler.payloads(), ["old"]);
        handler.release_all();
        let connack = new.packet().await.expect("a CONNACK");
        assert_eq!(connack[0], 0x20);
        new.expect(&puback(1)).await;
        assert_eq!(handler.payloads(), ["old", "new"]);
        assert_eq!(handler.state().ended, [("a".to_owned(), false)]);
        assert_eq!(closed(&listener, "taken-over"), 1);
        assert_eq!(
            listener.stats().acked,
            1,
            "the old one was never acknowledged"
        );
        listener.shutdown().await;
    }
}

#[tokio::test]
async fn m19_a_predecessor_that_never_settles_makes_the_successor_busy() {
    let limits = Limits {
        connect_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    let mut old = Raw::connected(address(&listener), Protocol::V5, "a").await;
    handler.hold();
    old.send(&publish(Protocol::V5, 1, 1, "t", "old")).await;
    until("handed over", || handler.waiting() == 1).await;
    for _ in 0..2 {
        let mut new = Raw::open(address(&listener)).await;
        new.send(&connect(Protocol::V5, "a").bytes()).await;
        new.expect(&[0x20, 3, 0, 0x89, 0]).await;
        new.expect_closed().await;
    }
    assert_eq!(closed(&listener, "predecessor-unsettled"), 2);
    handler.release_all();
    Raw::connected(address(&listener), Protocol::V5, "a").await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m20_the_will_is_published_unless_the_client_says_goodbye() {
    let (listener, handler) = start(Limits::default()).await;
    let with_will = |protocol| connect(protocol, "a").will("gone/a", "bye", 1);
    for protocol in [Protocol::V31, Protocol::V311, Protocol::V5] {
        let before = handler.wills();
        let (raw, _) = Raw::connected_as(address(&listener), &with_will(protocol)).await;
        drop(raw);
        until("will", || handler.wills() == before + 1).await;
        let (_, will) = handler.state().messages.last().cloned().unwrap();
        assert_eq!(
            (&*will.topic, will.payload.as_ref(), will.packet_id),
            ("gone/a", b"bye".as_slice(), None)
        );

        let ended = handler.state().ended.len();
        let (mut raw, _) = Raw::connected_as(address(&listener), &with_will(protocol)).await;
        raw.send(&DISCONNECT).await;
        raw.expect_closed().await;
        until("ended", || handler.state().ended.len() > ended).await;
        assert_eq!(handler.wills(), before + 1, "goodbye");
    }
    listener.shutdown().await;
}

#[tokio::test]
async fn m20_a_goodbye_with_will_and_a_fault_publish_it() {
    let (listener, handler) = start(Limits::default()).await;
    let (mut raw, _) = Raw::connected_as(
        address(&listener),
        &connect(Protocol::V5, "a").will("gone/a", "bye", 0),
    )
    .await;
    raw.send(&[0xe0, 1, 4]).await;
    raw.expect_closed().await;
    until("will", || handler.wills() == 1).await;
    until("told", || handler.state().ended == [("a".to_owned(), true)]).await;

    let (mut raw, _) = Raw::connected_as(
        address(&listener),
        &connect(Protocol::V311, "b").will("gone/b", "bye", 0),
    )
    .await;
    raw.send(&[0xff, 0]).await;
    raw.expect_closed().await;
    until("will", || handler.wills() == 2).await;
    assert_eq!(listener.stats().wills, 2);
    listener.shutdown().await;
}

#[tokio::test]
async fn m20_a_will_comes_after_everything_that_was_sent_before() {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    let (mut raw, _) = Raw::connected_as(
        address(&listener),
        &connect(Protocol::V311, "a").will("gone/a", "will", 1),
    )
    .await;
    raw.send(&publish(Protocol::V311, 1, 1, "t", "last")).await;
    until("handed over", || handler.waiting() == 1).await;
    drop(raw);
    until("closed", || closed(&listener, "connection-lost") == 1).await;
    assert_eq!(handler.payloads(), ["last"]);
    handler.release_all();
    until("will", || handler.payloads() == ["last", "will"]).await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m21_silence_for_one_and_a_half_keep_alives_ends_the_connection() {
    let (listener, handler) = start(Limits::default()).await;
    let silent = connect(Protocol::V5, "a")
        .keep_alive(1)
        .will("gone/a", "bye", 0);
    let began = Instant::now();
    let (mut raw, _) = Raw::connected_as(address(&listener), &silent).await;
    raw.expect(&goodbye(0x8d)).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_450), "{took:?}");
    raw.expect_closed().await;
    until("will", || handler.wills() == 1).await;
    assert_eq!(
        (
            closed(&listener, "keep-alive-timeout"),
            listener.stats().timeouts
        ),
        (1, 1)
    );
    listener.shutdown().await;
}

#[tokio::test]
async fn m21_a_ping_keeps_the_connection() {
    let (listener, _handler) = start(Limits::default()).await;
    let (mut raw, _) = Raw::connected_as(
        address(&listener),
        &connect(Protocol::V311, "a").keep_alive(1),
    )
    .await;
    let began = Instant::now();
    let mut pings = tokio::time::interval(Duration::from_millis(500));
    while began.elapsed() < Duration::from_secs(3) {
        pings.tick().await;
        raw.expect_silence().await;
    }
    assert_eq!(closed(&listener, "keep-alive-timeout"), 0);
    listener.shutdown().await;
}

#[tokio::test]
async fn m21_mqtt_5_is_told_a_shorter_keep_alive() {
    let limits = Limits {
        keep_alive_max: Duration::from_secs(30),
        ..Limits::default()
    };
    let (listener, _handler) = start(limits).await;
    for asked in [0, 31, 60] {
        let asks = connect(Protocol::V5, "a").keep_alive(asked);
        let (_raw, connack) = Raw::connected_as(address(&listener), &asks).await;
        assert!(
            connack.windows(3).any(|w| w == [0x13, 0, 30]),
            "{connack:02x?}"
        );
    }
    let (_raw, connack) = Raw::connected_as(
        address(&listener),
        &connect(Protocol::V5, "b").keep_alive(30),
    )
    .await;
    assert!(!connack.windows(3).any(|w| w == [0x13, 0, 30]));
    listener.shutdown().await;
}

#[tokio::test]
async fn m31_a_shutdown_waits_for_outstanding_acknowledgements() {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    let with_will = connect(Protocol::V5, "a").will("gone/a", "bye", 0);
    let (mut raw, _) = Raw::connected_as(address(&listener), &with_will).await;
    raw.send(&publish(Protocol::V5, 1, 1, "t", "x")).await;
    until("handed over", || handler.waiting() == 1).await;
    let addr = address(&listener);
    let stopping = tokio::spawn(listener.shutdown());
    until("no longer accepting", || {
        std::net::TcpStream::connect(addr).is_err()
    })
    .await;
    assert!(!stopping.is_finished());
    handler.release_all();
    raw.expect(&puback(1)).await;
    raw.expect(&goodbye(0x8b)).await;
    raw.expect_closed().await;
    drop(raw);
    stopping.await.unwrap();
    assert_eq!(handler.wills(), 0, "the listener went, not the client");
    assert_eq!(handler.state().ended, [("a".to_owned(), false)]);
}

#[tokio::test]
async fn m31_a_shutdown_is_bounded_when_the_handler_never_settles() {
    let limits = Limits {
        shutdown_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    handler.hold();
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    raw.send(&publish(Protocol::V5, 1, 1, "t", "x")).await;
    let mut silent = Raw::open(address(&listener)).await;
    until("handed over", || handler.waiting() == 1).await;
    let began = Instant::now();
    listener.shutdown().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    raw.expect(&goodbye(0x8b)).await;
    raw.expect_closed().await;
    silent.expect_closed().await;
}

#[tokio::test]
async fn m26_subscribers_get_what_is_addressed_to_them() {
    for protocol in [Protocol::V31, Protocol::V311, Protocol::V5] {
        let v5 = protocol == Protocol::V5;
        let (listener, handler) = start(Limits::default()).await;
        handler.state().refuse_filter = Some("secret".to_owned());
        let mut raw = Raw::connected(address(&listener), protocol, "a").await;
        raw.send(&subscribe(
            protocol,
            9,
            &["receipt/a", "secret", "all/#", "$share/g/t", "bad#"],
        ))
        .await;
        let suback = if v5 {
            vec![0x90, 8, 0, 9, 0, 0, 0x87, 0xa2, 0x9e, 0x8f]
        } else {
            vec![0x90, 7, 0, 9, 0, 0x80, 0x80, 0x80, 0x80]
        };
        raw.expect(&suback).await;
        assert_eq!(handler.state().subscribed, ["receipt/a"]);
        let publisher = listener.publisher();
        assert_eq!(publisher.send("receipt/b", "no"), 0);
        assert_eq!(publisher.send("receipt/a", "42"), 1);
        raw.expect(&publish(protocol, 0, 0, "receipt/a", "42"))
            .await;
        raw.send(&unsubscribe(protocol, 10, &["receipt/a", "never"]))
            .await;
        raw.expect(if v5 {
            &[0xb0, 5, 0, 10, 0, 0, 0x11]
        } else {
            &[0xb0, 2, 0, 10]
        })
        .await;
        assert_eq!(publisher.send("receipt/a", "43"), 0);
        raw.expect_silence().await;
        listener.shutdown().await;
    }
}

#[tokio::test]
async fn m26_subscriptions_end_with_their_connection() {
    let (listener, handler) = start(Limits::default()).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    raw.send(&subscribe(Protocol::V311, 1, &["t"])).await;
    raw.expect(&[0x90, 3, 0, 1, 0]).await;
    drop(raw);
    until("ended", || handler.state().ended.len() == 1).await;
    assert_eq!(listener.publisher().send("t", "x"), 0);
    listener.shutdown().await;
}

#[tokio::test]
async fn m26_the_number_of_subscriptions_is_bounded() {
    let limits = Limits {
        subscriptions_max: 2,
        ..Limits::default()
    };
    let (listener, _handler) = start(limits).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    raw.send(&subscribe(Protocol::V5, 1, &["a", "b", "c", "a"]))
        .await;
    raw.expect(&[0x90, 7, 0, 1, 0, 0, 0, 0x97, 0]).await;
    listener.shutdown().await;
}
