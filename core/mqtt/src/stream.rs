//! Byte streams and who is at their other end.
//!
//! The listener, HL7 senders and the client run over a [`Stream`], whatever carries it: TCP in production, a pipe in
//! memory in tests. A stream comes with its [`Peer`], so that nobody behind it asks a socket who is there. This is the
//! one place that names TCP: [`TcpAcceptor`] for those who listen, [`TcpDialer`] for those who connect.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A stream, whatever it is made of. One indirect call a read or write costs nothing beside the system call.
pub type Stream = Box<dyn ByteStream>;

/// Who is at the other end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it comes from, for people and as the source of an event.
    pub address: Arc<str>,
    /// The name that the stream itself proved; `None`: it proves none.
    pub identity: Option<Arc<str>>,
}

impl Peer {
    /// Somebody of whom nothing is known but where they are.
    pub fn at(address: &(impl fmt::Display + ?Sized)) -> Self {
        Self {
            address: address.to_string().into(),
            identity: None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// Where new streams come from.
pub trait Acceptor: Send + 'static {
    /// The next stream. May be dropped before it resolves without losing one.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Stream, Peer)>>;
}

/// Listens on a TCP address.
#[derive(Debug)]
pub struct TcpAcceptor(TcpListener);

impl TcpAcceptor {
    /// Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the system does not let this process listen there.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// The address that is listened on.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Acceptor for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Stream, Peer)>> {
        Box::pin(async {
            let (stream, address) = self.0.accept().await?;
            Ok((plain(stream)?, Peer::at(&address)))
        })
    }
}

/// Makes a stream to the other side.
pub trait Dialer: Send + Sync + 'static {
    /// A new stream; whoever waits sets the limit.
    fn dial(&self) -> BoxFuture<'_, io::Result<Stream>>;
}

/// Connects to a host over TCP.
#[derive(Debug, Clone)]
pub struct TcpDialer {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Dialer for TcpDialer {
    fn dial(&self) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            plain(stream)
        })
    }
}

/// Small answers leave at once: with one message in flight, waiting for company would cost a delayed ack each.
fn plain(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
