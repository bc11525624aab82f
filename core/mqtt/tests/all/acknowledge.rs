//! Acknowledgements wait for the handler (P1), in the order of the wire, and refusals are said as the protocol allows.
//!
//! The handler is the test's own: it holds what it is told to hold, so that "nothing left before" can be proved by a ping
//! that overtakes nothing.

use crate::support::*;
use wardline_mqtt::{Limits, Qos, Refusal, Settlement};

const ALL: [Protocol; 3] = [Protocol::V31, Protocol::V311, Protocol::V5];

#[tokio::test]
async fn p1_no_puback_pubrec_or_pubcomp_before_the_handler_settled() {
    for protocol in ALL {
        let (listener, handler) = start(Limits::default()).await;
        handler.hold();
        let mut raw = Raw::connected(address(&listener), protocol, "a").await;
        raw.send(&publish(protocol, 1, 1, "t", "one")).await;
        until("handed over", || handler.waiting() == 1).await;
        raw.expect_silence().await;
        handler.settle(0);
        raw.expect(&puback(1)).await;

        raw.send(&publish(protocol, 2, 2, "t", "two")).await;
        until("handed over", || handler.waiting() == 1).await;
        raw.expect_silence().await;
        handler.settle(1);
        raw.expect(&pubrec(2)).await;

        raw.send(&pubrel(2)).await;
        until("handed over", || handler.waiting() == 1).await;
        raw.expect_silence().await;
        handler.settle(2);
        raw.expect(&pubcomp(2)).await;
        assert_eq!(handler.payloads(), ["one", "two"]);
        listener.shutdown().await;
    }
}

