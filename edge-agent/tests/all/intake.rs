//! The whole agent over real sockets: MQTT and MLLP in, answers only for what is on disk, status out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use crate::common::{self, all, open, text_of, texts};
use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wardline_agent::intake::mllp::codec;
use wardline_agent::{Config, start, status};
use wardline_model::{Body, Class};
use wardline_service::{Running, Settings, SystemClock};

fn settings(data: &Path, more: &[(&str, &str)]) -> Config {
    let mut values = vec![
        ("agent.mqtt.listen", "127.0.0.1:0"),
        ("agent.mllp.listen", "127.0.0.1:0"),
    ];
    values.extend_from_slice(more);
    Config::from_settings(&Settings::for_tests(data, &values).unwrap()).unwrap()
}

async fn agent(data: &Path, more: &[(&str, &str)]) -> (Running, SocketAddr, SocketAddr) {
    let running = start(settings(data, more), SystemClock::shared())
        .await
        .unwrap();
    let (mqtt, mllp) = (
        running.addresses["agent_mqtt"],
        running.addresses["agent_mllp"],
    );
    (running, mqtt, mllp)
}

fn store_of(data: &Path) -> wardline_agent::store::Store {
    open(&data.join("agent/store.redb"))
}

fn message(id: usize, rest: &str) -> Vec<u8> {
    format!("MSH|^~\\&|HIS|STM|W|L|20260301||ADT^A01|{id}|P|2.5{rest}\rEVN|A01\rPID|1\r")
        .into_bytes()
}

/// Reads one framed answer.
async fn reply(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    timeout(common::DEADLINE, async {
        while !out.ends_with(&[codec::FS, codec::CR]) {
            out.push(stream.read_u8().await.unwrap());
        }
    })
    .await
    .unwrap();
    assert_eq!(out[0], codec::VT);
    out[1..out.len() - 2]
        .iter()
        .map(|b| char::from(*b))
        .collect()
}

/// Publishes and waits until everything is acked.
async fn publish(addr: SocketAddr, id: &str, qos: QoS, messages: &[(&str, &str)]) {
    let mut options = MqttOptions::new(id, addr.ip().to_string(), addr.port());
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 100);
    for (topic, payload) in messages {
        client.publish(*topic, qos, false, *payload).await.unwrap();
    }
    let mut acked = 0;
    while acked < messages.len() {
        match timeout(common::DEADLINE, events.poll())
            .await
            .unwrap()
            .unwrap()
        {
            Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => acked += 1,
            Event::Outgoing(Outgoing::Publish(_)) if qos == QoS::AtMostOnce => acked += 1,
            _ => {}
        }
    }
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_what_mqtt_devices_were_acked_is_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[]).await;
    let rows = [
        ("devices/icu/pump-1/state", "one"),
        ("devices/icu/pump-1/alarm", "two"),
        ("any/topic", "three"),
    ];
    publish(mqtt, "d1", QoS::AtLeastOnce, &rows).await;
    publish(mqtt, "d2", QoS::ExactlyOnce, &[("x/battery", "four")]).await;
    publish(mqtt, "d3", QoS::AtMostOnce, &[("x/y", "five")]).await;
    let socket = status::socket_path(dir.path());
    let mut seen = 0;
    while seen < 7 {
        seen = status::ask(&socket).await.unwrap().next_seq;
    }
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    let events = all(&store);
    let got: Vec<String> = events.iter().skip(1).map(|(_, e)| text_of(e)).collect();
    assert_eq!(got, ["one", "two", "three", "four", "five"]);
    let classes: Vec<Class> = events.iter().map(|(_, e)| e.class).collect();
    assert_eq!(
        classes[1..5],
        [Class::State, Class::Alarm, Class::Telemetry, Class::State]
    );
    assert_eq!(events[1].1.source, "d1");
    assert!(
        store.unreleased("d2").unwrap().is_empty(),
        "released by PUBREL"
    );
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_devices_may_not_write_to_the_agents_own_topics() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[]).await;
    let (client, mut events) = AsyncClient::new(
        MqttOptions::new("d", mqtt.ip().to_string(), mqtt.port()),
        10,
    );
    client
        .publish(
            "wardline/v1/local/gw-1/up/live",
            QoS::AtLeastOnce,
            false,
            "x",
        )
        .await
        .unwrap();
    let closed = timeout(common::DEADLINE, async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => panic!("acked"),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    });
    closed.await.unwrap();
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    assert_eq!(store.held().events, 1);
    store.close();
}

/// MQTT by hand, because a client library never resends what was released.
async fn connect_raw(addr: SocketAddr, clean: bool) -> (TcpStream, bool) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let flags = if clean { 2 } else { 0 };
    stream
        .write_all(&[
            0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60, 0, 2, b'q', b'2',
        ])
        .await
        .unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0));
    (stream, connack[2] == 1)
}

