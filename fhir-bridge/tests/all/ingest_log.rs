//! Ingest on the real embedded log: what the log holds is what counts, after any restart and any failed append
//! (docs/specs/ingest.md I5, I10, I11, I18 to I22).

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use crate::ingest_support::*;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wardline_bridge::BridgeError;
use wardline_bridge::ingest::decide::{Group, Incoming};
use wardline_bridge::ingest::queue::{self, AgentConnection, Answers, Job, ReceiptSink};
use wardline_bridge::ingest::state::{IngestState, SNAPSHOT_KEY};
use wardline_bridge::ingest::task::Ingest;
use wardline_bridge::ingest::topics::{Keep, Topics};
use wardline_bridge::status::StatusCollector;
use wardline_log::embedded::EmbeddedLog;
use wardline_log::{LogError, Record, SharedLog};
use wardline_log_contract::{Fault, FaultyLog};
use wardline_model::Receipt;
use wardline_model::topic::{BRIDGE_STATE, EDGE_FRAMES, SIDELINE};
use wardline_service::{StopHandle, SystemClock, stop_pair};

/// The ingest task alone, fed by hand.
struct Bench {
    queue: mpsc::Sender<Job>,
    collector: Arc<StatusCollector>,
    receipts: Arc<Mutex<Vec<Receipt>>>,
    stop: StopHandle,
    task: JoinHandle<Result<(), BridgeError>>,
}

impl Bench {
    async fn start(log: &SharedLog) -> Self {
        let state = IngestState::load(log.as_ref()).await.unwrap();
        let (queue, jobs) = queue::channel();
        let collector = Arc::new(StatusCollector::new(SystemClock::shared()));
        let receipts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&receipts);
        let sink: ReceiptSink = Arc::new(move |topic: &str, payload: Bytes| {
            let receipt = Receipt::decode(&payload).unwrap();
            assert_eq!(
                topic,
                format!("wardline/v1/st-mary/{}/receipt", receipt.agent)
            );
            seen.lock().unwrap().push(receipt);
        });
        let ingest = Ingest::new(site(), Arc::clone(log), state, Arc::clone(&collector), sink);
        let (stop, stopped) = stop_pair();
        let task = tokio::spawn(ingest.run(jobs, stopped));
        Self {
            queue,
            collector,
            receipts,
            stop,
            task,
        }
    }

    fn send(&self, name: &str, frames: &[Bytes]) -> oneshot::Receiver<Answers> {
        self.job(None, name, frames)
    }

    fn send_on(
        &self,
        connection: &Arc<AgentConnection>,
        name: &str,
        frames: &[Bytes],
    ) -> oneshot::Receiver<Answers> {
        self.job(Some(Arc::clone(connection)), name, frames)
    }

    fn job(
        &self,
        connection: Option<Arc<AgentConnection>>,
        name: &str,
        frames: &[Bytes],
    ) -> oneshot::Receiver<Answers> {
        let incoming = |bytes: &Bytes| Incoming {
            agent: agent(name),
            bytes: bytes.clone(),
        };
        let group = Group {
            connection: connection.as_ref().map_or(0, |connection| connection.id),
            frames: frames.iter().map(incoming).collect(),
        };
        let (reply, settled) = oneshot::channel();
        let job = Job {
            group,
            connection,
            reply,
            room: None,
        };
        self.queue.try_send(job).unwrap();
        settled
    }

    async fn acked(&self, name: &str, frames: &[Bytes]) {
        let answers = self.send(name, frames).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    fn receipts(&self) -> Vec<Receipt> {
        self.receipts.lock().unwrap().clone()
    }

    async fn stop(self) {
        self.stop.stop();
        self.task.await.unwrap().unwrap();
    }

    /// As a crash does it: nothing is written down.
    async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.is_err());
    }
}

async fn open(dir: &Path, topics: &Topics) -> SharedLog {
    let log: SharedLog = EmbeddedLog::open(dir, SystemClock::shared()).unwrap();
    log.create_topics(&topics.specs()).await.unwrap();
    log
}

