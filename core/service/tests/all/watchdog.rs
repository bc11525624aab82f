//! What systemd hears: readiness, signs of life while the parts move, and silence when one stands still.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::child::{end_of, kill, spawn};

/// The messages until `enough` says so, or none comes for a second.
fn heard(socket: &UnixDatagram, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut heard = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(length) = socket.recv(&mut buffer) {
        heard.push(String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned());
        if enough(&heard) {
            break;
        }
    }
    heard
}

fn program(what: &str, wait: Duration) -> (tempfile::TempDir, UnixDatagram, std::process::Child) {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(wait)).unwrap();
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "800000"),
    ];
    let child = spawn(what, data.path(), &environment);
    (data, socket, child)
}

#[test]
fn p7_the_watchdog_is_fed_while_the_parts_move() {
    let (_data, socket, child) = program("works", Duration::from_secs(60));
    let feedings = |heard: &[String]| heard.iter().filter(|m| *m == "WATCHDOG=1").count();
    let heard = heard(&socket, |heard| feedings(heard) >= 8);
    assert_eq!(
        heard.first().map(String::as_str),
        Some("READY=1"),
        "{heard:?}"
    );
    assert_eq!(feedings(&heard), 8);
    kill(&child, "-TERM");
    assert_eq!(end_of(child).code(), Some(143));
}

#[test]
fn p7_the_watchdog_is_not_fed_when_a_part_stands_still() {
    let (_data, socket, child) = program("stands still", Duration::from_secs(60));
    heard(&socket, |heard| heard.iter().any(|m| m == "READY=1"));
    // Half a period is given to come round; then systemd hears nothing more and acts.
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let fed = heard(&socket, |_| false);
    assert!(fed.len() <= 3, "{fed:?}");
    kill(&child, "-TERM");
    assert_eq!(end_of(child).code(), Some(143));
}
