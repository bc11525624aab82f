//! A site in miniature: the real MQTT listener, a log in memory, receipts that can be withheld; and a link that can
//! fall silent without closing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wardline_model::{AgentName, Frame, Lane, RangeSet, Receipt, SiteName, topic};
use wardline_mqtt::{
    Acceptor, BoxFuture, Client, ConnectRefusal, Handler, Limits, Listener, ListenerConfig,
    Publish, Publisher, Refusal, Session, Settlement,
};

pub(crate) const SITE: &str = "st-mary";
pub(crate) const AGENT: &str = "gw-1";

fn limits() -> Limits {
    Limits {
        packet_bytes_max: wardline_model::limits::FRAME_PACKET_BYTES_MAX,
        ..Limits::default()
    }
}

pub(crate) struct Bridge {
    pub(crate) frames: Mutex<Vec<(Lane, Frame)>>,
    pub(crate) log: Mutex<RangeSet>,
    /// How many receipts may still be sent; `usize::MAX` = all.
    pub(crate) receipts: AtomicUsize,
    pub(crate) connects: AtomicUsize,
    pub(crate) refuse: AtomicBool,
    pub(crate) statuses: Mutex<Vec<Vec<u8>>>,
    publisher: OnceLock<Publisher>,
    /// While true, nothing is acked.
    pub(crate) hold: watch::Sender<bool>,
}

impl Bridge {
    pub(crate) async fn start() -> (Arc<Self>, Listener) {
        let bridge = Self::new();
        let config = ListenerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            limits: limits(),
        };
        let listener = Listener::bind(config, bridge.clone()).await.unwrap();
        assert!(bridge.publisher.set(listener.publisher()).is_ok());
        (bridge, listener)
    }

    /// Whatever streams agents come over.
    pub(crate) fn serve(acceptor: Box<dyn Acceptor>) -> (Arc<Self>, Listener) {
        let bridge = Self::new();
        let listener = Listener::serve(acceptor, limits(), bridge.clone()).unwrap();
        assert!(bridge.publisher.set(listener.publisher()).is_ok());
        (bridge, listener)
    }

    fn new() -> Arc<Self> {
        Arc::new(Self {
            frames: Mutex::default(),
            log: Mutex::default(),
            receipts: AtomicUsize::new(usize::MAX),
            connects: AtomicUsize::new(0),
            refuse: AtomicBool::new(false),
            statuses: Mutex::default(),
            publisher: OnceLock::new(),
            hold: watch::Sender::new(false),
        })
    }

    pub(crate) fn send(&self, receipt: &Receipt) {
        let site = SiteName::new(SITE).unwrap();
        self.publisher
            .get()
            .unwrap()
            .send(&topic::receipt(&site, &receipt.agent), receipt.encode());
    }

    pub(crate) fn receipt(&self) {
        let frames = self.frames.lock().unwrap();
        let Some((_, frame)) = frames.last() else {
            return;
        };
        let receipt = Receipt::of(
            &frame.header.agent,
            frame.header.incarnation,
            &self.log.lock().unwrap(),
        );
        drop(frames);
        self.send(&receipt);
    }

    pub(crate) fn set_receipts(&self, on: bool) {
        self.allow_receipts(if on { usize::MAX } else { 0 });
    }

    pub(crate) fn allow_receipts(&self, count: usize) {
        self.receipts.store(count, Ordering::SeqCst);
    }

    /// Takes one of the receipts that may be sent.
    fn may_send(&self) -> bool {
        let left = self.receipts.load(Ordering::SeqCst);
        if left > 0 && left < usize::MAX && self.frame_count() > 0 {
            self.receipts.fetch_sub(1, Ordering::SeqCst);
        }
        left > 0
    }

    pub(crate) fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }

    pub(crate) fn up_to(&self) -> u64 {
        self.log.lock().unwrap().up_to()
    }

    /// Numbers in the order in which they came on a lane.
    pub(crate) fn on_lane(&self, lane: Lane) -> Vec<(u64, u64)> {
        let frames = self.frames.lock().unwrap();
        let on = frames.iter().filter(|(l, _)| *l == lane);
        on.map(|(_, f)| (f.header.first, f.header.last())).collect()
    }

    pub(crate) fn frame_count(&self) -> usize {
        self.frames.lock().unwrap().len()
    }

    fn take(&self, publish: &Publish) -> Settlement {
        let site = SiteName::new(SITE).unwrap();
        match topic::parse_upstream(&site, &publish.topic) {
            Some(topic::Upstream::Frame { agent, lane }) => {
                let frame = Frame::decode(&publish.payload).unwrap();
                assert_eq!(
                    (agent, lane),
                    (frame.header.agent.clone(), frame.header.lane)
                );
                self.log
                    .lock()
                    .unwrap()
                    .insert(frame.header.first, frame.header.last());
                self.frames.lock().unwrap().push((lane, frame));
                Settlement::Accepted
            }
            Some(topic::Upstream::Status { .. }) => {
                self.statuses.lock().unwrap().push(publish.payload.to_vec());
                Settlement::Accepted
            }
            None => Settlement::Refused(Refusal::NotAuthorized),
        }
    }
}

