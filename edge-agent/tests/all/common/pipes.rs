//! Streams in memory: what is dialled at one end is accepted at the other.

use std::io;
use std::sync::Arc;

use tokio::io::duplex;
use tokio::sync::mpsc;
use wardline_mqtt::{Acceptor, BoxFuture, Dialer, Peer, Stream};

pub(crate) struct Pipes {
    accepted: mpsc::Sender<(Stream, Peer)>,
    /// What a pipe holds each way.
    bytes: usize,
}

pub(crate) struct PipeAcceptor(mpsc::Receiver<(Stream, Peer)>);

pub(crate) fn pipes(bytes: usize) -> (Arc<Pipes>, PipeAcceptor) {
    let (accepted, receiver) = mpsc::channel(64);
    (Arc::new(Pipes { accepted, bytes }), PipeAcceptor(receiver))
}

impl Pipes {
    pub(crate) fn open(&self) -> Stream {
        let (near, far) = duplex(self.bytes);
        let far = (Box::new(far) as Stream, Peer::at("bed 7"));
        self.accepted.try_send(far).unwrap();
        Box::new(near)
    }
}

impl Dialer for Pipes {
    fn dial(&self) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(async { Ok(self.open()) })
    }
}

impl PipeAcceptor {
    /// How many were dialled and never accepted; they stay open and silent.
    pub(crate) fn waiting(&self) -> usize {
        self.0.len()
    }
}

impl Acceptor for PipeAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Stream, Peer)>> {
        Box::pin(async {
            match self.0.recv().await {
                Some(accepted) => Ok(accepted),
                None => std::future::pending().await,
            }
        })
    }
}
