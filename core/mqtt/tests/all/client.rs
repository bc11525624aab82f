//! The client against the listener over pipes, and against peers that do not behave (M37, M38).
//!
//! Time is virtual: minutes of pings and of silence take no time, and end to the second.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};
use wardline_mqtt::client::{ClientError, ClientEvent, Login, MqttClient, Will};
use wardline_mqtt::{ConnectRefusal, Limits};

use crate::support::*;

const ROOMY: usize = 1 << 20;

fn login() -> Login {
    Login {
        client_id: "gw-1".to_owned(),
        credentials: Some(("user".to_owned(), "secret".to_owned())),
        keep_alive: Duration::from_secs(5),
        will: Some(Will {
            topic: "gone".to_owned(),
            payload: b"bye".to_vec(),
            retain: true,
        }),
        packet_bytes_max: 64 * 1024,
    }
}

#[tokio::test(start_paused = true)]
async fn p1_m37_a_message_is_acknowledged_when_the_handler_settled_it() {
    let (listener, handler, pipes) = start_in_memory(Limits::default());
    let mut client = MqttClient::login(pipes.stream(ROOMY), &login())
        .await
        .unwrap();
    handler.hold();
    let id = client.publish("up/state", b"frame", true).unwrap();
    // Minutes of pings, and no acknowledgement.
    let early = timeout(Duration::from_secs(300), client.event()).await;
    assert!(early.is_err(), "{early:?}");
    handler.release_all();
    assert_eq!(client.event().await.unwrap(), ClientEvent::Acked(id));
    let (from, message) = handler.state().messages[0].clone();
    assert_eq!((from.as_str(), &*message.topic), ("gw-1", "up/state"));
    assert!(message.retain && message.payload.as_ref() == b"frame");
    let seen = handler.state().connects[0].clone();
    assert_eq!(seen.username.as_deref(), Some("user"));
    assert!(seen.clean_start);
    client.close(Duration::from_secs(1)).await;
    until("goodbye", || {
        handler.state().ended == [("gw-1".to_owned(), true)]
    })
    .await;
    assert_eq!(handler.wills(), 0);
    listener.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn m37_a_client_hears_what_it_subscribed_to_and_what_was_refused() {
    let (listener, handler, pipes) = start_in_memory(Limits::default());
    handler.state().refuse_filter = Some("secret".to_owned());
    let mut client = MqttClient::login(pipes.stream(1), &login()).await.unwrap();
    let topics = ["receipt".to_owned(), "secret".to_owned()];
    for (topic, granted) in topics.iter().zip([true, false]) {
        assert_eq!(client.subscribe(topic).await.unwrap(), granted, "{topic}");
    }
    listener.publisher().send("receipt", "42");
    let expected = ClientEvent::Message {
        topic: "receipt".to_owned(),
        payload: "42".into(),
    };
    assert_eq!(client.event().await.unwrap(), expected);
    drop(client);
    until("the will is published", || handler.wills() == 1).await;
    listener.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn m37_a_refused_login_says_its_code() {
    let (listener, handler, pipes) = start_in_memory(Limits::default());
    handler.state().refuse_connect = Some(ConnectRefusal::NotAuthorized);
    let refused = MqttClient::login(pipes.stream(ROOMY), &login()).await;
    assert!(matches!(refused, Err(ClientError::Refused(5))));
    listener.shutdown().await;
}

/// A client that was welcomed, and the other end of its pipe.
async fn welcomed(bytes: usize) -> (MqttClient, DuplexStream) {
    let (near, mut far) = duplex(bytes);
    let welcome = async {
        let mut first = [0; 2];
        far.read_exact(&mut first).await.unwrap();
        let mut rest = vec![0; usize::from(first[1])];
        far.read_exact(&mut rest).await.unwrap();
        far.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        far
    };
    let login = login();
    let (client, far) = tokio::join!(MqttClient::login(Box::new(near), &login), welcome);
    (client.unwrap(), far)
}

#[tokio::test(start_paused = true)]
async fn m38_a_peer_that_answers_no_ping_is_given_up_after_two_keep_alives() {
    let (mut client, mut far) = welcomed(1_024).await;
    let began = Instant::now();
    let silent = client.event().await;
    assert!(matches!(silent, Err(ClientError::Silent)), "{silent:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let mut ping = [0; 2];
    far.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, PINGREQ);
}

#[tokio::test(start_paused = true)]
async fn m38_a_slow_link_is_not_a_silent_one() {
    let (mut client, mut far) = welcomed(16).await;
    client.publish("t", &[0; 1_000], false).unwrap();
    let slow = tokio::spawn(async move {
        let mut byte = [0; 10];
        loop {
            sleep(Duration::from_secs(1)).await;
            far.read_exact(&mut byte).await.unwrap();
        }
    });
    // The ping waits behind the message, which takes its time.
    let waited = timeout(Duration::from_secs(90), client.event()).await;
    assert!(waited.is_err(), "{waited:?}");
    slow.abort();
}

#[tokio::test(start_paused = true)]
async fn m37_what_a_server_does_not_say_ends_the_connection() {
    for bytes in [
        &[0x40u8, 3, 0, 1, 0][..],
        &[0x10, 0],
        &[0x34, 6, 0, 1, b't', 0, 1, b'x'],
        &[0, 0],
    ] {
        let (mut client, mut far) = welcomed(1_024).await;
        far.write_all(bytes).await.unwrap();
        let broken = client.event().await;
        assert!(
            matches!(broken, Err(ClientError::Protocol(_))),
            "{bytes:02x?}: {broken:?}"
        );
    }
    let (mut client, far) = welcomed(1_024).await;
    drop(far);
    assert!(matches!(client.event().await, Err(ClientError::Stream(_))));
}

#[tokio::test(start_paused = true)]
async fn p7_what_is_unsent_is_bounded() {
    let (mut client, _far) = welcomed(1_024).await;
    let frame = vec![0; 1 << 20];
    let sent = (0..10).take_while(|_| client.publish("t", &frame, false).is_ok());
    assert_eq!(sent.count(), 3, "a fourth would pass 4 MiB");
    assert!(matches!(
        client.publish("t", &frame, false),
        Err(ClientError::Unsent)
    ));
}

#[tokio::test(start_paused = true)]
async fn p7_m37_a_peer_that_sends_and_takes_nothing_is_given_up() {
    let (mut client, mut far) = welcomed(ROOMY).await;
    let message = [0x32, 5, 0, 1, b't', 0, 1];
    let flood = tokio::spawn(async move {
        let many = message.repeat(1_000);
        while far.write_all(&many).await.is_ok() {}
    });
    // The answers to so many are far over what may be unsent.
    let mut ended = Ok(());
    for _ in 0..3_000_000 {
        if let Err(error) = client.event().await {
            ended = Err(error);
            break;
        }
    }
    assert!(matches!(ended, Err(ClientError::Unsent)), "{ended:?}");
    drop(client);
    flood.await.unwrap();
}
