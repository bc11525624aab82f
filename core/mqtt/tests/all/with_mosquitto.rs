//! Mosquitto's command line clients against the listener (M35).
//!
//! They are programs of their own, in every protocol version. Without them (Debian: mosquitto-clients) a test says so and
//! passes, unless WARDLINE_REQUIRE_TOOLS=1.

use std::process::{Command, Output, Stdio};

use crate::support::*;
use wardline_mqtt::{Limits, Listener, Qos, Refusal};

const VERSIONS: [&str; 3] = ["31", "311", "5"];

fn command(program: &str, listener: &Listener, version: &str) -> Command {
    let mut command = Command::new(program);
    let port = address(listener).port().to_string();
    command.args(["-h", "127.0.0.1", "-p", &port, "-V", version]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn m35_mosquitto_pub_of_every_version_and_qos() {
    if !tool(on_path("mosquitto_pub"), "mosquitto_pub") {
        return;
    }
    for version in VERSIONS {
        for (qos, expected) in [
            ("0", Qos::AtMostOnce),
            ("1", Qos::AtLeastOnce),
            ("2", Qos::ExactlyOnce),
        ] {
            let (listener, handler) = start(Limits::default()).await;
            let mut publish = command("mosquitto_pub", &listener, version);
            publish.args([
                "-i",
                "pub",
                "-q",
                qos,
                "-t",
                "devices/icu/a/state",
                "-m",
                "in-use",
                "--repeat",
                "20",
            ]);
            publish.args(["-r", "--will-topic", "gone", "--will-payload", "x"]);
            let output = run(publish).await;
            assert!(output.status.success(), "-V {version} -q {qos}: {output:?}");
            until("all there", || handler.state().messages.len() == 20).await;
            let as_sent = handler.state().messages.iter().all(|(_, publish)| {
                publish.qos == expected
                    && publish.retain
                    && &*publish.topic == "devices/icu/a/state"
            });
            assert!(as_sent, "-V {version} -q {qos}");
            until("goodbye", || closed(&listener, "disconnected") == 1).await;
            listener.shutdown().await;
        }
    }
}

#[tokio::test]
async fn m35_mosquitto_pub_of_a_large_message() {
    if !tool(on_path("mosquitto_pub"), "mosquitto_pub") {
        return;
    }
    let (listener, handler) = start(Limits::default()).await;
    for version in VERSIONS {
        let file = tempfile(&"x".repeat(200_000));
        let mut publish = command("mosquitto_pub", &listener, version);
        publish
            .args(["-q", "1", "-i", "large", "-t", "t", "-f"])
            .arg(&file);
        let output = run(publish).await;
        assert!(output.status.success(), "-V {version}: {output:?}");
        std::fs::remove_file(file).unwrap();
    }
    assert!(
        handler
            .payloads()
            .iter()
            .all(|payload| payload.len() == 200_000)
    );
    assert_eq!(handler.payloads().len(), 3);
    listener.shutdown().await;
}

fn tempfile(content: &str) -> std::path::PathBuf {
    let name = format!("mosquitto-{}-{}", std::process::id(), content.len());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn m35_mosquitto_pub_sees_a_refusal() {
    if !tool(on_path("mosquitto_pub"), "mosquitto_pub") {
        return;
    }
    let (listener, handler) = start(Limits::default()).await;
    handler.refuse_all(Refusal::NotAuthorized);
    let mut publish = command("mosquitto_pub", &listener, "5");
    publish.args(["-q", "1", "-t", "t", "-m", "x"]);
    let output = run(publish).await;
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains("not authorized"), "{output:?}");
    listener.shutdown().await;
}

#[tokio::test]
async fn m35_mosquitto_sub_gets_its_messages() {
    if !tool(on_path("mosquitto_sub"), "mosquitto_sub") {
        return;
    }
    for version in VERSIONS {
        let (listener, handler) = start(Limits::default()).await;
        let mut subscribe = command("mosquitto_sub", &listener, version);
        subscribe.args([
            "-i",
            "sub",
            "-q",
            "1",
            "-t",
            "receipt/sub",
            "-C",
            "3",
            "-W",
            "20",
            "-v",
        ]);
        let child = subscribe.spawn().unwrap();
        until("subscribed", || !handler.state().subscribed.is_empty()).await;
        let publisher = listener.publisher();
        until("known to the publisher", || {
            publisher.send("receipt/sub", "1") == 1
        })
        .await;
        publisher.send("receipt/other", "no");
        publisher.send("receipt/sub", "2");
        publisher.send("receipt/sub", "3");
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
            .await
            .unwrap();
        assert!(output.status.success(), "-V {version}: {output:?}");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            lines, "receipt/sub 1\nreceipt/sub 2\nreceipt/sub 3\n",
            "-V {version}"
        );
        listener.shutdown().await;
    }
}
