//! A query API small enough to read: answers what a test puts in, can be made to refuse, and knows who asked.

// Each of the two test crates that share it uses a part.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Inner {
    /// Path without query -> status and body.
    answers: BTreeMap<String, (u16, String)>,
    streams: Vec<TcpStream>,
    open: Vec<TcpStream>,
    asked: BTreeMap<String, usize>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answers: &[(&str, &str)]) -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), answers)
    }

    pub(crate) fn on(address: SocketAddr, answers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let (shared, seen) = (inner.clone(), stopping.clone());
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if seen.load(Ordering::Acquire) {
                    return;
                }
                let shared = shared.clone();
                std::thread::spawn(move || serve(connection, &shared));
            }
        });
        let server = Self {
            address,
            inner,
            stopping,
            thread: Some(thread),
        };
        for (path, body) in answers {
            server.answer(path, 200, body);
        }
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn answer(&self, path: &str, status: u16, body: &str) {
        let answer = (status, body.to_owned());
        self.inner
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), answer);
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.inner
            .lock()
            .unwrap()
            .asked
            .get(path)
            .copied()
            .unwrap_or(0)
    }

    /// Says it on every open stream; how many heard it.
    pub(crate) fn say(&self, text: &str) -> usize {
        let mut inner = self.inner.lock().unwrap();
        inner.streams.retain_mut(|stream| {
            let chunk = format!("{:x}\r\n{text}\r\n", text.len());
            stream.write_all(chunk.as_bytes()).is_ok()
        });
        inner.streams.len()
    }

    pub(crate) fn cut_streams(&self) {
        for stream in self.inner.lock().unwrap().streams.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// The listener and every connection are gone when this returns: as after kill -9.
impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        for stream in self.inner.lock().unwrap().open.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

fn serve(mut connection: TcpStream, inner: &Mutex<Inner>) {
    inner
        .lock()
        .unwrap()
        .open
        .push(connection.try_clone().unwrap());
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        // Up to the blank line.
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut shared = inner.lock().unwrap();
        *shared.asked.entry(path.clone()).or_default() += 1;
        let (status, body) = shared
            .answers
            .get(&path)
            .cloned()
            .unwrap_or((404, "{}".to_owned()));
        if path == "/api/v1/stream" && status == 200 {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            connection.write_all(head.as_bytes()).ok();
            shared.streams.push(connection.try_clone().unwrap());
            continue;
        }
        drop(shared);
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) const DEPARTMENTS: &str = r#"{"as_of":"2026-03-01T10:00:00Z","departments":[
 {"site":"st-mary","department":"ED","beds":12,"staffed":12,"occupied":11,"occupied_unstaffed":0,"available_unstaffed":0,"available":0,"reserved":0,"dirty":1,"cleaning":0,"blocked":0,"closed":0,"unknown":0,"on_leave":0,"pending_in":1,"pending_out":2,"occupancy":0.9166,"conflicts":0,"oldest_dirty_s":840,"age_s":3,"coverage":1.0},
 {"site":"st-mary","department":"ICU","beds":12,"staffed":11,"occupied":10,"occupied_unstaffed":0,"available_unstaffed":0,"available":1,"reserved":0,"dirty":0,"cleaning":0,"blocked":0,"closed":1,"unknown":0,"on_leave":0,"pending_in":0,"pending_out":0,"occupancy":0.909,"conflicts":0,"oldest_dirty_s":null,"age_s":9,"coverage":1.0}]}"#;
pub(crate) const BEDS: &str = r#"{"as_of":"2026-03-01T10:00:00Z","beds":[{"site":"st-mary","bed":"ICU^1^1","department":"ICU","class":"icu","staffed":true,"status":"occupied","reason":null,"on_leave":false,"since":"2026-03-01T09:00:00Z","age_s":9,"listed":true,"flags":[],"conflict":[]}]}"#;
pub(crate) const DEVICES: &str = r#"{"as_of":"2026-03-01T10:00:00Z","devices":[{"site":"st-mary","device":"p1","department":"ICU","kind":"pump","state":"in-use","reason":null,"battery":80,"location":null,"since":null,"age_s":4,"silent":false},{"site":"st-mary","device":"p2","department":"ED","kind":"pump","state":"ready","reason":null,"battery":null,"location":null,"since":null,"age_s":4,"silent":true}]}"#;
pub(crate) const SOURCES: &str = r#"{"as_of":"2026-03-01T10:00:00Z","sources":[{"site":"st-mary","kind":"agent","name":"gw-1","connected":true,"last_event":"2026-03-01T09:59:57Z","age_s":3,"backlog":0,"lag_s":1,"watermark":17,"incarnation":"1","gaps":0,"clock_uncertainty_ms":null,"insecure":false,"problem":null,"feed":null}]}"#;
pub(crate) const ACCOUNTING: &str = r#"{"as_of":"2026-03-01T10:00:00Z","stages":[{"stage":"ledger","site":"st-mary","received":17,"applied":17,"late":0,"duplicate":0,"sidelined":0,"evicted":0,"filtered":0,"in_flight":0,"unaccounted":0}],"unaccounted":0}"#;
pub(crate) const ABOUT: &str = r#"{"name":"wardline","version":"0.1.0","site":"st-mary","timezone":"Europe/Berlin","up_s":60,"addresses":{},"warnings":[]}"#;
pub(crate) const REASONS: &str = r#"{"as_of":"2026-03-01T10:00:00Z","reasons":[]}"#;

pub(crate) fn answers() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/api/v1/departments", DEPARTMENTS),
        ("/api/v1/beds", BEDS),
        ("/api/v1/devices", DEVICES),
        ("/api/v1/sources", SOURCES),
        ("/api/v1/accounting", ACCOUNTING),
        ("/api/v1/about", ABOUT),
        ("/api/v1/reasons", REASONS),
        ("/api/v1/stream", ""),
    ]
}