async fn snapshots(log: &SharedLog) -> usize {
    let entries = all(log.as_ref(), BRIDGE_STATE).await;
    let own = |r: &Record| r.key.as_deref() == Some(SNAPSHOT_KEY.as_bytes());
    entries.iter().filter(|e| own(&e.record)).count()
}

#[tokio::test]
async fn p3_i10_after_a_crash_the_log_is_what_counts() {
    let dir = tempfile::tempdir().unwrap();
    for (round, stop_cleanly) in [(0, true), (1, false), (2, false), (3, true), (4, false)] {
        let log = open(dir.path(), &Topics::default()).await;
        let bench = Bench::start(&log).await;
        let before = held(log.as_ref()).await.of("gw-1", LIFE).len() as u64;
        let view = bench.collector.ingest();
        assert_eq!(view.counts.applied, before, "round {round}");
        assert_eq!(view.counts.unaccounted(), 0);
        let first = round * 100 + 1;
        bench
            .acked("gw-1", &[frame("gw-1", (first, first + 59), 1)])
            .await;
        // A resend across the border of a crash is recognised.
        bench
            .acked(
                "gw-1",
                &[frame(
                    "gw-1",
                    (first.saturating_sub(40).max(1), first + 99),
                    1,
                )],
            )
            .await;
        bench
            .acked("gw-1", &[Bytes::from(format!("noise {round}"))])
            .await;
        let view = bench.collector.ingest();
        assert_eq!(view.counts.unaccounted(), 0);
        assert_eq!(view.agents[&agent("gw-1")].up_to, first + 99);
        assert_eq!(view.counts.sidelined, round + 1);
        if stop_cleanly {
            bench.stop().await;
        } else {
            bench.crash().await;
        }
        log.close().await.unwrap();
    }
    let log = open(dir.path(), &Topics::default()).await;
    assert_eq!(
        held(log.as_ref()).await.of("gw-1", LIFE),
        (1..=500).collect::<Vec<_>>()
    );
    assert_eq!(all(log.as_ref(), SIDELINE).await.len(), 5);
    let state = IngestState::load(log.as_ref()).await.unwrap();
    assert_eq!((state.counts.applied, state.counts.sidelined), (500, 5));
    assert_eq!(state.counts.unaccounted(), 0);
    log.close().await.unwrap();
}

