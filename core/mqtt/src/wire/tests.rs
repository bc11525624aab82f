//! Packets by somebody else's encoder say here what they said there, and the other way round (M7, M37).
//!
//! rumqttc's codec is another reading of the standard. Each of its packets is cut off at every length and changed in one
//! byte as well: that ends in a packet or in a reason, never in anything else.

use bytes::BytesMut;
use proptest::prelude::*;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::{QoS, v5};

use super::*;
use crate::client::{Login, Will as ClientWill};
use crate::{CloseReason, Limits, Protocol, Qos};

fn frame(bytes: &[u8], v5: bool) -> Result<Option<Frame>, CloseReason> {
    Inbound::new(BytesMut::from(bytes), 1 << 20, v5).next_frame()
}

fn encoded(packet: &v5::Packet) -> BytesMut {
    let mut out = BytesMut::new();
    packet.write(&mut out, None).unwrap();
    out
}

fn control(packet: &v5::Packet) -> Result<Control, CloseReason> {
    parse_control(&frame(&encoded(packet), true)?.unwrap(), true)
}

/// Reads it as a listener would, whatever it is.
fn read(bytes: &[u8]) -> Option<CloseReason> {
    let frame = match frame(bytes, true) {
        Ok(frame) => frame?,
        Err(reason) => return Some(reason),
    };
    match frame.kind {
        Kind::Connect => parse_connect(&frame, 64).err().map(|fault| fault.reason),
        Kind::Publish => parse_publish(&frame, true).err(),
        _ => parse_control(&frame, true).err(),
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-zäß0-9/]{1,12}"
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((text(), text()), 0..3)
}

fn qos() -> impl Strategy<Value = (QoS, Qos)> {
    prop_oneof![
        Just((QoS::AtMostOnce, Qos::AtMostOnce)),
        Just((QoS::AtLeastOnce, Qos::AtLeastOnce)),
        Just((QoS::ExactlyOnce, Qos::ExactlyOnce)),
    ]
}

prop_compose! {
    fn connect_properties()(
        expiry in prop::option::of(any::<u32>()),
        receive in prop::option::of(1u16..),
        packet in prop::option::of(1u32..),
        alias in prop::option::of(any::<u16>()),
        flag in prop::option::of(0u8..2),
        user_properties in pairs(),
    ) -> v5::ConnectProperties {
        v5::ConnectProperties {
            session_expiry_interval: expiry,
            receive_maximum: receive,
            max_packet_size: packet,
            topic_alias_max: alias,
            request_response_info: flag,
            request_problem_info: flag,
            user_properties,
            authentication_method: None,
            authentication_data: None,
        }
    }
}

prop_compose! {
    fn will()(
        topic in text(),
        message in prop::collection::vec(any::<u8>(), 0..40),
        qos in qos(),
        retain: bool,
        delay in prop::option::of(any::<u32>()),
        content_type in prop::option::of(text()),
        response_topic in prop::option::of(text()),
        user_properties in pairs(),
    ) -> (v5::LastWill, Qos) {
        let properties = v5::LastWillProperties {
            delay_interval: delay,
            payload_format_indicator: Some(1),
            message_expiry_interval: delay,
            content_type,
            response_topic,
            correlation_data: Some(message.clone().into()),
            user_properties,
        };
        (v5::LastWill::new(topic, message, qos.0, retain, Some(properties)), qos.1)
    }
}

prop_compose! {
    fn connect()(
        keep_alive: u16,
        client_id in "[a-z]{0,8}",
        clean_start: bool,
        properties in prop::option::of(connect_properties()),
        will in prop::option::of(will()),
        login in prop::option::of((text(), text())),
    ) -> (v5::Packet, Option<Qos>) {
        let connect = v5::Connect { keep_alive, client_id, clean_start, properties };
        let login = login.map(|(user, password)| v5::Login::new(user, password));
        let (will, qos) = will.unzip();
        (v5::Packet::Connect(connect, will, login), qos)
    }
}

