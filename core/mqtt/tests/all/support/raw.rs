//! A client that sends bytes and reads packets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use wardline_mqtt::{Dialer, Stream, TcpDialer};

use super::DEADLINE;
use super::packets::{Connect, PINGREQ, PINGRESP, Protocol, connect};

pub struct Raw {
    pub stream: Stream,
    received: Vec<u8>,
}

impl Raw {
    /// A socket, nothing sent.
    pub async fn open(addr: SocketAddr) -> Self {
        let dialer = TcpDialer {
            host: addr.ip().to_string(),
            port: addr.port(),
        };
        let stream = timeout(DEADLINE, dialer.dial()).await.unwrap().unwrap();
        Self::over(stream)
    }

    pub fn over(stream: Stream) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Connected with a clean start.
    pub async fn connected(addr: SocketAddr, protocol: Protocol, id: &str) -> Self {
        Self::connected_as(addr, &connect(protocol, id)).await.0
    }

    /// Connected, with the CONNACK.
    pub async fn connected_as(addr: SocketAddr, connect: &Connect) -> (Self, Vec<u8>) {
        let mut raw = Self::open(addr).await;
        let connack = raw.greet(connect).await;
        (raw, connack)
    }

    /// Sends the CONNECT and takes the CONNACK of success.
    pub async fn greet(&mut self, connect: &Connect) -> Vec<u8> {
        self.send(&connect.bytes()).await;
        let connack = self.packet().await.expect("a CONNACK");
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
        connack
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        timeout(DEADLINE, self.stream.write_all(bytes))
            .await
            .expect("the listener takes bytes")
            .unwrap();
    }

    /// Sends what may be cut off by a close.
    pub async fn send_until_closed(&mut self, bytes: &[u8]) {
        timeout(DEADLINE, self.stream.write_all(bytes))
            .await
            .expect("taken or closed")
            .ok();
    }

    /// The next packet; `None`: the connection was closed.
    pub async fn packet(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = complete(&self.received) {
                let rest = self.received.split_off(length);
                return Some(std::mem::replace(&mut self.received, rest));
            }
            let mut chunk = [0; 4096];
            match timeout(DEADLINE, self.stream.read(&mut chunk))
                .await
                .expect("a packet or the end")
            {
                Ok(0) | Err(_) => {
                    assert!(
                        self.received.is_empty(),
                        "half a packet: {:02x?}",
                        self.received
                    );
                    return None;
                }
                Ok(n) => self.received.extend_from_slice(&chunk[..n]),
            }
        }
    }

    pub async fn expect(&mut self, expected: &[u8]) {
        let got = self.packet().await;
        assert_eq!(
            got.as_deref(),
            Some(expected),
            "expected {expected:02x?}, got {got:02x?}"
        );
    }

    pub async fn expect_closed(&mut self) {
        assert_eq!(self.packet().await, None);
    }

    /// Proves that nothing but a PINGRESP is on its way: packets leave in the order in which they were made.
    pub async fn expect_silence(&mut self) {
        self.send(&PINGREQ).await;
        self.expect(&PINGRESP).await;
    }
}

/// The length of the packet at the front, if it is complete.
fn complete(bytes: &[u8]) -> Option<usize> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let total = length + index + 2;
            return (bytes.len() >= total).then_some(total);
        }
    }
    None
}
