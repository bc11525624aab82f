//! A TCP proxy whose link can be cut as real links are: silently (bytes vanish, nobody is told), or with a reset.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CHUNK_BYTES: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Up,
    /// Bytes of connections that are open vanish, new ones are accepted and hear nothing: a dead route.
    Silent,
    /// Open connections are closed, new ones too.
    Down,
}

#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: Arc<watch::Sender<Option<SocketAddr>>>,
    link: Arc<watch::Sender<Link>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let target = Arc::new(watch::channel(None).0);
        let link = Arc::new(watch::channel(Link::Up).0);
        let task = tokio::spawn(accept(listener, target.clone(), link.clone()));
        Ok(Self {
            address,
            target,
            link,
            task,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections go here from now on.
    pub fn point_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<watch::Sender<Option<SocketAddr>>>,
    link: Arc<watch::Sender<Link>>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let next = *target.borrow();
        connections.spawn(carry(near, next, link.subscribe()));
    }
}

async fn carry(near: TcpStream, target: Option<SocketAddr>, mut link: watch::Receiver<Link>) {
    let now = *link.borrow_and_update();
    let far = match (now, target) {
        (Link::Up, Some(target)) => TcpStream::connect(target).await.ok(),
        _ => None,
    };
    let Some(far) = far else {
        // A dead route: the connection stays open and nothing is ever heard on it.
        if now == Link::Silent {
            link.wait_for(|l| *l != Link::Silent).await.ok();
        }
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let silenced = link.clone();
    tokio::select! {
        () = pump(near_read, far_write, silenced.clone()) => {}
        () = pump(far_read, near_write, silenced) => {}
        _ = link.wait_for(|l| *l == Link::Down) => {}
    }
}

/// Copies until the end; while the link is silent, what arrives is thrown away. A connection that has lost bytes is
/// never given more: TCP would not do that either.
async fn pump<R, W>(mut from: R, mut to: W, link: watch::Receiver<Link>)
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut lost = false;
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(0) if lost => std::future::pending().await,
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        lost |= *link.borrow() == Link::Silent;
        let bytes = buffer.get(..n).unwrap_or_default();
        if !lost && to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