#[tokio::test]
async fn p2_i19_neither_ack_nor_receipt_before_the_log_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = faulty(open(dir.path(), &Topics::default()).await);
    let log: SharedLog = faulty.clone();
    let bench = Bench::start(&log).await;
    faulty.hold();
    let mut first = bench.send("gw-1", &[frame("gw-1", (1, 3), 1)]);
    until("the append to begin", async || {
        (faulty.waiting.load(std::sync::atomic::Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    let later: Vec<_> = (0..20)
        .map(|n| bench.send("gw-1", &[frame("gw-1", (4 + n, 4 + n), 1)]))
        .collect();
    assert!(first.try_recv().is_err() && bench.receipts().is_empty());
    assert!(held(log.as_ref()).await.events.is_empty());
    faulty.release();
    assert!(first.await.unwrap()[0].is_ok());
    for settled in later {
        assert!(settled.await.unwrap()[0].is_ok());
    }
    assert_eq!(
        held(log.as_ref()).await.of("gw-1", LIFE),
        (1..=23).collect::<Vec<_>>()
    );
    assert_eq!(
        faulty.appends.load(std::sync::atomic::Ordering::SeqCst),
        2,
        "I18: what waited goes together"
    );
    let receipts = bench.receipts();
    assert_eq!(
        receipts.iter().map(|r| r.up_to).collect::<Vec<_>>(),
        [3, 23],
        "I20: one for each append"
    );
    bench.stop().await;
    log.close().await.unwrap();
}

#[tokio::test]
async fn p3_i18_a_failed_append_is_tried_again_and_a_half_seen_one_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = faulty(open(dir.path(), &Topics::default()).await);
    let log: SharedLog = faulty.clone();
    let bench = Bench::start(&log).await;
    faulty.refuse.store(2, std::sync::atomic::Ordering::SeqCst);
    bench.acked("gw-1", &[frame("gw-1", (1, 5), 1)]).await;
    faulty
        .lose_answers
        .store(1, std::sync::atomic::Ordering::SeqCst);
    bench
        .acked(
            "gw-1",
            &[frame("gw-1", (6, 9), 1), Bytes::from_static(b"noise")],
        )
        .await;
    faulty
        .lose_answers
        .store(1, std::sync::atomic::Ordering::SeqCst);
    bench.acked("gw-1", &[frame("gw-1", (12, 13), 12)]).await;
    let found = held(log.as_ref()).await;
    assert_eq!(found.of("gw-1", LIFE), [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13]);
    assert_eq!(found.gaps, [(10, 11)], "a gap is recorded once as well");
    assert_eq!(all(log.as_ref(), SIDELINE).await.len(), 1);
    let view = bench.collector.ingest();
    assert_eq!(
        (view.counts.applied, view.counts.sidelined, view.gaps),
        (11, 1, 1)
    );
    assert_eq!(view.counts.unaccounted(), 0);
    assert!(bench.collector.problems()[0].contains("cannot be written"));
    bench.stop().await;
    log.close().await.unwrap();
}

#[tokio::test]
async fn p2_i20_a_stop_while_the_log_is_away_acknowledges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = faulty(open(dir.path(), &Topics::default()).await);
    let log: SharedLog = faulty.clone();
    let bench = Bench::start(&log).await;
    faulty
        .refuse
        .store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
    let settled = bench.send("gw-1", &[frame("gw-1", (1, 5), 1)]);
    until("the append to fail", async || {
        (!bench.collector.problems().is_empty()).then_some(())
    })
    .await;
    let receipts = Arc::clone(&bench.receipts);
    bench.stop().await;
    assert!(settled.await.is_err(), "dropped without an answer");
    assert!(receipts.lock().unwrap().is_empty());
    log.close().await.unwrap();
}

#[tokio::test]
async fn p3_i11_a_snapshot_outlives_what_retention_removes() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics {
        frames: Keep {
            bytes: 200_000,
            ms: u64::MAX / 4,
        },
        ..Topics::default()
    };
    let log = open(dir.path(), &topics).await;
    let bench = Bench::start(&log).await;
    for n in 0..60u64 {
        let tenth = |m: u64| {
            frame(
                "gw-1",
                (n * 1000 + m * 100 + 1, n * 1000 + m * 100 + 100),
                1,
            )
        };
        let frames: Vec<Bytes> = (0..10).map(tenth).collect();
        bench.acked("gw-1", &frames).await;
    }
    bench.stop().await;
    // One at the end; on a slow machine more before it, because ten seconds have gone by.
    assert!(snapshots(&log).await >= 1);
    log.close().await.unwrap();
    let embedded = EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
    embedded.maintain().await.unwrap();
    let log: SharedLog = embedded;
    let start = log.offsets(EDGE_FRAMES).await.unwrap()[0].start;
    assert!(
        start > 0,
        "retention must have removed something for this test to say anything"
    );
    log.close().await.unwrap();

    let log = open(dir.path(), &topics).await;
    let bench = Bench::start(&log).await;
    assert_eq!(bench.collector.ingest().counts.applied, 60_000);
    bench
        .acked(
            "gw-1",
            &[
                frame("gw-1", (1, 100), 1),
                frame("gw-1", (60_001, 60_002), 60_001),
            ],
        )
        .await;
    let view = bench.collector.ingest();
    assert_eq!(
        (view.counts.duplicate, view.counts.applied, view.gaps),
        (100, 60_002, 0)
    );
    assert_eq!(bench.receipts().last().unwrap().up_to, 60_002);
    bench.stop().await;
    log.close().await.unwrap();
}

