//! The way to the site against a real listener: receipts sent and withheld, links cut and silent, lanes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::bridge::{AGENT, Bridge, Relay, SITE};
use crate::common::{clock, config, event, until_async};
use wardline_agent::buffer::window::WindowLimits;
use wardline_agent::status::{Connections, StatusSource};
use wardline_agent::store::Store;
use wardline_agent::uplink::Uplink;
use wardline_disk::FileDisk;
use wardline_model::status::AgentStatus;
use wardline_model::{AgentName, Incarnation, Lane, Receipt, SiteName};
use wardline_mqtt::Dialer;
use wardline_service::{MqttUrl, StopHandle, stop_pair};

pub(crate) struct Agent {
    pub(crate) store: Store,
    stop: Option<StopHandle>,
    task: Option<tokio::task::JoinHandle<()>>,
    limits: WindowLimits,
    _dir: tempfile::TempDir,
}

impl Agent {
    pub(crate) fn new(timeout_ms: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(
            FileDisk::new(dir.path().join("store.redb")),
            config(),
            clock(),
        )
        .unwrap();
        let limits = WindowLimits {
            timeout_ms,
            ..WindowLimits::default()
        };
        Self {
            store,
            stop: None,
            task: None,
            limits,
            _dir: dir,
        }
    }

    fn connect(&mut self, addr: std::net::SocketAddr) {
        let uplink = self.uplink(&format!("mqtt://{addr}"));
        self.run(uplink);
    }

    pub(crate) fn connect_over(&mut self, dialer: Arc<dyn Dialer>) {
        let uplink = self.uplink("mqtt://pipe:1").over(dialer);
        self.run(uplink);
    }

    fn uplink(&self, url: &str) -> Uplink {
        let agent = AgentName::new(AGENT).unwrap();
        let status = StatusSource {
            agent: agent.clone(),
            store: self.store.clone(),
            clock: clock(),
            quota_bytes: 64 << 20,
            insecure: false,
            connections: Connections::default(),
            online: AtomicBool::new(false),
        };
        Uplink::new(
            self.store.clone(),
            Arc::new(status),
            SiteName::new(SITE).unwrap(),
            agent,
            MqttUrl::parse(url).unwrap(),
            self.limits,
        )
    }

    fn run(&mut self, uplink: Uplink) {
        let (handle, stop) = stop_pair();
        self.stop = Some(handle);
        self.task = Some(tokio::spawn(uplink.run(stop)));
    }

    async fn disconnect(&mut self) {
        drop(self.stop.take());
        self.task.take().unwrap().await.unwrap();
    }

    pub(crate) async fn append(&self, count: usize) {
        let events = (0..count).map(|n| event(&format!("e{n}"))).collect();
        self.store
            .append(events, Vec::new())
            .await
            .unwrap()
            .unwrap();
    }

    fn receipt(&self, up_to: u64) -> Receipt {
        Receipt {
            v: 1,
            agent: AgentName::new(AGENT).unwrap(),
            incarnation: self.store.held().incarnation,
            up_to,
            ranges: vec![],
        }
    }