async fn publish_qos2(stream: &mut TcpStream, dup: bool) {
    let first = if dup { 0x3c } else { 0x34 };
    stream
        .write_all(&[first, 8, 0, 1, b't', 0, 9, b'a', b'b', b'c'])
        .await
        .unwrap();
    let mut pubrec = [0; 4];
    timeout(common::DEADLINE, stream.read_exact(&mut pubrec))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pubrec, [0x50, 2, 0, 9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_qos2_message_that_comes_again_after_a_restart_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[]).await;
    let (mut stream, present) = connect_raw(mqtt, false).await;
    assert!(!present);
    publish_qos2(&mut stream, false).await;
    drop(stream);
    running.stop().await.unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[]).await;
    let (mut stream, present) = connect_raw(mqtt, false).await;
    assert!(present);
    publish_qos2(&mut stream, true).await;
    stream.write_all(&[0x62, 2, 0, 9]).await.unwrap();
    let mut pubcomp = [0; 4];
    stream.read_exact(&mut pubcomp).await.unwrap();
    assert_eq!(pubcomp, [0x70, 2, 0, 9]);
    // Released: the same identifier is a new message now.
    publish_qos2(&mut stream, false).await;
    drop(stream);
    let (_, present) = connect_raw(mqtt, true).await;
    assert!(!present, "a clean session forgets");
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    assert_eq!(texts(&store)[1..], ["abc", "abc"]);
    assert!(store.unreleased("q2").unwrap().is_empty());
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_hl7_messages_are_answered_in_order_and_stored_as_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _, mllp) = agent(dir.path(), &[]).await;
    let mut stream = TcpStream::connect(mllp).await.unwrap();
    let wire: Vec<u8> = (0..100)
        .flat_map(|n| codec::encode(&message(n, "")))
        .collect();
    // All at once, cut in the middle of frames.
    for piece in wire.chunks(997) {
        stream.write_all(piece).await.unwrap();
    }
    for n in 0..100 {
        let text = reply(&mut stream).await;
        assert!(text.contains(&format!("\rMSA|AA|{n}\r")), "{text:?}");
        assert!(text.starts_with("MSH|^~\\&|W|L|HIS|STM|"), "{text:?}");
    }
    let latin = b"MSH|^~\\&|H\xe4us|S|W|L|1||ADT^A01|\xfc|P|2.5||||||8859/1\rPID|1||1||M\xfcller\r";
    stream.write_all(&codec::encode(latin)).await.unwrap();
    assert!(reply(&mut stream).await.contains("\rMSA|AA|\u{fc}\r"));
    stream
        .write_all(&codec::encode(b"no header at all"))
        .await
        .unwrap();
    assert!(reply(&mut stream).await.contains("\rMSA|AE|\r"));
    assert_eq!(
        status::ask(&status::socket_path(dir.path()))
            .await
            .unwrap()
            .mllp_connections,
        1
    );
    drop(stream);
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    let events = all(&store);
    assert_eq!(events.len(), 103);
    let Body::Hl7 { raw, understood } = &events[101].1.body else {
        panic!()
    };
    assert_eq!((raw.as_ref(), *understood), (&latin[..], true));
    let Body::Hl7 { raw, understood } = &events[102].1.body else {
        panic!()
    };
    assert_eq!(
        (raw.as_ref(), *understood),
        (&b"no header at all"[..], false)
    );
    assert_eq!(texts(&store)[1].as_bytes(), message(0, ""));
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ml5_a_message_too_large_gets_ar_and_the_next_one_aa() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _, mllp) = agent(dir.path(), &[]).await;
    let mut stream = TcpStream::connect(mllp).await.unwrap();
    let mut large = message(1, "");
    large.extend(vec![b'x'; 300_000]);
    stream.write_all(&codec::encode(&large)).await.unwrap();
    stream
        .write_all(&codec::encode(&message(2, "")))
        .await
        .unwrap();
    let text = reply(&mut stream).await;
    assert!(
        text.contains("\rMSA|AR|1\rERR|") && text.contains("|207^"),
        "{text:?}"
    );
    assert!(reply(&mut stream).await.contains("\rMSA|AA|2\r"));
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    assert_eq!(store.held().refused, 1);
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ml11_enhanced_mode_answers_as_the_sender_asks() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _, mllp) = agent(dir.path(), &[]).await;
    let mut stream = TcpStream::connect(mllp).await.unwrap();
    // No answer is wanted for the first; the second is answered.
    for (n, modes) in [(1, "|||NE|NE"), (2, "|||AL|NE")] {
        stream
            .write_all(&codec::encode(&message(n, modes)))
            .await
            .unwrap();
    }
    assert!(reply(&mut stream).await.contains("\rMSA|CA|2\r"));
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    assert_eq!(store.held().events, 3);
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_at_the_quota_hl7_gets_ar_and_mqtt_3_is_closed_without_an_ack() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, mllp) = agent(dir.path(), &[("agent.buffer.quota", "1MiB")]).await;
    let mut stream = TcpStream::connect(mllp).await.unwrap();
    let mut n = 0;
    loop {
        let mut large = message(n, "");
        large.extend(common::noise(n as u64).repeat(3).into_bytes());
        stream.write_all(&codec::encode(&large)).await.unwrap();
        let text = reply(&mut stream).await;
        if text.contains(&format!("\rMSA|AR|{n}\r")) {
            break;
        }
        assert!(text.contains(&format!("\rMSA|AA|{n}\r")), "{text:?}");
        n += 1;
    }
    assert!(n > 10);
    let (client, mut events) = AsyncClient::new(
        MqttOptions::new("d", mqtt.ip().to_string(), mqtt.port()),
        10,
    );
    client
        .publish("a/b", QoS::AtLeastOnce, false, "x")
        .await
        .unwrap();
    let end = timeout(common::DEADLINE, async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => panic!("acked"),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    });
    end.await.unwrap();
    let now = status::ask(&status::socket_path(dir.path())).await.unwrap();
    assert_eq!((now.refused, now.quota_bytes), (2, 1 << 20));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_at_the_quota_mqtt_5_is_told_quota_exceeded_and_stays_connected() {
    use rumqttc::v5::mqttbytes::{QoS as QoS5, v5::PubAckReason};
    use rumqttc::v5::{AsyncClient as Client5, Event as Event5, Incoming, MqttOptions as Options5};
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[("agent.buffer.quota", "1MiB")]).await;
    let (client, mut events) =
        Client5::new(Options5::new("d5", mqtt.ip().to_string(), mqtt.port()), 10);
    let (mut stored, mut refused) = (0u64, 0);
    let mut seed = 0;
    client
        .publish("a/b", QoS5::AtLeastOnce, false, common::noise(0).repeat(4))
        .await
        .unwrap();
    while refused < 3 {
        let event = timeout(common::DEADLINE, events.poll())
            .await
            .unwrap()
            .unwrap();
        let Event5::Incoming(Incoming::PubAck(ack)) = event else {
            continue;
        };
        match ack.reason {
            PubAckReason::Success => stored += 1,
            PubAckReason::QuotaExceeded => refused += 1,
            other => panic!("{other:?}"),
        }
        seed += 1;
        client
            .publish(
                "a/b",
                QoS5::AtLeastOnce,
                false,
                common::noise(seed).repeat(4),
            )
            .await
            .unwrap();
    }
    drop((client, events));
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    let messages = texts(&store).iter().filter(|t| t.len() == 16_000).count() as u64;
    assert!(
        stored > 10 && messages == stored,
        "{stored} answered, {messages} there"
    );
    assert!(store.held().refused >= 3);
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_will_is_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[]).await;
    let mut options = MqttOptions::new("w", mqtt.ip().to_string(), mqtt.port());
    options.set_last_will(rumqttc::LastWill::new(
        "devices/icu/w/state",
        "gone",
        QoS::AtLeastOnce,
        false,
    ));
    let (_client, mut events) = AsyncClient::new(options, 10);
    assert!(matches!(
        events.poll().await.unwrap(),
        Event::Incoming(Packet::ConnAck(_))
    ));
    drop(events);
    let socket = status::socket_path(dir.path());
    timeout(common::DEADLINE, async {
        while status::ask(&socket).await.unwrap().next_seq < 3 {}
    })
    .await
    .unwrap();
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    let (_, event) = all(&store).remove(1);
    assert!(
        matches!(&event.body, Body::Mqtt { will: true, topic, .. } if topic == "devices/icu/w/state")
    );
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_socket_answers_and_goes_with_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let (running, mqtt, _) = agent(dir.path(), &[("agent.name", "gw-7")]).await;
    let socket = status::socket_path(dir.path());
    let first = status::ask(&socket).await.unwrap();
    assert_eq!(
        (
            first.agent.as_str(),
            first.v,
            first.next_seq,
            first.backlog_events
        ),
        ("gw-7", 1, 2, 1)
    );
    assert!(!first.online && !first.insecure);
    let text = status::report(dir.path(), false).await.unwrap();
    assert!(
        text.contains("gw-7") && text.contains("not connected"),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&status::report(dir.path(), true).await.unwrap()).unwrap();
    assert_eq!(json["agent"], "gw-7");
    let (_stream, _) = connect_raw(mqtt, true).await;
    assert_eq!(status::ask(&socket).await.unwrap().mqtt_connections, 1);
    running.stop().await.unwrap();
    assert!(!socket.exists() && status::ask(&socket).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_two_agents_do_not_share_a_data_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ..) = agent(dir.path(), &[]).await;
    let error = start(settings(dir.path(), &[]), SystemClock::shared())
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("is in use by another process"),
        "{error:#}"
    );
    assert!(
        status::ask(&status::socket_path(dir.path())).await.is_ok(),
        "the running one is untouched"
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_senders_in_parallel_each_get_their_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _, mllp) = agent(dir.path(), &[]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..8 {
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(mllp).await.unwrap();
            for n in 0..20 {
                let id = sender * 1000 + n;
                stream
                    .write_all(&codec::encode(&message(id, "")))
                    .await
                    .unwrap();
                assert!(
                    reply(&mut stream)
                        .await
                        .contains(&format!("\rMSA|AA|{id}\r"))
                );
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    running.stop().await.unwrap();
    let store = store_of(dir.path());
    let distinct: BTreeSet<String> = texts(&store).into_iter().collect();
    assert_eq!((distinct.len(), store.held().events), (161, 161));
    store.close();
}
