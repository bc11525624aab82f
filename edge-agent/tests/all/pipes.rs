//! HL7 senders and the uplink over pipes in memory: how bytes are cut, who stalls and what time it is, the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use wardline_agent::intake::mllp::{Mllp, codec, serve};
use wardline_agent::store::Store;
use wardline_service::{StopHandle, stop_pair};

use crate::common::bridge::Bridge;
use crate::common::pipes::{Pipes, pipes};
use crate::common::{all, clock, open, texts, until_async};
use crate::uplink::Agent;

struct Hl7 {
    store: Store,
    pipes: Arc<Pipes>,
    connections: Arc<AtomicU64>,
    serving: JoinHandle<()>,
    stop: StopHandle,
    _dir: tempfile::TempDir,
}

/// MLLP over pipes that hold so many bytes.
fn hl7(bytes: usize) -> Hl7 {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.redb"));
    let connections = Arc::new(AtomicU64::new(0));
    let mllp = Mllp::new(store.clone(), clock(), Arc::clone(&connections));
    let (pipes, acceptor) = pipes(bytes);
    let (stop, stopped) = stop_pair();
    let serving = tokio::spawn(serve(Box::new(acceptor), Arc::new(mllp), stopped));
    Hl7 {
        store,
        pipes,
        connections,
        serving,
        stop,
        _dir: dir,
    }
}

impl Hl7 {
    async fn end(self) -> Store {
        self.stop.stop();
        self.serving.await.unwrap();
        self.store
    }
}

fn message(id: usize) -> Vec<u8> {
    let text = format!("MSH|^~\\&|HIS|STM|W|L|20260301||ADT^A01|{id}|P|2.5\rPID|1\r");
    codec::encode(text.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn p1_ml6_messages_over_any_stream_are_stored_and_answered_in_order() {
    // Every byte is a read and a write of its own.
    let hl7 = hl7(1);
    let (mut reader, mut writer) = tokio::io::split(hl7.pipes.open());
    let sending = tokio::spawn(async move {
        for id in 0..5 {
            writer.write_all(&message(id)).await.unwrap();
        }
        writer
    });
    for id in 0..5 {
        let mut answer = Vec::new();
        while !answer.ends_with(&[codec::FS, codec::CR]) {
            answer.push(reader.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains(&format!("\rMSA|AA|{id}\r")), "{answer:?}");
        assert!(
            texts(&hl7.store).len() > id + 1,
            "answered before it was stored"
        );
    }
    drop((sending.await.unwrap(), reader));
    let store = hl7.end().await;
    let sources: Vec<String> = all(&store).into_iter().map(|(_, e)| e.source).collect();
    assert_eq!(sources[1..], ["bed 7"; 5]);
    store.close();
}

#[tokio::test(start_paused = true)]
async fn ml8_a_sender_that_takes_no_answer_is_given_up() {
    let hl7 = hl7(16);
    let (_reader, mut writer) = tokio::io::split(hl7.pipes.open());
    let began = Instant::now();
    writer.write_all(&message(1)).await.unwrap();
    let gone = || hl7.connections.load(Ordering::Relaxed) == 0;
    until_async("it is there", || !gone()).await;
    until_async("it is given up", gone).await;
    assert!(began.elapsed() >= Duration::from_secs(30));
    let store = hl7.end().await;
    assert_eq!(store.held().events, 2, "what was taken is kept");
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_the_uplink_runs_over_any_stream() {
    let (pipes, acceptor) = pipes(64);
    let (bridge, listener) = Bridge::serve(Box::new(acceptor));
    let mut agent = Agent::new(60_000);
    agent.append(10).await;
    agent.connect_over(pipes);
    until_async("all is in the log", || bridge.up_to() == 11).await;
    until_async("all is freed", || agent.store.held().events == 0).await;
    assert_eq!(bridge.connects(), 1);
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn p7_a_silent_site_is_tried_again_within_bounds() {
    let (pipes, acceptor) = pipes(1024);
    let mut agent = Agent::new(60_000);
    agent.connect_over(pipes);
    sleep(Duration::from_secs(600)).await;
    // Every attempt takes 10 s, and every pause up to 30 s.
    let tried = acceptor.waiting();
    assert!((15..=60).contains(&tried), "{tried} attempts");
    agent.end().await;
}