    pub(crate) async fn end(mut self) {
        if self.task.is_some() {
            self.disconnect().await;
        }
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.close())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_events_are_freed_by_receipts_and_by_nothing_else() {
    let (bridge, listener) = Bridge::start().await;
    bridge.set_receipts(false);
    let mut agent = Agent::new(60_000);
    agent.append(10).await;
    agent.connect(listener.local_addr().unwrap());
    until_async("all is in the log", || bridge.up_to() == 11).await;
    until_async("all is acked", || listener.stats().settled >= 1).await;
    assert_eq!(agent.store.held().events, 11, "a PUBACK frees nothing");
    let mut foreign = agent.receipt(11);
    foreign.incarnation = Incarnation(foreign.incarnation.0 ^ 1);
    bridge.send(&foreign);
    bridge.send(&agent.receipt(1_000));
    bridge.send(&agent.receipt(1));
    until_async("the first block is freed", || {
        agent.store.held().events == 10
    })
    .await;
    assert_eq!(
        agent.store.held().oldest,
        2,
        "foreign and impossible receipts freed nothing"
    );
    bridge.receipt();
    until_async("freed", || agent.store.held().events == 0).await;
    agent.append(1).await;
    until_async("new events follow", || bridge.up_to() == 12).await;
    assert_eq!(bridge.connects(), 1);
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_lost_receipts_lead_to_a_new_connection_and_the_same_frames_again() {
    let (bridge, listener) = Bridge::start().await;
    bridge.set_receipts(false);
    let mut agent = Agent::new(400);
    agent.append(5).await;
    agent.connect(listener.local_addr().unwrap());
    until_async("sent again", || {
        bridge.connects() >= 2 && bridge.frame_count() >= 2
    })
    .await;
    assert_eq!(agent.store.held().events, 6);
    let frames = bridge.on_lane(Lane::Live);
    assert_eq!(frames[0].0, 1);
    assert!(
        frames.iter().skip(1).any(|f| f.0 == 1),
        "from the oldest held on: {frames:?}"
    );
    bridge.set_receipts(true);
    until_async("freed", || agent.store.held().events == 0).await;
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_a_bridge_that_acks_nothing_is_left() {
    let (bridge, listener) = Bridge::start().await;
    bridge.set_receipts(false);
    bridge.hold.send_replace(true);
    let mut agent = Agent::new(400);
    agent.append(5).await;
    agent.connect(listener.local_addr().unwrap());
    until_async("a frame came", || bridge.frame_count() >= 1).await;
    // The old connection's messages are settled only now; before that the listener lets nobody take over.
    let relet = Arc::clone(&bridge);
    until_async("the agent left", || {
        listener.stats().closed.values().sum::<u64>() >= 1
    })
    .await;
    relet.hold.send_replace(false);
    relet.set_receipts(true);
    until_async("freed after all", || agent.store.held().events == 0).await;
    assert!(bridge.connects() >= 2);
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_cut_and_silent_links_lose_and_reorder_nothing() {
    let (bridge, listener) = Bridge::start().await;
    let relay = Relay::start(listener.local_addr().unwrap()).await;
    let mut agent = Agent::new(500);
    agent.connect(relay.addr);
    for round in 0..6 {
        for _ in 0..20 {
            agent.append(3).await;
        }
        match round % 3 {
            0 => relay.cut_all(),
            1 => {
                relay.frozen.send_replace(true);
                agent.append(7).await;
                let before = bridge.connects();
                relay.frozen.send_replace(false);
                until_async("the silent link was left", || bridge.connects() > before).await;
            }
            _ => {}
        }
    }
    until_async("all freed", || agent.store.held().events == 0).await;
    let next = agent.store.held().next_seq;
    assert_eq!(bridge.up_to(), next - 1);
    for (_, frame) in bridge.frames.lock().unwrap().iter() {
        assert!(frame.header.oldest_held <= frame.header.first);
    }
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_new_events_overtake_a_large_backlog_and_each_lane_is_in_order() {
    let (bridge, listener) = Bridge::start().await;
    // One receipt opens the window: before it, a single frame is on its way.
    bridge.allow_receipts(1);
    let mut agent = Agent::new(60_000);
    agent.limits = WindowLimits {
        frames_max: 8,
        live_reserve_frames: 3,
        inline_events_max: 100,
        ..agent.limits
    };
    for _ in 0..12 {
        agent.append(4000).await;
    }
    let boundary = agent.store.held().next_seq;
    agent.connect(listener.local_addr().unwrap());
    // Without further receipts the backlog may fill its share of the window and no more.
    until_async("the backlog's share is sent", || {
        bridge.on_lane(Lane::Backlog).len() == 6
    })
    .await;
    agent.append(10).await;
    until_async("live goes first", || bridge.on_lane(Lane::Live).len() == 1).await;
    assert_eq!(bridge.on_lane(Lane::Live)[0].0, boundary);
    assert_eq!(bridge.on_lane(Lane::Backlog).len(), 6);
    bridge.set_receipts(true);
    bridge.receipt();
    until_async("all freed", || agent.store.held().events == 0).await;
    for lane in [Lane::Live, Lane::Backlog] {
        let sent = bridge.on_lane(lane);
        assert!(
            sent.windows(2).all(|w| w[0].1 < w[1].0),
            "{lane:?} out of order: {sent:?}"
        );
    }
    assert_eq!(bridge.up_to(), agent.store.held().next_seq - 1);
    assert_eq!(bridge.connects(), 1);
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_small_commits_travel_in_few_frames() {
    let (bridge, listener) = Bridge::start().await;
    let mut agent = Agent::new(60_000);
    for _ in 0..200 {
        agent.append(1).await;
    }
    agent.connect(listener.local_addr().unwrap());
    until_async("freed", || agent.store.held().events == 0).await;
    assert!(
        bridge.frame_count() <= 3,
        "{} frames for 201 blocks",
        bridge.frame_count()
    );
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_a_refusing_bridge_is_the_same_as_none_and_is_tried_again() {
    let (bridge, listener) = Bridge::start().await;
    bridge.refuse.store(true, Ordering::SeqCst);
    let mut agent = Agent::new(60_000);
    agent.append(3).await;
    agent.connect(listener.local_addr().unwrap());
    until_async("tried again", || bridge.connects() >= 2).await;
    assert_eq!(agent.store.held().events, 4);
    bridge.refuse.store(false, Ordering::SeqCst);
    until_async("freed", || agent.store.held().events == 0).await;
    agent.end().await;
    listener.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_a_peer_that_never_answers_is_left_and_a_stop_does_not_wait_for_it() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&accepted);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = silent.accept().await {
            keep.lock().unwrap().push(stream);
        }
    });
    let mut agent = Agent::new(300);
    agent.connect(addr);
    until_async("a second attempt", || accepted.lock().unwrap().len() >= 2).await;
    let begun = std::time::Instant::now();
    agent.disconnect().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    agent.end().await;
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_retained_and_says_online_and_offline() {
    let (bridge, listener) = Bridge::start().await;
    let mut agent = Agent::new(60_000);
    agent.append(2).await;
    agent.connect(listener.local_addr().unwrap());
    until_async("online", || !bridge.statuses.lock().unwrap().is_empty()).await;
    agent.disconnect().await;
    until_async("offline", || bridge.statuses.lock().unwrap().len() >= 2).await;
    let statuses: Vec<AgentStatus> = bridge
        .statuses
        .lock()
        .unwrap()
        .iter()
        .map(|s| serde_json::from_slice(s).unwrap())
        .collect();
    assert!(statuses[0].online && !statuses.last().unwrap().online);
    assert_eq!(
        (statuses[0].agent.as_str(), statuses[0].next_seq),
        (AGENT, 4)
    );
    agent.end().await;
    listener.shutdown().await;
}
