//! What goes through one stream: bytes received and not yet a packet, packets made and not yet taken by the peer.
//!
//! Nothing here waits unless it is asked to. It keeps true that what was queued leaves in order and is flushed, and it
//! knows since when the peer takes nothing. Listener and client stand on it alike.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::limits::{LINGER_BYTES_MAX, LINGER_MS};
use crate::stream::Stream;
use crate::wire::Inbound;

pub(crate) struct Io {
    stream: Stream,
    /// What was read and is not yet decoded.
    pub(crate) inbound: Inbound,
    /// What was encoded and is not yet taken.
    pub(crate) out: BytesMut,
    /// Bytes were written behind which no flush has come through.
    unflushed: bool,
    blocked_since: Option<Instant>,
}

impl Io {
    pub(crate) fn new(stream: Stream, inbound: Inbound) -> Self {
        Self {
            stream,
            inbound,
            out: BytesMut::new(),
            unflushed: false,
            blocked_since: None,
        }
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.out.is_empty() && !self.unflushed
    }

    /// Since when the peer takes nothing of what is there for it.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// Writes what the stream takes at once. Never waits.
    pub(crate) async fn write_now(&mut self) -> io::Result<()> {
        poll_fn(|cx| match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        })
        .await
    }

    /// Waits until everything is with the peer's system.
    pub(crate) async fn send_all(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// Waits until something moved: what is unsent became less, or, with `read`, bytes came. Says how many came. The end
    /// of the stream is an error. May be dropped at any time without losing a byte.
    pub(crate) async fn moved(&mut self, read: bool) -> io::Result<usize> {
        poll_fn(|cx| {
            if !self.is_sent() {
                let before = self.out.len();
                match self.poll_send(cx) {
                    Poll::Ready(sent) => return Poll::Ready(sent.map(|()| 0)),
                    Poll::Pending if self.out.len() < before => return Poll::Ready(Ok(0)),
                    Poll::Pending => {}
                }
            }
            if read {
                self.poll_receive(cx)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Waits for bytes.
    pub(crate) async fn receive(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Ends our side and throws away what still comes, for a moment: closing over unread input would reset the connection,
    /// and the peer might lose our last packet.
    pub(crate) async fn linger(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drained = timeout(Duration::from_millis(LINGER_MS), async {
            let mut scrap = [0u8; 4096];
            let mut left = LINGER_BYTES_MAX;
            while let Ok(n) = self.stream.read(&mut scrap).await {
                left = left.saturating_sub(n);
                if n == 0 || left == 0 {
                    return;
                }
            }
        });
        if drained.await.is_err() {
            tracing::trace!("mqtt: the peer did not close");
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let n = ready!(poll_read_buf(
            Pin::new(&mut self.stream),
            cx,
            self.inbound.room()
        ))?;
        if n == 0 {
            return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
        }
        self.inbound.filled(n);
        Poll::Ready(Ok(n))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_write(cx);
        if sent.is_pending() {
            self.blocked_since.get_or_insert_with(Instant::now);
        } else {
            self.blocked_since = None;
        }
        sent
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = poll_write_buf(Pin::new(&mut self.stream), cx, &mut self.out);
            if ready!(written)? == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.blocked_since = None;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