/// The handler of an `Arc<Bridge>` needs the bridge itself for the receipt after the batch.
impl Handler for Bridge {
    fn connect(&self, client: &Client) -> BoxFuture<'static, Result<Session, ConnectRefusal>> {
        assert_eq!(&*client.id, &format!("{SITE}.{AGENT}"));
        assert!(client.clean_start);
        let refuse = self.refuse.load(Ordering::SeqCst);
        self.connects.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if refuse {
                Err(ConnectRefusal::Unavailable)
            } else {
                Ok(Session::default())
            }
        })
    }

    fn publish(&self, _: &Client, batch: Vec<Publish>) -> BoxFuture<'static, Vec<Settlement>> {
        let verdicts: Vec<Settlement> = batch.iter().map(|p| self.take(p)).collect();
        if self.may_send() {
            self.receipt();
        }
        let mut hold = self.hold.subscribe();
        Box::pin(async move {
            hold.wait_for(|hold| !*hold).await.unwrap();
            verdicts
        })
    }

    fn release(&self, _: &Client, _: Vec<u16>) -> BoxFuture<'static, bool> {
        Box::pin(async { true })
    }

    fn subscribe(&self, _: &Client, filter: &str) -> bool {
        let (site, agent) = (SiteName::new(SITE).unwrap(), AgentName::new(AGENT).unwrap());
        filter == topic::receipt(&site, &agent)
    }
}

/// A TCP relay that can be frozen: bytes stop, connections stay.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    pub(crate) frozen: Arc<watch::Sender<bool>>,
    pub(crate) cut: Arc<watch::Sender<u64>>,
}

impl Relay {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let frozen = Arc::new(watch::Sender::new(false));
        let cut = Arc::new(watch::Sender::new(0));
        let (f, c) = (Arc::clone(&frozen), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(target).await.unwrap();
                let (cr, cw) = client.into_split();
                let (sr, sw) = server.into_split();
                // A connection that was there when the relay froze stays frozen for ever: the peer is gone.
                tokio::spawn(relay(cr, sw, f.subscribe(), c.subscribe()));
                tokio::spawn(relay(sr, cw, f.subscribe(), c.subscribe()));
            }
        });
        Self { addr, frozen, cut }
    }

    pub(crate) fn cut_all(&self) {
        self.cut.send_modify(|n| *n += 1);
    }
}

async fn relay(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
    mut cut: watch::Receiver<u64>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut dead = false;
    loop {
        tokio::select! {
            _ = cut.changed() => return,
            changed = frozen.changed() => match changed {
                Ok(()) => dead |= *frozen.borrow(),
                Err(_) => return,
            },
            read = from.read(&mut buffer), if !dead => match read {
                Ok(n) if n > 0 => {
                    if to.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
