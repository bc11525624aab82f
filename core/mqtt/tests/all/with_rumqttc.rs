//! rumqttc, a client library that is not ours, against the listener (M35).
//!
//! Every QoS of both protocol versions, aliases, and what it sends again after a reconnect: another reading of the standard
//! than the one that wrote the listener.

use std::time::Duration;

use crate::support::*;
use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5::{Packet as Packet5, PublishProperties};
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, Outgoing, QoS};
use tokio::time::timeout;
use wardline_mqtt::{Limits, Qos};

fn options(listener: &wardline_mqtt::Listener, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", address(listener).port());
    options.set_keep_alive(Duration::from_secs(10));
    options
}

fn options5(listener: &wardline_mqtt::Listener, id: &str) -> rumqttc::v5::MqttOptions {
    let mut options = rumqttc::v5::MqttOptions::new(id, "127.0.0.1", address(listener).port());
    options.set_keep_alive(Duration::from_secs(10));
    options
}

#[tokio::test]
async fn m35_rumqttc_3_1_1_of_every_qos() {
    let (listener, handler) = start(Limits::default()).await;
    let (client, mut events) = AsyncClient::new(options(&listener, "v4"), 100);
    for (n, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
        .into_iter()
        .cycle()
        .take(30)
        .enumerate()
    {
        client
            .publish("devices/icu/a/state", qos, false, n.to_string())
            .await
            .unwrap();
    }
    let (mut acks, mut comps) = (0, 0);
    while acks < 10 || comps < 10 {
        match timeout(DEADLINE, events.poll()).await.unwrap().unwrap() {
            Event::Incoming(Incoming::PubAck(_)) => acks += 1,
            Event::Incoming(Incoming::PubComp(_)) => comps += 1,
            _ => {}
        }
    }
    let expected: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(handler.payloads(), expected);
    client.disconnect().await.unwrap();
    while !matches!(
        timeout(DEADLINE, events.poll()).await.unwrap(),
        Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)
    ) {}
    drop(events);
    until("goodbye", || closed(&listener, "disconnected") == 1).await;
    listener.shutdown().await;
}

#[tokio::test]
async fn m35_rumqttc_5_of_every_qos_with_aliases() {
    let (listener, handler) = start(Limits::default()).await;
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options5(&listener, "v5"), 100);
    for (n, qos) in [QoS5::AtMostOnce, QoS5::AtLeastOnce, QoS5::ExactlyOnce]
        .into_iter()
        .cycle()
        .take(30)
        .enumerate()
    {
        let topic = if n == 0 { "devices/icu/a/state" } else { "" };
        let properties = PublishProperties {
            topic_alias: Some(7),
            ..PublishProperties::default()
        };
        client
            .publish_with_properties(topic, qos, false, n.to_string(), properties)
            .await
            .unwrap();
    }
    let (mut acks, mut comps) = (0, 0);
    while acks < 10 || comps < 10 {
        match timeout(DEADLINE, events.poll()).await.unwrap().unwrap() {
            rumqttc::v5::Event::Incoming(Packet5::PubAck(_)) => acks += 1,
            rumqttc::v5::Event::Incoming(Packet5::PubComp(_)) => comps += 1,
            rumqttc::v5::Event::Incoming(Packet5::Disconnect(disconnect)) => {
                panic!("{disconnect:?}")
            }
            _ => {}
        }
    }
    assert_eq!(
        handler.payloads(),
        (0..30).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert!(
        handler
            .state()
            .messages
            .iter()
            .all(|(_, publish)| &*publish.topic == "devices/icu/a/state")
    );
    listener.shutdown().await;
}

#[tokio::test]
async fn m35_rumqttc_sends_again_what_was_not_acknowledged_after_a_reconnect() {
    let (listener, handler) = start(Limits::default()).await;
    handler.hold();
    let mut options = options(&listener, "again");
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 100);
    for n in 0..5 {
        client
            .publish("t", QoS::AtLeastOnce, false, n.to_string())
            .await
            .unwrap();
    }
    client
        .publish("t", QoS::ExactlyOnce, false, "exactly")
        .await
        .unwrap();
    let mut sent = 0;
    while sent < 6 {
        let event = timeout(DEADLINE, events.poll()).await.unwrap().unwrap();
        sent += u32::from(matches!(event, Event::Outgoing(Outgoing::Publish(_))));
    }
    until("handed over", || handler.state().messages.len() == 6).await;
    // Somebody takes the seat; what was handed over is settled, but never acknowledged to the first.
    let mut thief = Raw::open(address(&listener)).await;
    thief
        .send(&connect(Protocol::V311, "again").resume().bytes())
        .await;
    while timeout(DEADLINE, events.poll()).await.unwrap().is_ok() {}
    handler.release_all();
    assert_eq!(thief.packet().await.expect("a CONNACK")[2], 1);
    drop(thief);
    let (mut acks, mut comps) = (0, 0);
    while acks < 5 || comps < 1 {
        match timeout(DEADLINE, events.poll()).await.unwrap() {
            Ok(Event::Incoming(Incoming::ConnAck(connack))) => assert!(connack.session_present),
            Ok(Event::Incoming(Incoming::PubAck(_))) => acks += 1,
            Ok(Event::Incoming(Incoming::PubComp(_))) => comps += 1,
            _ => {}
        }
    }
    let exactly = handler
        .state()
        .messages
        .iter()
        .filter(|(_, publish)| publish.qos == Qos::ExactlyOnce)
        .count();
    assert_eq!(exactly, 1, "QoS 2 is handed over once across connections");
    assert_eq!(handler.state().messages.len(), 11, "QoS 1 comes again");
    listener.shutdown().await;
}

#[tokio::test]
async fn m35_rumqttc_receives_what_it_subscribed_to() {
    let (listener, handler) = start(Limits::default()).await;
    let (client, mut events) = AsyncClient::new(options(&listener, "sub"), 10);
    client
        .subscribe("receipt/sub", QoS::AtLeastOnce)
        .await
        .unwrap();
    let publisher = listener.publisher();
    loop {
        if !handler.state().subscribed.is_empty() {
            publisher.send("receipt/sub", "42");
        }
        if let Event::Incoming(Incoming::Publish(publish)) =
            timeout(DEADLINE, events.poll()).await.unwrap().unwrap()
        {
            assert_eq!(
                (publish.topic.as_str(), publish.payload.as_ref()),
                ("receipt/sub", b"42".as_slice())
            );
            break;
        }
    }
    listener.shutdown().await;
}