#[tokio::test]
async fn m3_acknowledgements_keep_the_order_although_batches_settle_out_of_order() {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    for id in 1..=4u16 {
        raw.send(&publish(
            Protocol::V311,
            1 + u8::try_from(id % 2).unwrap(),
            id,
            "t",
            "x",
        ))
        .await;
        until("handed over while earlier ones wait", || {
            handler.waiting() == usize::from(id)
        })
        .await;
    }
    for n in [3, 2, 1] {
        handler.settle(n);
        raw.expect_silence().await;
    }
    handler.settle(0);
    raw.expect(&pubrec(1)).await;
    raw.expect(&puback(2)).await;
    raw.expect(&pubrec(3)).await;
    raw.expect(&puback(4)).await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m4_what_is_readable_at_once_is_one_batch_and_one_answer() {
    let (listener, handler) = start(Limits::default()).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    let bytes: Vec<u8> = (1..=50)
        .flat_map(|id| publish(Protocol::V5, 1, id, "t", "x"))
        .collect();
    raw.send(&bytes).await;
    for id in 1..=50 {
        raw.expect(&puback(id)).await;
    }
    let batches = handler.state().batches.clone();
    assert_eq!(batches.iter().sum::<usize>(), 50);
    assert!(batches.len() < 10, "{batches:?}");
    listener.shutdown().await;
}

#[tokio::test]
async fn m12_mqtt_5_is_told_why_a_message_is_refused_and_goes_on() {
    let (listener, handler) = start(Limits::default()).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    let mut id = 0;
    for (refusal, code) in [
        (Refusal::NotAuthorized, 0x87),
        (Refusal::QuotaExceeded, 0x97),
        (Refusal::TopicInvalid, 0x90),
        (Refusal::PayloadInvalid, 0x99),
        (Refusal::Busy, 0x83),
        (Refusal::Unavailable, 0x80),
    ] {
        handler.refuse_all(refusal);
        id += 1;
        raw.send(&publish(Protocol::V5, 1, id, "t", "x")).await;
        raw.expect(&[0x40, 3, 0, u8::try_from(id).unwrap(), code])
            .await;
        id += 1;
        raw.send(&publish(Protocol::V5, 2, id, "t", "x")).await;
        raw.expect(&[0x50, 3, 0, u8::try_from(id).unwrap(), code])
            .await;
        raw.send(&publish(Protocol::V5, 0, 0, "t", "x")).await;
        raw.expect_silence().await;
    }
    until("QoS 0 refusals are counted too", || {
        listener.stats().refused == 18
    })
    .await;
    assert_eq!(listener.stats().acked, 0);
    listener.shutdown().await;
}

#[tokio::test]
async fn m12_mqtt_3_is_not_acknowledged_and_closed() {
    for protocol in [Protocol::V31, Protocol::V311] {
        for qos in [1, 2] {
            let (listener, handler) = start(Limits::default()).await;
            handler.judge(|publish| match publish.packet_id {
                Some(2) => Settlement::Refused(Refusal::QuotaExceeded),
                _ => Settlement::Accepted,
            });
            let mut raw = Raw::connected(address(&listener), protocol, "a").await;
            let bytes: Vec<u8> = (1..=3)
                .flat_map(|id| publish(protocol, qos, id, "t", "x"))
                .collect();
            raw.send(&bytes).await;
            raw.expect(&if qos == 1 { puback(1) } else { pubrec(1) })
                .await;
            raw.expect_closed().await;
            assert_eq!(closed(&listener, "message-refused"), 1);
            until("counted", || {
                listener.stats().refused == 1 && listener.stats().settled == 2
            })
            .await;
            listener.shutdown().await;
        }
    }
}

#[tokio::test]
async fn m12_a_refused_qos_0_is_counted_and_the_connection_goes_on() {
    let (listener, handler) = start(Limits::default()).await;
    handler.refuse_all(Refusal::NotAuthorized);
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    raw.send(&publish(Protocol::V311, 0, 0, "t", "x")).await;
    until("counted", || listener.stats().refused == 1).await;
    raw.expect_silence().await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m24_a_topic_that_is_only_too_long_is_refused_like_a_message() {
    let limits = Limits {
        topic_bytes_max: 8,
        ..Limits::default()
    };
    let (listener, handler) = start(limits).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    raw.send(&publish(Protocol::V5, 1, 1, "a/long/topic", "x"))
        .await;
    raw.send(&publish(Protocol::V5, 1, 2, "short", "y")).await;
    raw.expect(&[0x40, 3, 0, 1, 0x90]).await;
    raw.expect(&puback(2)).await;
    assert_eq!(handler.payloads(), ["y"]);
    listener.shutdown().await;
}

#[tokio::test]
async fn m13_a_repeated_qos_2_message_is_handed_over_once() {
    for protocol in ALL {
        let (listener, handler) = start(Limits::default()).await;
        let mut raw = Raw::connected(address(&listener), protocol, "a").await;
        let message = publish(protocol, 2, 7, "t", "once");
        raw.send(&message).await;
        raw.expect(&pubrec(7)).await;
        let mut again = message.clone();
        again[0] |= 0x08;
        raw.send(&again).await;
        raw.expect(&pubrec(7)).await;
        raw.send(&pubrel(7)).await;
        raw.expect(&pubcomp(7)).await;
        assert_eq!(handler.payloads(), ["once"]);
        assert_eq!(handler.state().released, [7]);
        raw.send(&message).await;
        raw.expect(&pubrec(7)).await;
        assert_eq!(
            handler.payloads(),
            ["once", "once"],
            "after PUBCOMP it is a new message"
        );
        assert_eq!(listener.stats().repeated, 1);
        listener.shutdown().await;
    }
}

#[tokio::test]
async fn m13_a_repetition_while_the_first_is_not_settled_gets_no_answer_of_its_own() {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    raw.send(&publish(Protocol::V311, 2, 7, "t", "once")).await;
    raw.send(&publish(Protocol::V311, 2, 7, "t", "once")).await;
    until("both came", || listener.stats().received == 2).await;
    raw.expect_silence().await;
    handler.release_all();
    raw.expect(&pubrec(7)).await;
    raw.expect_silence().await;
    assert_eq!(handler.payloads(), ["once"]);
    listener.shutdown().await;
}

#[tokio::test]
async fn m15_unreleased_identifiers_survive_the_connection() {
    for protocol in [Protocol::V311, Protocol::V5] {
        let (listener, handler) = start(Limits::default()).await;
        let resume = connect(protocol, "a").resume();
        let (mut raw, connack) = Raw::connected_as(address(&listener), &resume).await;
        assert_eq!(connack[2], 0, "no session before");
        raw.send(&publish(protocol, 2, 7, "t", "once")).await;
        raw.expect(&pubrec(7)).await;
        drop(raw);
        let (mut raw, connack) = Raw::connected_as(address(&listener), &resume).await;
        assert_eq!(connack[2], 1, "session present");
        raw.send(&publish(protocol, 2, 7, "t", "once")).await;
        raw.expect(&pubrec(7)).await;
        raw.send(&pubrel(7)).await;
        raw.expect(&pubcomp(7)).await;
        assert_eq!(handler.payloads(), ["once"]);

        raw.send(&publish(protocol, 2, 8, "t", "twice")).await;
        raw.expect(&pubrec(8)).await;
        drop(raw);
        let (mut raw, connack) =
            Raw::connected_as(address(&listener), &connect(protocol, "a")).await;
        assert_eq!(connack[2], 0, "a clean start has no session");
        raw.send(&publish(protocol, 2, 8, "t", "twice")).await;
        raw.expect(&pubrec(8)).await;
        assert_eq!(handler.payloads(), ["once", "twice", "twice"]);
        listener.shutdown().await;
    }
}

#[tokio::test]
async fn m14_a_release_of_an_unknown_identifier() {
    let (listener, handler) = start(Limits::default()).await;
    let mut five = Raw::connected(address(&listener), Protocol::V5, "five").await;
    five.send(&pubrel(9)).await;
    five.expect(&[0x70, 3, 0, 9, 0x92]).await;
    let mut three = Raw::connected(address(&listener), Protocol::V311, "three").await;
    three.send(&pubrel(9)).await;
    three.expect(&pubcomp(9)).await;
    assert!(handler.state().released.is_empty());
    listener.shutdown().await;
}

#[tokio::test]
async fn m14_a_release_that_is_not_durable_gets_no_pubcomp() {
    let (listener, handler) = start(Limits::default()).await;
    handler.state().refuse_release = true;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    raw.send(&publish(Protocol::V5, 2, 7, "t", "x")).await;
    raw.expect(&pubrec(7)).await;
    raw.send(&pubrel(7)).await;
    raw.expect(&goodbye(0x83)).await;
    raw.expect_closed().await;
    assert_eq!(closed(&listener, "release-failed"), 1);
    listener.shutdown().await;
}

#[tokio::test]
async fn m17_topic_aliases_are_resolved_before_the_hand_over() {
    let (listener, handler) = start(Limits::default()).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V5, "a").await;
    raw.send(&publish_alias(1, "devices/icu/a/state", 3, "1"))
        .await;
    raw.send(&publish_alias(2, "", 3, "2")).await;
    raw.send(&publish_alias(3, "devices/icu/b/state", 3, "3"))
        .await;
    raw.send(&publish_alias(4, "", 3, "4")).await;
    for id in 1..=4 {
        raw.expect(&puback(id)).await;
    }
    let topics: Vec<_> = handler
        .state()
        .messages
        .iter()
        .map(|(_, publish)| publish.topic.to_string())
        .collect();
    assert_eq!(
        topics,
        [
            "devices/icu/a/state",
            "devices/icu/a/state",
            "devices/icu/b/state",
            "devices/icu/b/state"
        ]
    );
    listener.shutdown().await;
}

#[tokio::test]
async fn m2_what_the_handler_gets_is_what_was_sent() {
    let (listener, handler) = start(Limits::default()).await;
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "dev-1").await;
    let mut flagged = publish(Protocol::V311, 1, 513, "a/b", "payload");
    flagged[0] |= 0x09;
    raw.send(&flagged).await;
    raw.expect(&puback(513)).await;
    let state = handler.state();
    let (client, publish) = &state.messages[0];
    assert_eq!(client, "dev-1");
    assert_eq!(
        (&*publish.topic, publish.payload.as_ref()),
        ("a/b", b"payload".as_slice())
    );
    assert_eq!(
        (publish.qos, publish.packet_id),
        (Qos::AtLeastOnce, Some(513))
    );
    assert!(publish.retain && publish.dup && !publish.will);
    assert!(
        !format!("{publish:?}").contains("payload\""),
        "payloads stay out of logs"
    );
    let client = &state.connects[0];
    assert_eq!(
        (client.protocol, client.clean_start),
        (Protocol::V311, true)
    );
}

