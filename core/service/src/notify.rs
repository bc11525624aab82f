//! systemd's readiness protocol: one datagram to the socket named by NOTIFY_SOCKET.

use std::os::unix::net::UnixDatagram;

pub fn ready() {
    send("READY=1");
}

pub fn stopping() {
    send("STOPPING=1");
}

/// The work goes on; only `watchdog` says when that is true.
pub(crate) fn watchdog() {
    send("WATCHDOG=1");
}

fn send(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| send_to(&socket, &path, state));
    if let Err(error) = sent {
        tracing::warn!(%error, "could not tell systemd: {state}");
    }
}

fn send_to(socket: &UnixDatagram, path: &std::ffi::OsStr, state: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(|_| ())
}
