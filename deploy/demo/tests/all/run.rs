//! The shell over real sockets: against an MLLP acceptor that misbehaves and an MQTT sink.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Adt, Fold, config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use wardline_demo::{
    Error, Hospital, HospitalConfig,
    client::{AckCode, AdtBuilder, MllpClient, MllpOptions, MqttClient, control_id},
    run, run_hospital,
};
use wardline_service::SystemClock;

const DEADLINE: Duration = Duration::from_secs(30);

/// What an acceptor does with the n-th frame that it reads.
#[derive(Clone, Copy)]
enum Answer {
    Code(&'static str),
    Hang,
}

#[derive(Default)]
struct Seen {
    frames: Mutex<Vec<Vec<u8>>>,
    more: Notify,
}

impl Seen {
    fn push(&self, frame: Vec<u8>) -> usize {
        let mut frames = self.frames.lock().unwrap();
        frames.push(frame);
        self.more.notify_waiters();
        frames.len() - 1
    }

    fn all(&self) -> Vec<Vec<u8>> {
        self.frames.lock().unwrap().clone()
    }

    async fn at_least(&self, count: usize) {
        loop {
            let more = self.more.notified();
            if self.all().len() >= count {
                return;
            }
            more.await;
        }
    }
}

/// Accepts connections one after the other and answers each frame as told.
async fn acceptor(answer: fn(usize) -> Answer) -> (SocketAddr, Arc<Seen>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            accept_one(stream, &shared, answer).await;
        }
    });
    (address, seen, task)
}