#[tokio::test]
async fn i11_a_snapshot_of_another_log_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Topics::default()).await;
    let bench = Bench::start(&log).await;
    bench.acked("gw-1", &[frame("gw-1", (1, 5), 1)]).await;
    bench.stop().await;
    let snapshot = all(log.as_ref(), BRIDGE_STATE).await.pop().unwrap().record;
    log.close().await.unwrap();

    let other = tempfile::tempdir().unwrap();
    let log = open(other.path(), &Topics::default()).await;
    log.append(BRIDGE_STATE, vec![snapshot]).await.unwrap();
    let state = IngestState::load(log.as_ref()).await.unwrap();
    assert_eq!(state.marks.iter().count(), 0);
    let bench = Bench::start(&log).await;
    bench.acked("gw-1", &[frame("gw-1", (1, 5), 1)]).await;
    assert_eq!(
        held(log.as_ref()).await.of("gw-1", LIFE),
        [1, 2, 3, 4, 5],
        "this log must get them itself"
    );
    bench.stop().await;
    log.close().await.unwrap();
}

#[tokio::test]
async fn i11_a_newer_snapshot_stops_the_start_and_a_damaged_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Topics::default()).await;
    let bench = Bench::start(&log).await;
    bench.acked("gw-1", &[frame("gw-1", (1, 5), 1)]).await;
    bench.stop().await;
    let put = |value: &'static [u8]| Record {
        key: Some(Bytes::from_static(SNAPSHOT_KEY.as_bytes())),
        value: Some(Bytes::from_static(value)),
        ..Record::default()
    };
    log.append(BRIDGE_STATE, vec![put(b"{broken")])
        .await
        .unwrap();
    let state = IngestState::load(log.as_ref()).await.unwrap();
    assert_eq!(state.counts.applied, 5);
    log.append(BRIDGE_STATE, vec![put(br#"{"v":9}"#)])
        .await
        .unwrap();
    let error = IngestState::load(log.as_ref()).await.unwrap_err();
    assert!(
        matches!(error, BridgeError::NewerState { found: 9, .. }),
        "{error}"
    );
    log.close().await.unwrap();
}

#[tokio::test]
async fn p3_i10_many_partitions_are_rebuilt_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics {
        partitions: 3,
        ..Topics::default()
    };
    let log = open(dir.path(), &topics).await;
    let bench = Bench::start(&log).await;
    for n in 1..=9u64 {
        let name = format!("gw-{n}");
        bench.acked(&name, &[frame(&name, (1, n), 1)]).await;
    }
    let view = bench.collector.ingest();
    bench.crash().await;
    log.close().await.unwrap();
    let log = open(dir.path(), &topics).await;
    assert!(
        log.offsets(EDGE_FRAMES)
            .await
            .unwrap()
            .iter()
            .filter(|at| at.end > 0)
            .count()
            > 1
    );
    let bench = Bench::start(&log).await;
    assert_eq!(bench.collector.ingest().counts, view.counts);
    for n in 1..=9u64 {
        assert_eq!(
            bench.collector.ingest().agents[&agent(&format!("gw-{n}"))].up_to,
            n
        );
    }
    bench.stop().await;
    log.close().await.unwrap();
}

#[tokio::test]
async fn i15_after_a_refusal_a_connection_brings_nothing_more_and_the_next_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Topics::default()).await;
    let bench = Bench::start(&log).await;
    let mut newer = frame("gw-1", (1, 3), 1).to_vec();
    newer[4] = 2;
    let connection = AgentConnection::new(7);
    let refused = bench
        .send_on(&connection, "gw-1", &[newer.into()])
        .await
        .unwrap();
    assert!(refused[0].is_err());
    let follows = bench.send_on(&connection, "gw-1", &[frame("gw-1", (4, 6), 1)]);
    assert!(
        follows.await.is_err(),
        "dropped: it would overtake what was refused"
    );
    let next = bench.send_on(
        &AgentConnection::new(8),
        "gw-1",
        &[frame("gw-1", (1, 6), 1)],
    );
    assert!(next.await.unwrap()[0].is_ok());
    assert_eq!(
        held(log.as_ref()).await.of("gw-1", LIFE),
        [1, 2, 3, 4, 5, 6]
    );
    bench.stop().await;
    log.close().await.unwrap();
}

const CHILD: &str = "WARDLINE_TEST_INGEST_CHILD";

