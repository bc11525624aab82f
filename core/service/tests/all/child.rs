//! A program whose one part does what the test asks for.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use wardline_service::{Pulse, Supervisor, program};

const WHAT: &str = "WARDLINE_TEST_CHILD";
const DATA: &str = "WARDLINE_TEST_DATA";
const DEADLINE: Duration = Duration::from_secs(60);

/// The program; a test that does nothing when nobody asked for it.
#[test]
fn the_program() {
    let (Ok(what), Ok(data)) = (std::env::var(WHAT), std::env::var(DATA)) else {
        return;
    };
    let start = async {
        let mut parts = Supervisor::new();
        parts.address("part", std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        let pulse = Pulse::new("the worker");
        parts.watch(pulse.clone());
        let (hangs, moves) = (what == "hangs in its stop", what != "stands still");
        parts.task("the worker", |stop| async move {
            while hangs || !stop.is_stopped() {
                if moves {
                    pulse.tick();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        });
        parts.up(Ok(())).await
    };
    let code = program::block_on(program::serve(Path::new(&data), start, async |service| {
        service.until(std::future::pending()).await
    }));
    // The test harness has exit codes of its own.
    let code = format!("{code:?}");
    let digits: String = code.chars().filter(char::is_ascii_digit).collect();
    std::process::exit(digits.parse().unwrap_or(99));
}

pub(crate) fn spawn(what: &str, data: &Path, environment: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child::the_program", "--nocapture"])
        .env(WHAT, what)
        .env(DATA, data)
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn until_up(data: &Path) {
    until("the addresses", || data.join("run/addresses.json").exists());
}

pub(crate) fn kill(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

pub(crate) fn end_of(mut child: Child) -> ExitStatus {
    let mut ended = None;
    until("the end", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    ended.unwrap()
}