async fn accept_one(mut stream: TcpStream, seen: &Seen, answer: fn(usize) -> Answer) {
    let mut buffer = Vec::new();
    loop {
        while let Some(end) = buffer.windows(2).position(|pair| pair == [0x1c, 0x0d]) {
            let frame: Vec<u8> = buffer.drain(..end + 2).collect();
            assert_eq!(frame[0], 0x0b);
            let message = frame[1..end].to_vec();
            let id = control_id(&message).unwrap();
            match answer(seen.push(message)) {
                Answer::Hang => return,
                Answer::Code(code) => {
                    let ack = format!(
                        "\x0bMSH|^~\\&|WARDLINE|ST-MARY|||20260101||ACK|A|P|2.5\rMSA|{code}|{id}\r\x1c\r"
                    );
                    if stream.write_all(ack.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Speaks as much MQTT 3.1.1 as a publisher needs, and keeps the topics. Closes every connection
/// that has brought `close_after` publishes, the last one without a PUBACK.
async fn sink(close_after: usize) -> (SocketAddr, Arc<Seen>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { sink_one(stream, &shared, close_after).await });
        }
    });
    (address, seen, task)
}

async fn sink_one(mut stream: TcpStream, seen: &Seen, close_after: usize) -> Option<()> {
    let mut published = 0;
    loop {
        let head = stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let reply = match head >> 4 {
            1 => vec![0x20, 2, 0, 0],
            3 => {
                let topic = usize::from(body[0]) * 256 + usize::from(body[1]);
                seen.push(body.split_off(2));
                published += 1;
                if published >= close_after {
                    return None;
                }
                let last = seen.all().pop()?;
                vec![0x40, 2, last[topic], last[topic + 1]]
            }
            12 => vec![0xd0, 0],
            14 => return None,
            other => panic!("packet type {other}"),
        };
        stream.write_all(&reply).await.ok()?;
    }
}

fn in_order_of_first_sight(frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    frames
        .iter()
        .filter(|frame| seen.insert(control_id(frame).unwrap()))
        .cloned()
        .collect()
}

#[tokio::test]
async fn p1_the_same_bytes_go_again_until_they_are_taken() {
    let (mllp, seen, acceptor) = acceptor(|n| match n % 23 {
        5 => Answer::Code("AR"),
        11 => Answer::Hang,
        17 => Answer::Code("AE"),
        _ => Answer::Code("AA"),
    })
    .await;
    let (mqtt, _, sink) = sink(usize::MAX).await;
    let hospital = Hospital::new(HospitalConfig {
        speed: 3_000.0,
        ..config(1, 0)
    });
    let enough = seen.at_least(95);
    let (hospital, report) = timeout(
        DEADLINE,
        run_hospital(hospital, mllp, mqtt, SystemClock::shared(), enough),
    )
    .await
    .unwrap()
    .unwrap();
    let frames = seen.all();
    let taken = in_order_of_first_sight(&frames);
    assert!(
        report.hl7.resent >= 4 && report.hl7.refused >= 2,
        "{report:?}"
    );
    assert_eq!(report.hl7.sent, report.hl7.acked + report.hl7.refused);
    assert_eq!(
        usize::try_from(report.hl7.sent + report.hl7.resent).unwrap(),
        frames.len()
    );
    for frame in &frames {
        let id = control_id(frame).unwrap();
        assert!(
            taken.iter().any(|first| first == frame),
            "{id} came with other bytes"
        );
    }
    // All that was said was taken, so the books are what the other side was told.
    let fold = Fold::of(
        &taken
            .iter()
            .map(|frame| Adt::read(frame))
            .collect::<Vec<_>>(),
    );
    for (bed, truth) in hospital.occupancy() {
        assert_eq!(truth.status.as_str(), fold.status(&bed), "{bed}");
    }
    acceptor.abort();
    sink.abort();
}

#[tokio::test]
async fn p1_unacked_readings_go_again_over_the_next_connection() {
    let (mllp, _, acceptor) = acceptor(|_| Answer::Code("AA")).await;
    let (mqtt, seen, sink) = sink(40).await;
    let report = timeout(
        DEADLINE,
        run(
            config(1, 60),
            mllp,
            mqtt,
            SystemClock::shared(),
            seen.at_least(260),
        ),
    )
    .await
    .unwrap()
    .unwrap();
    assert!(
        report.mqtt.sent >= 100 && report.mqtt.resent > 0,
        "{report:?}"
    );
    assert_eq!(report.mqtt.sent, report.mqtt.acked, "{report:?}");
    assert_eq!(report.mqtt.dropped, 0);
    assert_eq!(report.sent, report.hl7.sent + report.mqtt.sent);
    acceptor.abort();
    sink.abort();
}

#[tokio::test]
async fn p7_run_ends_in_bounded_time_when_nobody_answers() {
    // Bound and never accepted from: connections open and stay silent.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let stop = async { drop(listener.accept().await) };
    let report = timeout(
        DEADLINE,
        run(config(1, 30), silent, silent, SystemClock::shared(), stop),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(report.acked, 0);
}

#[tokio::test]
async fn an_unknown_zone_is_refused_before_anything_is_sent() {
    let config = HospitalConfig {
        site_zone: "Mars/Base".to_owned(),
        ..config(1, 0)
    };
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let error = run(config, nowhere, nowhere, SystemClock::shared(), async {})
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::Zone(zone) if zone == "Mars/Base"));
    assert!(!error.retry_helps());
}

#[tokio::test]
async fn mllp_client_keeps_its_window_and_remembers_every_answer() {
    let (address, seen, acceptor) =
        acceptor(|n| Answer::Code(if n == 3 { "AR" } else { "AA" })).await;
    let options = MllpOptions {
        window: 4,
        ..MllpOptions::default()
    };
    let mut client = MllpClient::connect_with(address, options).await.unwrap();
    for n in 0..20 {
        client
            .push(&AdtBuilder::new("A08", format!("X{n:02}")).build())
            .await
            .unwrap();
        assert!(client.unacked().count() <= 4);
    }
    client.drain().await.unwrap();
    assert_eq!(client.unacked().count(), 0);
    assert_eq!(client.acked().len(), 20);
    assert_eq!(client.acked()["X03"], AckCode::Reject);
    assert!(!AckCode::Reject.is_taken());
    let ack = client
        .send(&AdtBuilder::new("A08", "Y1").build())
        .await
        .unwrap();
    assert_eq!((ack.code, ack.control_id.as_str()), (AckCode::Accept, "Y1"));
    assert_eq!(seen.all().len(), 21);
    assert_eq!(client.take_acked().len(), 21);
    acceptor.abort();
}

#[tokio::test]
async fn mllp_client_tells_what_was_unacked_when_the_connection_broke() {
    let (address, _, acceptor) = acceptor(|n| {
        if n == 1 {
            Answer::Hang
        } else {
            Answer::Code("AA")
        }
    })
    .await;
    let mut client = MllpClient::connect(address).await.unwrap();
    client
        .send(&AdtBuilder::new("A08", "X0").build())
        .await
        .unwrap();
    let error = client
        .send(&AdtBuilder::new("A08", "X1").build())
        .await
        .unwrap_err();
    assert!(error.retry_helps(), "{error}");
    assert_eq!(client.reconnect().await.unwrap(), ["X1"]);
    client
        .send(&AdtBuilder::new("A08", "X1").build())
        .await
        .unwrap();
    assert_eq!(client.acked().keys().collect::<Vec<_>>(), ["X0", "X1"]);
    acceptor.abort();
}

#[tokio::test]
async fn mllp_client_reports_silence_as_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = MllpOptions {
        ack_timeout: Duration::from_millis(50),
        ..MllpOptions::default()
    };
    let mut client = MllpClient::connect_with(listener.local_addr().unwrap(), options)
        .await
        .unwrap();
    let error = client
        .send(&AdtBuilder::new("A08", "X0").build())
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Timeout { waited_ms: 50, .. }),
        "{error}"
    );
    assert_eq!(client.unacked().collect::<Vec<_>>(), ["X0"]);
}

#[tokio::test]
async fn mqtt_client_knows_what_was_acked() {
    let (address, seen, sink) = sink(50).await;
    let mut client = MqttClient::connect(address, "pump-1").await.unwrap();
    let first = client
        .publish_acked("devices/ICU/pump-1/state", b"{}")
        .await
        .unwrap();
    let tokens: Vec<u64> = (0..30)
        .map(|_| client.publish("devices/ICU/pump-1/battery", b"{}").unwrap())
        .collect();
    assert_eq!(client.unacked(), 30);
    client.drain().await.unwrap();
    assert!(
        client.acked().contains(&first)
            && tokens.iter().all(|token| client.acked().contains(token))
    );
    assert_eq!(seen.all().len(), 31);
    for _ in 0..40 {
        client.publish("devices/ICU/pump-1/battery", b"{}").unwrap();
    }
    let error = client.drain().await.unwrap_err();
    assert!(matches!(error, Error::Mqtt { .. }), "{error}");
    // The sink closes without answering the fiftieth.
    assert!(client.acked().len() < 50);
    sink.abort();
}
