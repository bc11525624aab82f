//! A listener with a handler that the test controls, and a client that says exactly what the test wants.

pub mod handler;
pub mod memory;
pub mod packets;
pub mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wardline_mqtt::{Limits, Listener, ListenerConfig};

pub use handler::TestHandler;
pub use memory::start_in_memory;
pub use packets::*;
pub use raw::Raw;

/// How long a test waits for what must happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Starts a listener on a free port.
pub async fn start(limits: Limits) -> (Listener, Arc<TestHandler>) {
    let handler = Arc::new(TestHandler::default());
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = ListenerConfig { listen, limits };
    let listener = Listener::bind(config, handler.clone()).await.unwrap();
    (listener, handler)
}

pub fn address(listener: &Listener) -> SocketAddr {
    listener.local_addr().expect("it listens on TCP")
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How many connections were closed for this reason.
pub fn closed(listener: &Listener, reason: &str) -> u64 {
    listener.stats().closed.get(reason).copied().unwrap_or(0)
}

/// `true`: the test goes on. `false`: the tool is missing, which was said, and is allowed here.
pub fn tool(found: bool, name: &str) -> bool {
    if found {
        return true;
    }
    assert!(
        std::env::var("WARDLINE_REQUIRE_TOOLS").as_deref() != Ok("1"),
        "required: {name}"
    );
    println!("skipped: needs {name}");
    false
}

/// Is there a program of this name?
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