#[tokio::test]
async fn m29_what_was_handed_over_is_settled_although_the_client_has_gone() {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    let mut raw = Raw::connected(address(&listener), Protocol::V311, "a").await;
    raw.send(&publish(Protocol::V311, 1, 1, "t", "x")).await;
    until("handed over", || handler.waiting() == 1).await;
    drop(raw);
    until("gone", || closed(&listener, "connection-lost") == 1).await;
    assert_eq!(handler.waiting(), 1, "its future is still driven");
    assert!(
        handler.state().ended.is_empty(),
        "it has not ended before it is settled"
    );
    handler.release_all();
    until("settled", || listener.stats().settled == 1).await;
    until("ended", || {
        handler.state().ended == [("a".to_owned(), false)]
    })
    .await;
    assert_eq!(
        (listener.stats().acked, listener.stats().pending_bytes),
        (0, 0)
    );
    listener.shutdown().await;
}

#[tokio::test]
async fn m32_received_is_settled_and_refused_and_repeated() {
    let (listener, handler) = start(Limits::default()).await;
    handler.judge(|publish| match publish.payload.as_ref() {
        b"no" => Settlement::Refused(Refusal::PayloadInvalid),
        _ => Settlement::Accepted,
    });
    for (n, protocol) in ALL.into_iter().cycle().take(12).enumerate() {
        let mut raw = Raw::connected(address(&listener), protocol, &format!("c{n}")).await;
        let mut bytes = Vec::new();
        for id in 1..=200u16 {
            let payload = if id % 50 == 0 { "no" } else { "yes" };
            bytes.extend(publish(
                protocol,
                u8::try_from(id % 3).unwrap(),
                id,
                "t",
                payload,
            ));
            bytes.extend(publish(protocol, 2, 1000 + id % 7, "t", "again"));
        }
        raw.send_until_closed(&bytes).await;
        if protocol == Protocol::V5 {
            raw.send_until_closed(b"\x30\x07\x00\x01t\x03\x23\x00\x00")
                .await;
        }
        while raw.packet().await.is_some_and(|packet| packet[0] != 0xe0) {}
    }
    until("all ended", || listener.stats().connections == 0).await;
    let stats = listener.stats();
    assert_eq!(
        stats.received,
        stats.settled + stats.refused + stats.repeated,
        "{stats:?}"
    );
    assert!(
        stats.settled > 0 && stats.refused > 0 && stats.repeated > 0,
        "{stats:?}"
    );
    assert_eq!(
        stats.settled + stats.refused,
        handler.state().messages.len() as u64
    );
    listener.shutdown().await;
}