/// The process that is killed: frames in, and a line for each number that was acknowledged.
#[tokio::test]
async fn child_of_p3_i10_kill_9() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let log = open(Path::new(&dir), &Topics::default()).await;
    let bench = Bench::start(&log).await;
    let agents = bench.collector.ingest().agents;
    let mut next = agents
        .get(&agent("gw-1"))
        .map_or(1, |watermark| watermark.up_to + 1);
    println!("start {next}");
    loop {
        let frames: Vec<Bytes> = (0..8)
            .map(|n| frame("gw-1", (next + n * 10, next + n * 10 + 9), 1))
            .collect();
        bench.acked("gw-1", &frames).await;
        next += 80;
        println!("acked {}", next - 1);
    }
}

#[test]
fn p3_i10_kill_9_loses_nothing_that_was_acknowledged() {
    use std::io::BufRead;
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acked = 0;
    for round in 0..5u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "ingest_log::child_of_p3_i10_kill_9",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        // How many lines are waited for differs from round to round; the kill falls anywhere in the next append.
        for _ in 0..5 + round * 7 {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, n)) = line.split_once("acked ") {
                acked = n.parse().unwrap();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(Ok(n)) = line.split_once("acked ").map(|(_, n)| n.parse()) {
                acked = n;
            }
        }
        runtime.block_on(async {
            let log = open(dir.path(), &Topics::default()).await;
            let events = held(log.as_ref()).await.of("gw-1", LIFE);
            let last = events.len() as u64;
            assert_eq!(events, (1..=last).collect::<Vec<_>>());
            assert!(
                last >= acked,
                "{acked} was acknowledged, {last} is in the log"
            );
            let state = IngestState::load(log.as_ref()).await.unwrap();
            assert_eq!(
                state.counts.applied, last,
                "counters equal what the log holds"
            );
            log.close().await.unwrap();
        });
    }
    assert!(acked > 0);
}

/// A log whose first append of frames fails and is in it all the same, after offsets were asked for.
fn with_one_in_flight(inner: &SharedLog) -> SharedLog {
    let faulty = FaultyLog::new(inner.clone()).only(EDGE_FRAMES);
    Arc::new(faulty.deciding(Box::new(|number, _| match number {
        0 => Fault::InFlight,
        _ => Fault::None,
    })))
}

#[tokio::test]
async fn p3_i18_an_append_that_is_still_on_its_way_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let inner = open(dir.path(), &Topics::default()).await;
    let log = with_one_in_flight(&inner);
    let bench = Bench::start(&log).await;
    bench.acked("gw-1", &[frame("gw-1", (1, 3), 1)]).await;
    bench.acked("gw-1", &[frame("gw-1", (4, 5), 1)]).await;
    assert_eq!(bench.collector.ingest().counts.unaccounted(), 0);
    bench.stop().await;
    assert_eq!(held(inner.as_ref()).await.of("gw-1", LIFE), [1, 2, 3, 4, 5]);
    inner.close().await.unwrap();
}

#[tokio::test]
async fn p3_i10_what_was_on_its_way_at_a_crash_is_counted_at_the_next_start() {
    let (elsewhere, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sent = frame("gw-1", (1, 3), 1);
    let other = open(elsewhere.path(), &Topics::default()).await;
    let bench = Bench::start(&other).await;
    bench.acked("gw-1", std::slice::from_ref(&sent)).await;
    bench.stop().await;
    let written = all(other.as_ref(), EDGE_FRAMES).await.remove(0).record;
    other.close().await.unwrap();

    let inner = open(dir.path(), &Topics::default()).await;
    let log = with_one_in_flight(&inner);
    let lost = log.append(EDGE_FRAMES, vec![written]).await;
    assert!(matches!(lost, Err(LogError::Unavailable { .. })));
    let bench = Bench::start(&log).await;
    assert_eq!(bench.collector.ingest().counts.applied, 3);
    bench.acked("gw-1", &[sent]).await;
    bench.stop().await;
    assert_eq!(held(inner.as_ref()).await.of("gw-1", LIFE), [1, 2, 3]);
    inner.close().await.unwrap();
}