proptest! {
    #[test]
    fn m7_a_connect_says_what_it_said((packet, will_qos) in connect()) {
        let bytes = encoded(&packet);
        let v5::Packet::Connect(connect, will, login) = packet else { unreachable!() };
        let parsed = parse_connect(&frame(&bytes, false).unwrap().unwrap(), 64).ok().unwrap();
        prop_assert_eq!(parsed.protocol, Protocol::V5);
        prop_assert_eq!(
            (parsed.keep_alive_s, &parsed.client_id, parsed.clean_start),
            (connect.keep_alive, &connect.client_id, connect.clean_start)
        );
        let said = connect.properties.as_ref();
        prop_assert_eq!(parsed.packet_bytes_max, said.and_then(|p| p.max_packet_size));
        prop_assert_eq!(parsed.session_expiry_s, said.and_then(|p| p.session_expiry_interval).unwrap_or(0));
        prop_assert_eq!(parsed.username, login.map(|login| login.username));
        let expected = will.zip(will_qos).map(|(will, qos)| Will {
            topic: String::from_utf8(will.topic.to_vec()).unwrap(),
            payload: will.message,
            qos,
            retain: will.retain,
        });
        prop_assert!(parsed.will == expected);
    }

    #[test]
    fn m7_m28_cut_off_or_changed_it_is_a_packet_or_a_reason((packet, _) in connect(), at: prop::sample::Index, to: u8) {
        let bytes = encoded(&packet);
        for length in 0..bytes.len() {
            prop_assert_eq!(read(&bytes[..length]), None, "not yet whole");
            // The same fields in a packet that ends too early.
            let mut short = BytesMut::from(&[0x10u8][..]);
            encode::put_varint(&mut short, length);
            short.extend_from_slice(&bytes[..length]);
            prop_assert!(read(&short).is_some());
        }
        let mut changed = bytes.to_vec();
        let at = at.index(changed.len());
        changed[at] = to;
        read(&changed);
    }

    #[test]
    fn m7_subscriptions_say_what_they_said(
        pkid in 1u16..,
        topics in prop::collection::vec((text(), qos(), any::<bool>(), any::<bool>()), 1..5),
        id in prop::option::of(1usize..268_435_455),
        user_properties in pairs(),
    ) {
        let filter = |(path, qos, nolocal, preserve_retain): &(String, (QoS, Qos), bool, bool)| v5::Filter {
            path: path.clone(),
            qos: qos.0,
            nolocal: *nolocal,
            preserve_retain: *preserve_retain,
            retain_forward_rule: v5::RetainForwardRule::Never,
        };
        let filters: Vec<String> = topics.iter().map(|topic| topic.0.clone()).collect();
        let properties = v5::SubscribeProperties { id, user_properties: user_properties.clone() };
        let packet = v5::Subscribe { pkid, filters: topics.iter().map(filter).collect(), properties: Some(properties) };
        let expected = Control::Subscribe { packet_id: pkid, filters: filters.clone(), identifier: id.is_some() };
        prop_assert_eq!(control(&v5::Packet::Subscribe(packet)), Ok(expected));
        let properties = v5::UnsubscribeProperties { user_properties };
        let packet = v5::Unsubscribe { pkid, filters: filters.clone(), properties: Some(properties) };
        let expected = Control::Unsubscribe { packet_id: pkid, filters };
        prop_assert_eq!(control(&v5::Packet::Unsubscribe(packet)), Ok(expected));
    }

    #[test]
    fn m7_releases_and_goodbyes_say_what_they_said(
        pkid in 1u16..,
        known: bool,
        expiry: u32,
        reason_string in prop::option::of(text()),
        user_properties in pairs(),
    ) {
        let properties = v5::PubRelProperties { reason_string: reason_string.clone(), user_properties: user_properties.clone() };
        let mut release = v5::PubRel::new(pkid, Some(properties));
        release.reason = if known { v5::PubRelReason::Success } else { v5::PubRelReason::PacketIdentifierNotFound };
        prop_assert_eq!(control(&v5::Packet::PubRel(release)), Ok(Control::Release(pkid)));
        let mut goodbye = v5::Disconnect::new(v5::DisconnectReasonCode::DisconnectWithWillMessage);
        goodbye.properties = Some(v5::DisconnectProperties {
            // Without any property rumqttc leaves the code out.
            session_expiry_interval: Some(expiry),
            reason_string,
            user_properties,
            server_reference: None,
        });
        let expected = Control::Disconnect { code: 4, session_expiry_s: Some(expiry) };
        prop_assert_eq!(control(&v5::Packet::Disconnect(goodbye)), Ok(expected));
    }

    #[test]
    fn m6_our_connack_says_there_what_it_says_here(
        session_present: bool,
        assigned in prop::option::of("[a-z0-9-]{1,40}"),
        keep_alive_s in prop::option::of(any::<u16>()),
    ) {
        let limits = Limits::default();
        let ack = ConnectAck { v5: true, session_present, assigned: assigned.as_deref(), keep_alive_s };
        let mut out = BytesMut::new();
        put_connack(&mut out, &ack, &limits);
        let v5::Packet::ConnAck(read) = v5::Packet::read(&mut out, None).unwrap() else { panic!("no CONNACK") };
        prop_assert!(out.is_empty());
        let said = read.properties.unwrap();
        prop_assert_eq!(read.session_present, session_present);
        prop_assert_eq!((said.assigned_client_identifier, said.server_keep_alive), (assigned, keep_alive_s));
        prop_assert_eq!((said.receive_max, said.topic_alias_max), (Some(limits.receive_max), Some(limits.topic_alias_max)));
        prop_assert_eq!(said.max_packet_size, Some(u32::try_from(limits.packet_bytes_max).unwrap()));
        prop_assert_eq!(said.wildcard_subscription_available, Some(0));
        prop_assert_eq!((said.subscription_identifiers_available, said.shared_subscription_available), (Some(0), Some(0)));
    }

    #[test]
    fn m37_our_clients_packets_say_there_what_they_say_here(
        client_id in "[a-z.]{1,30}",
        credentials in prop::option::of((text(), text())),
        will in prop::option::of((text(), prop::collection::vec(any::<u8>(), 0..300), any::<bool>())),
        topic in text(),
        pkid in 1u16..,
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let login = Login {
            client_id: client_id.clone(),
            credentials: credentials.clone(),
            keep_alive: std::time::Duration::from_secs(5),
            will: will.clone().map(|(topic, payload, retain)| ClientWill { topic, payload, retain }),
            packet_bytes_max: 1024,
        };
        let mut out = BytesMut::new();
        put_connect(&mut out, &login).unwrap();
        put_subscribe(&mut out, pkid, &topic).unwrap();
        let publish = OutgoingPublish { topic: &topic, payload: &payload, retain: true, packet_id: Some(pkid), v5: false };
        prop_assert!(put_publish(&mut out, publish, usize::MAX));
        let mut next = || v4::Packet::read(&mut out, 1 << 20).unwrap();
        let v4::Packet::Connect(connect) = next() else { panic!("no CONNECT") };
        prop_assert_eq!((connect.client_id, connect.keep_alive, connect.clean_session), (client_id, 5, true));
        prop_assert_eq!(connect.login.map(|login| (login.username, login.password)), credentials);
        let said = connect.last_will.map(|will| (will.topic, will.message.to_vec(), will.retain));
        prop_assert_eq!(said, will);
        let v4::Packet::Subscribe(subscribe) = next() else { panic!("no SUBSCRIBE") };
        let said: Vec<String> = subscribe.filters.into_iter().map(|filter| filter.path).collect();
        prop_assert_eq!((subscribe.pkid, said), (pkid, vec![topic.clone()]));
        let v4::Packet::Publish(publish) = next() else { panic!("no PUBLISH") };
        prop_assert_eq!((publish.pkid, &publish.topic, publish.retain), (pkid, &topic, true));
        prop_assert_eq!(publish.payload.to_vec(), payload);
        prop_assert!(out.is_empty());
    }
}
