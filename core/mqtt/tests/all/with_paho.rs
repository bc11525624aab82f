//! The paho client for Python against the listener (M35). It is installed once into a cache folder of the build.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::*;
use wardline_mqtt::Limits;

const PAHO: &str = "paho-mqtt==2.1.0";

/// A Python that has paho, or `None` if this machine cannot make one.
fn python() -> Option<PathBuf> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let venv = cache.join("wardline-paho-venv");
    let python = venv.join("bin/python");
    if !has_paho(&python) {
        // Made under another name first, so that an interrupted installation is never taken for a whole one.
        let fresh = cache.join(format!("wardline-paho-venv.{}", std::process::id()));
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&fresh))
            && succeeds(
                Command::new(fresh.join("bin/python")).args(["-m", "pip", "install", "-q", PAHO]),
            );
        if made && !venv.exists() {
            std::fs::rename(&fresh, &venv).ok();
        }
        // Gone already if it was renamed.
        std::fs::remove_dir_all(&fresh).ok();
    }
    has_paho(&python).then_some(python)
}

fn has_paho(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", "import paho.mqtt.client"]))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn m35_paho_of_every_version_and_qos() {
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    if !tool(python.is_some(), "python3 with venv") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/paho_client.py");
    for version in ["31", "311", "5"] {
        let (listener, handler) = start(Limits::default()).await;
        let mut command = Command::new(python.as_ref().unwrap());
        command.args([script, version, &address(&listener).port().to_string()]);
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let publisher = listener.publisher();
        until("all messages came", || {
            handler.state().messages.len() >= 30 || running.is_finished()
        })
        .await;
        assert_eq!(publisher.send("receipt/paho", "42"), 1, "subscribed");
        let output = running.await.unwrap();
        assert!(output.status.success(), "{version}: {output:?}");
        assert_eq!(
            handler.payloads(),
            (0..30).map(|n| n.to_string()).collect::<Vec<_>>(),
            "{version}"
        );
        let mut topics = handler.topics();
        topics.dedup();
        assert_eq!(topics, ["devices/icu/a/state"], "{version}");
        assert_eq!(
            handler.state().connects[0].username.as_deref(),
            Some("user")
        );
        until("goodbye", || closed(&listener, "disconnected") == 1).await;
        listener.shutdown().await;
    }
}
