//! Streams without sockets: pipes in memory, so that time and pieces are the test's own.

use std::io;
use std::sync::Arc;

use tokio::io::duplex;
use tokio::sync::mpsc;
use wardline_mqtt::{Acceptor, BoxFuture, Limits, Listener, Peer, Stream};

use super::{Raw, TestHandler};

/// Opens pipes to a listener.
pub struct Pipes(mpsc::Sender<(Stream, Peer)>);

impl Pipes {
    /// A pipe that holds so many bytes each way.
    pub fn open(&self, bytes: usize) -> Raw {
        Raw::over(self.stream(bytes))
    }

    pub fn stream(&self, bytes: usize) -> Stream {
        let (near, far) = duplex(bytes);
        let peer = Peer {
            address: "bed 7".into(),
            identity: Some("pump-7".into()),
        };
        self.0.try_send((Box::new(far), peer)).unwrap();
        Box::new(near)
    }
}

struct PipeAcceptor(mpsc::Receiver<(Stream, Peer)>);

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

pub fn start_in_memory(limits: Limits) -> (Listener, Arc<TestHandler>, Pipes) {
    let handler = Arc::new(TestHandler::default());
    let (sender, receiver) = mpsc::channel(64);
    let acceptor = Box::new(PipeAcceptor(receiver));
    let listener = Listener::serve(acceptor, limits, handler.clone()).unwrap();
    (listener, handler, Pipes(sender))
}
