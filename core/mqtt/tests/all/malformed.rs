//! Bytes that are not MQTT, or not here, or not now (M28).
//!
//! Each row is sent on a connection of its own. It must close that connection with exactly this reason, tell
//! MQTT 5 clients the code, hand nothing over, and leave the listener serving others.

use crate::support::*;
use wardline_mqtt::{CloseReason, Limits};

use Protocol::{V5, V31, V311};
use Reply::{Bytes, Code, Silence};

/// What the client is told before the connection is closed.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Silence,
    /// DISCONNECT of MQTT 5 with this code.
    Code(u8),
    Bytes(&'static [u8]),
}

/// What, bytes, reason, reply.
type Row = (&'static str, &'static [u8], &'static str, Reply);

/// In place of a CONNECT.
#[rustfmt::skip]
const FIRST: &[Row] = &[
    ("UNSUBACK that crashed another broker", b"\xb0\x01\x80", "not-connect", Silence),
    ("CONNACK", b"\x20\x02\x00\x00", "not-connect", Silence),
    ("AUTH", b"\xf0\x00", "not-connect", Silence),
    ("PUBLISH", b"\x30\x04\x00\x01tx", "not-connect", Silence),
    ("PINGREQ", b"\xc0\x00", "not-connect", Silence),
    ("HTTP", b"GET / HTTP/1.1\r\n\r\n", "not-connect", Silence),
    ("TLS client hello", b"\x16\x03\x01\x02\x00\x01\x00", "malformed-packet", Silence),
    ("type 0", b"\x00\x00", "not-connect", Silence),
    ("CONNECT with flags in its header", b"\x11\x00", "malformed-packet", Silence),
    ("length of five bytes", b"\x10\xff\xff\xff\xff\x01", "malformed-packet", Silence),
    ("length not in its shortest form", b"\x10\x80\x00", "malformed-packet", Silence),
    ("length of 256 MiB", b"\x10\xff\xff\xff\x7f", "packet-too-large", Silence),
    ("empty CONNECT", b"\x10\x00", "malformed-packet", Silence),
    ("CONNECT that ends in its name", b"\x10\x04\x00\x04MQ", "malformed-packet", Silence),
    ("unknown protocol", b"\x10\x0c\x00\x04MQTX\x04\x02\x00\x3c\x00\x00", "unsupported-version", Silence),
    ("level 3 with the new name", b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x3c\x00\x01a", "unsupported-version", Bytes(b"\x20\x02\x00\x01")),
    ("level 5 with the old name", b"\x10\x0f\x00\x06MQIsdp\x05\x02\x00\x3c\x00\x01a", "unsupported-version", Bytes(b"\x20\x02\x00\x01")),
    ("level 6", b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01a", "unsupported-version", Bytes(b"\x20\x03\x00\x84\x00")),
    ("bridge bit in the level", b"\x10\x0d\x00\x04MQTT\x84\x02\x00\x3c\x00\x01a", "unsupported-version", Bytes(b"\x20\x02\x00\x01")),
    ("3.1.1 reserved connect flag", b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01a", "malformed-packet", Silence),
    ("3.1.1 will QoS without a will", b"\x10\x0d\x00\x04MQTT\x04\x0a\x00\x3c\x00\x01a", "malformed-packet", Silence),
    ("3.1.1 will retain without a will", b"\x10\x0d\x00\x04MQTT\x04\x22\x00\x3c\x00\x01a", "malformed-packet", Silence),
    ("3.1.1 will QoS 3", b"\x10\x13\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01a\x00\x01w\x00\x01x", "malformed-packet", Silence),
    ("3.1.1 will topic with a wildcard", b"\x10\x13\x00\x04MQTT\x04\x06\x00\x3c\x00\x01a\x00\x01#\x00\x01x", "topic-name-invalid", Silence),
    ("3.1.1 password without user name", b"\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01a\x00\x01p", "malformed-packet", Silence),
    ("3.1.1 user name flag without user name", b"\x10\x0d\x00\x04MQTT\x04\x82\x00\x3c\x00\x01a", "malformed-packet", Silence),
    ("3.1.1 bytes behind the last field", b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01ax", "malformed-packet", Silence),
    ("3.1.1 NUL in the identifier", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\x00", "malformed-packet", Silence),
    ("3.1.1 identifier that is not UTF-8", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\xff", "malformed-packet", Silence),
    ("3.1.1 empty identifier of a lasting session", b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", "client-id-rejected", Bytes(b"\x20\x02\x00\x02")),
    ("5 reserved connect flag", b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x3c\x00\x00\x01a", "malformed-packet", Bytes(b"\x20\x03\x00\x81\x00")),
    ("5 unknown property", b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x02\x7f\x00\x00\x01a", "malformed-packet", Bytes(b"\x20\x03\x00\x81\x00")),
    ("5 property twice", b"\x10\x14\x00\x04MQTT\x05\x02\x00\x3c\x06\x21\x00\x01\x21\x00\x01\x00\x01a", "protocol-error", Bytes(b"\x20\x03\x00\x82\x00")),
    ("5 receive maximum 0", b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x00\x00\x01a", "protocol-error", Bytes(b"\x20\x03\x00\x82\x00")),
    ("5 properties longer than the packet", b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x7f\x00\x01a", "malformed-packet", Bytes(b"\x20\x03\x00\x81\x00")),
    ("5 enhanced authentication", b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x04\x15\x00\x01x\x00\x01a", "bad-auth-method", Bytes(b"\x20\x03\x00\x8c\x00")),
    ("5 authentication data without method", b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x04\x16\x00\x01x\x00\x01a", "protocol-error", Bytes(b"\x20\x03\x00\x82\x00")),
];

/// After a CONNECT of MQTT 3.1.1 (and 3.1).
#[rustfmt::skip]
const THREE: &[Row] = &[
    ("second CONNECT", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", "protocol-error", Silence),
    ("CONNACK", b"\x20\x02\x00\x00", "protocol-error", Silence),
    ("PUBACK", b"\x40\x02\x00\x01", "protocol-error", Silence),
    ("SUBACK", b"\x90\x03\x00\x01\x00", "protocol-error", Silence),
    ("AUTH", b"\xf0\x00", "malformed-packet", Silence),
    ("type 0", b"\x00\x00", "malformed-packet", Silence),
    ("QoS 3", b"\x36\x06\x00\x01t\x00\x01x", "malformed-packet", Silence),
    ("duplicate of QoS 0", b"\x38\x04\x00\x01tx", "malformed-packet", Silence),
    ("empty PUBLISH", b"\x30\x00", "malformed-packet", Silence),
    ("topic longer than the packet", b"\x30\x04\x00\x09tx", "malformed-packet", Silence),
    ("packet identifier 0", b"\x32\x05\x00\x01t\x00\x00", "malformed-packet", Silence),
    ("packet identifier cut off", b"\x32\x04\x00\x01t\x00", "malformed-packet", Silence),
    ("topic that is not UTF-8", b"\x30\x04\x00\x01\xffx", "malformed-packet", Silence),
    ("topic with a surrogate", b"\x30\x06\x00\x03\xed\xa0\x80x", "malformed-packet", Silence),
    ("empty topic", b"\x30\x03\x00\x00x", "protocol-error", Silence),
    ("topic with #", b"\x30\x06\x00\x03a/#x", "topic-name-invalid", Silence),
    ("topic with +", b"\x30\x06\x00\x03+/ax", "topic-name-invalid", Silence),
    ("topic with NUL", b"\x30\x05\x00\x02a\x00x", "topic-name-invalid", Silence),
    ("PUBREL with flags 0", b"\x60\x02\x00\x01", "malformed-packet", Silence),
    ("PUBREL without identifier", b"\x62\x00", "malformed-packet", Silence),
    ("PUBREL of identifier 0", b"\x62\x02\x00\x00", "malformed-packet", Silence),
    ("SUBSCRIBE with flags 0", b"\x80\x06\x00\x01\x00\x01a\x00", "malformed-packet", Silence),
    ("SUBSCRIBE to nothing", b"\x82\x02\x00\x01", "protocol-error", Silence),
    ("SUBSCRIBE with identifier 0", b"\x82\x06\x00\x00\x00\x01a\x00", "malformed-packet", Silence),
    ("SUBSCRIBE with QoS 3", b"\x82\x06\x00\x01\x00\x01a\x03", "malformed-packet", Silence),
    ("SUBSCRIBE with reserved bits", b"\x82\x06\x00\x01\x00\x01a\x10", "malformed-packet", Silence),
    ("UNSUBSCRIBE from nothing", b"\xa2\x02\x00\x01", "protocol-error", Silence),
    ("PINGREQ with a body", b"\xc0\x01\x00", "malformed-packet", Silence),
    ("DISCONNECT with a body", b"\xe0\x01\x00", "malformed-packet", Silence),
    ("length of five bytes", b"\x30\x80\x80\x80\x80\x01", "malformed-packet", Silence),
    ("length of 256 MiB", b"\x30\xff\xff\xff\x7f", "packet-too-large", Silence),
];

/// After a CONNECT of MQTT 5.
#[rustfmt::skip]
const FIVE: &[Row] = &[
    ("second CONNECT", b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a", "protocol-error", Code(0x82)),
    ("UNSUBACK", b"\xb0\x01\x80", "protocol-error", Code(0x82)),
    ("PUBREC of what was never sent", b"\x50\x02\x00\x01", "protocol-error", Code(0x82)),
    ("AUTH", b"\xf0\x00", "bad-auth-method", Code(0x8c)),
    ("AUTH that goes on", b"\xf0\x06\x18\x04\x15\x00\x01x", "bad-auth-method", Code(0x8c)),
    ("QoS 3", b"\x36\x07\x00\x01t\x00\x01\x00x", "malformed-packet", Code(0x81)),
    ("PUBLISH without properties", b"\x30\x03\x00\x01t", "malformed-packet", Code(0x81)),
    ("properties longer than the packet", b"\x30\x05\x00\x01t\x7fx", "malformed-packet", Code(0x81)),
    ("empty topic without alias", b"\x30\x04\x00\x00\x00x", "protocol-error", Code(0x82)),
    ("alias 0", b"\x30\x07\x00\x01t\x03\x23\x00\x00", "topic-alias-invalid", Code(0x94)),
    ("alias above the limit", b"\x30\x07\x00\x01t\x03\x23\x00\x11", "topic-alias-invalid", Code(0x94)),
    ("alias that was never set", b"\x30\x06\x00\x00\x03\x23\x00\x01", "topic-alias-invalid", Code(0x94)),
    ("alias twice", b"\x30\x0a\x00\x01t\x06\x23\x00\x01\x23\x00\x02", "protocol-error", Code(0x82)),
    ("subscription identifier from a client", b"\x30\x06\x00\x01t\x02\x0b\x01", "protocol-error", Code(0x82)),
    ("payload format 2", b"\x30\x06\x00\x01t\x02\x01\x02", "protocol-error", Code(0x82)),
    ("response topic with a wildcard", b"\x30\x08\x00\x01t\x04\x08\x00\x01#", "protocol-error", Code(0x82)),
    ("unknown property", b"\x30\x06\x00\x01t\x02\x7e\x00", "malformed-packet", Code(0x81)),
    ("user property that is not UTF-8", b"\x30\x0b\x00\x01t\x07\x26\x00\x01\xff\x00\x01v", "malformed-packet", Code(0x81)),
    ("topic with a wildcard", b"\x30\x05\x00\x02a+\x00", "topic-name-invalid", Code(0x90)),
    ("SUBSCRIBE to nothing", b"\x82\x03\x00\x01\x00", "protocol-error", Code(0x82)),
    ("SUBSCRIBE with reserved options", b"\x82\x07\x00\x01\x00\x00\x01a\xc0", "malformed-packet", Code(0x81)),
    ("SUBSCRIBE with retain handling 3", b"\x82\x07\x00\x01\x00\x00\x01a\x30", "malformed-packet", Code(0x81)),
    ("UNSUBSCRIBE from nothing", b"\xa2\x03\x00\x01\x00", "protocol-error", Code(0x82)),
    ("PINGREQ with a body", b"\xc0\x01\x00", "malformed-packet", Code(0x81)),
    ("DISCONNECT with an unknown code", b"\xe0\x01\x05", "malformed-packet", Code(0x81)),
    ("DISCONNECT that prolongs a session that ends", b"\xe0\x07\x00\x05\x11\x00\x00\x00\x09", "protocol-error", Code(0x82)),
    ("PUBREL of an identifier that has no PUBREC", b"\x34\x06\x00\x01h\x00\x01\x00\x62\x02\x00\x01", "protocol-error", Code(0x82)),
    ("length of 256 MiB", b"\x30\xff\xff\xff\x7f", "packet-too-large", Code(0x95)),
];

async fn check(protocol: Option<Protocol>, rows: &[Row]) {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    for (what, bytes, reason, reply) in rows {
        let before = listener.stats();
        let mut raw = match protocol {
            Some(protocol) => Raw::connected(address(&listener), protocol, "victim").await,
            None => Raw::open(address(&listener)).await,
        };
        raw.send_until_closed(bytes).await;
        match reply {
            Silence => {}
            Code(code) => assert_eq!(raw.packet().await, Some(goodbye(*code)), "{what}"),
            Bytes(reply) => assert_eq!(raw.packet().await.as_deref(), Some(*reply), "{what}"),
        }
        assert_eq!(raw.packet().await, None, "{what}");
        drop(raw);
        // The one row that hands something over leaves it with the handler.
        handler.release_all();
        handler.hold();
        until(what, || listener.stats().connections == 0).await;
        let after = listener.stats();
        let mut expected = before.closed.clone();
        *expected.entry(reason).or_default() += 1;
        assert_eq!(after.closed, expected, "{what}");
        let counted = CloseReason::ALL
            .iter()
            .find(|known| known.as_str() == *reason)
            .unwrap()
            .is_malformed();
        assert_eq!(
            after.malformed - before.malformed,
            u64::from(counted),
            "{what}"
        );
    }
    let handed: Vec<_> = handler
        .state()
        .messages
        .iter()
        .map(|(_, publish)| publish.topic.to_string())
        .collect();
    assert!(handed.iter().all(|topic| topic == "h"), "{handed:?}");
    let last = Raw::connected(address(&listener), V311, "after").await;
    drop(last);
    handler.release_all();
    listener.shutdown().await;
}

#[tokio::test]
async fn m28_what_comes_in_place_of_a_connect() {
    check(None, FIRST).await;
}

#[tokio::test]
async fn m28_what_comes_after_a_connect_of_mqtt_3_1_1() {
    check(Some(V311), THREE).await;
}

#[tokio::test]
async fn m28_what_comes_after_a_connect_of_mqtt_3_1() {
    check(Some(V31), THREE).await;
}

#[tokio::test]
async fn m28_what_comes_after_a_connect_of_mqtt_5() {
    check(Some(V5), FIVE).await;
}

#[tokio::test]
async fn m29_what_came_before_a_fault_is_kept() {
    let (listener, handler) = start(Limits::default()).await;
    let mut raw = Raw::connected(address(&listener), V5, "a").await;
    let mut bytes = publish(V5, 1, 1, "t", "good");
    bytes.extend_from_slice(b"\x36\x00");
    raw.send(&bytes).await;
    raw.expect(&goodbye(0x81)).await;
    raw.expect_closed().await;
    until("settled", || listener.stats().settled == 1).await;
    assert_eq!(handler.payloads(), ["good"]);
    listener.shutdown().await;
}

/// A small generator of its own, so that a failure can be replayed from the seed in its message.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[tokio::test]
async fn m28_mutated_streams_never_stop_the_listener() {
    let (listener, _handler) = start(Limits::default()).await;
    for round in 1..=300u64 {
        let mut seed = round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let protocol = [V31, V311, V5][usize::try_from(round % 3).unwrap()];
        let mut bytes = connect(protocol, "m").will("w", "x", 1).bytes();
        bytes.extend(publish(protocol, 2, 1, "a/b", "payload"));
        bytes.extend(pubrel(1));
        bytes.extend(subscribe(protocol, 2, &["a", "b"]));
        bytes.extend(unsubscribe(protocol, 3, &["a"]));
        bytes.extend(publish(protocol, 1, 4, "a/c", "payload"));
        for _ in 0..=next(&mut seed) % 4 {
            let at = usize::try_from(next(&mut seed)).unwrap() % bytes.len();
            bytes[at] = u8::try_from(next(&mut seed) & 0xff).unwrap();
        }
        let mut raw = Raw::open(address(&listener)).await;
        raw.send_until_closed(&bytes).await;
        tokio::io::AsyncWriteExt::shutdown(&mut raw.stream)
            .await
            .ok();
        let mut rest = Vec::new();
        let ended = tokio::io::AsyncReadExt::read_to_end(&mut raw.stream, &mut rest);
        assert!(
            tokio::time::timeout(DEADLINE, ended).await.is_ok(),
            "round {round} hangs"
        );
    }
    let mut last = Raw::connected(address(&listener), V311, "after").await;
    last.expect_silence().await;
    listener.shutdown().await;
}
