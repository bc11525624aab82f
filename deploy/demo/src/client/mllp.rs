//! HL7 v2 over MLLP: one connection, a bounded window of messages without acknowledgement.
//!
//! An acknowledgement belongs to the message whose MSH-10 its MSA-2 repeats; one that belongs to no
//! waiting message is an error of the other side and said so.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    error::{Error, Result},
    limits::{
        ACK_BYTES_MAX, ACK_TIMEOUT_MS, CONNECT_TIMEOUT_MS, MESSAGE_BYTES_MAX, WINDOW_MESSAGES,
    },
};

const FRAME_START: u8 = 0x0b;
const FRAME_END: u8 = 0x1c;
const FRAME_LAST: u8 = 0x0d;

/// MSA-1, in original (`AA`) or enhanced (`CA`) mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AckCode {
    /// `AA`, `CA`: on disk.
    Accept,
    /// `AE`, `CE`: stored for people to look at, but not understood.
    Error,
    /// `AR`, `CR`: not taken; send the same bytes again later.
    Reject,
}

impl AckCode {
    fn parse(text: &str) -> Option<AckCode> {
        match text {
            "AA" | "CA" => Some(AckCode::Accept),
            "AE" | "CE" => Some(AckCode::Error),
            "AR" | "CR" => Some(AckCode::Reject),
            _ => None,
        }
    }

    /// The other side has the message, understood or not: it must not be sent again.
    pub fn is_taken(self) -> bool {
        self != AckCode::Reject
    }
}

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub code: AckCode,
    /// MSA-2: the control id of the message that it is about.
    pub control_id: String,
    /// The whole answer, without framing.
    pub raw: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub struct MllpOptions {
    pub connect_timeout: Duration,
    pub ack_timeout: Duration,
    /// Messages that may wait for their acknowledgement at one time.
    pub window: usize,
}

impl Default for MllpOptions {
    fn default() -> Self {
        MllpOptions {
            connect_timeout: Duration::from_millis(CONNECT_TIMEOUT_MS),
            ack_timeout: Duration::from_millis(ACK_TIMEOUT_MS),
            window: WINDOW_MESSAGES,
        }
    }
}

/// A sender of HL7 v2 messages that remembers which of them were acknowledged.
#[derive(Debug)]
pub struct MllpClient {
    address: SocketAddr,
    options: MllpOptions,
    stream: TcpStream,
    received: Vec<u8>,
    waiting: VecDeque<String>,
    acked: BTreeMap<String, AckCode>,
}

impl MllpClient {
    pub async fn connect(address: SocketAddr) -> Result<MllpClient> {
        Self::connect_with(address, MllpOptions::default()).await
    }

    pub async fn connect_with(address: SocketAddr, options: MllpOptions) -> Result<MllpClient> {
        let stream = open(address, options).await?;
        let (received, waiting, acked) = (Vec::new(), VecDeque::new(), BTreeMap::new());
        Ok(MllpClient {
            address,
            options,
            stream,
            received,
            waiting,
            acked,
        })
    }

    /// A new connection to the same address. What was acked stays known; gives the control ids that
    /// were still waiting, oldest first: their messages are to be sent again.
    pub async fn reconnect(&mut self) -> Result<Vec<String>> {
        self.stream = open(self.address, self.options).await?;
        self.received.clear();
        Ok(std::mem::take(&mut self.waiting).into())
    }

    /// Sends one message and waits for its acknowledgement; those of earlier ones are remembered on the way.
    pub async fn send(&mut self, message: &[u8]) -> Result<Ack> {
        let id = control_id(message).ok_or(Error::NoControlId)?;
        while self.waiting.len() >= self.options.window.max(1) {
            self.next_ack().await?;
        }
        self.write(id.clone(), message).await?;
        loop {
            let ack = self.next_ack().await?;
            if ack.control_id == id {
                return Ok(ack);
            }
        }
    }

    /// Sends one message without waiting for its acknowledgement, unless the window is full: then
    /// the oldest ones are awaited first, and given back.
    pub async fn push(&mut self, message: &[u8]) -> Result<Vec<Ack>> {
        let id = control_id(message).ok_or(Error::NoControlId)?;
        let mut acks = Vec::new();
        while self.waiting.len() >= self.options.window.max(1) {
            acks.push(self.next_ack().await?);
        }
        self.write(id, message).await?;
        Ok(acks)
    }

    /// Waits until nothing waits any more.
    pub async fn drain(&mut self) -> Result<Vec<Ack>> {
        let mut acks = Vec::new();
        while !self.waiting.is_empty() {
            acks.push(self.next_ack().await?);
        }
        Ok(acks)
    }

    /// The next acknowledgement. May be dropped while waiting without losing anything.
    pub async fn next_ack(&mut self) -> Result<Ack> {
        let waited = self.options.ack_timeout;
        let raw = timeout(waited, self.frame())
            .await
            .map_err(|_| Error::Timeout {
                address: self.address,
                waited_ms: millis(waited),
            })??;
        let (code, control_id) = parse_ack(&raw).map_err(|why| Error::BadAck {
            address: self.address,
            why,
        })?;
        let Some(at) = self.waiting.iter().position(|id| *id == control_id) else {
            return Err(Error::StrayAck {
                address: self.address,
                control_id,
            });
        };
        self.waiting.remove(at);
        self.acked.insert(control_id.clone(), code);
        Ok(Ack {
            code,
            control_id,
            raw,
        })
    }

    /// Bytes as they stand, without framing or bookkeeping: for tests of what must be refused.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(|source| Error::Io {
                address: self.address,
                source,
            })
    }

    /// The next frame that the other side sends, whatever it answers to.
    pub async fn read_raw(&mut self) -> Result<Vec<u8>> {
        let waited = self.options.ack_timeout;
        timeout(waited, self.frame())
            .await
            .map_err(|_| Error::Timeout {
                address: self.address,
                waited_ms: millis(waited),
            })?
    }

    /// Every control id that was answered, with the last answer.
    pub fn acked(&self) -> &BTreeMap<String, AckCode> {
        &self.acked
    }

    /// The same, and forgets them.
    pub fn take_acked(&mut self) -> BTreeMap<String, AckCode> {
        std::mem::take(&mut self.acked)
    }

    /// Control ids without an answer yet, oldest first.
    pub fn unacked(&self) -> impl Iterator<Item = &str> {
        self.waiting.iter().map(String::as_str)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn write(&mut self, id: String, message: &[u8]) -> Result<()> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(Error::TooLarge {
                bytes: message.len(),
                limit: MESSAGE_BYTES_MAX,
            });
        }
        let mut frame = Vec::with_capacity(message.len() + 3);
        frame.push(FRAME_START);
        frame.extend_from_slice(message);
        frame.extend_from_slice(&[FRAME_END, FRAME_LAST]);
        // Waiting from before the first byte: once a part is out, the other side may have the whole.
        self.waiting.push_back(id);
        let waited = self.options.ack_timeout;
        timeout(waited, self.stream.write_all(&frame))
            .await
            .map_err(|_| Error::Timeout {
                address: self.address,
                waited_ms: millis(waited),
            })?
            .map_err(|source| Error::Io {
                address: self.address,
                source,
            })
    }

    async fn frame(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(frame) = take_frame(&mut self.received) {
                return Ok(frame);
            }
            if self.received.len() > ACK_BYTES_MAX {
                return Err(Error::BadAck {
                    address: self.address,
                    why: "too large",
                });
            }
            let read = self.stream.read_buf(&mut self.received).await;
            match read.map_err(|source| Error::Io {
                address: self.address,
                source,
            })? {
                0 => {
                    return Err(Error::Closed {
                        address: self.address,
                    });
                }
                _ => continue,
            }
        }
    }
}

async fn open(address: SocketAddr, options: MllpOptions) -> Result<TcpStream> {
    let waited = options.connect_timeout;
    let stream = timeout(waited, TcpStream::connect(address))
        .await
        .map_err(|_| Error::Timeout {
            address,
            waited_ms: millis(waited),
        })?
        .map_err(|source| Error::Connect { address, source })?;
    stream
        .set_nodelay(true)
        .map_err(|source| Error::Connect { address, source })?;
    Ok(stream)
}

/// Takes the first whole frame off the front, and what stood before it.
fn take_frame(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = received
        .windows(2)
        .position(|pair| pair == [FRAME_END, FRAME_LAST])?;
    let rest = received.split_off(end + 2);
    let mut frame = std::mem::replace(received, rest);
    frame.truncate(end);
    let start = frame
        .iter()
        .position(|byte| *byte == FRAME_START)
        .map_or(0, |at| at + 1);
    Some(frame.split_off(start))
}

fn parse_ack(raw: &[u8]) -> std::result::Result<(AckCode, String), &'static str> {
    let text = String::from_utf8_lossy(raw);
    let msa = text
        .split(['\r', '\n'])
        .find(|segment| segment.starts_with("MSA"))
        .ok_or("no MSA segment")?;
    let separator = msa.chars().nth(3).ok_or("empty MSA segment")?;
    let mut fields = msa.split(separator).skip(1);
    let code = fields
        .next()
        .and_then(AckCode::parse)
        .ok_or("unknown code in MSA-1")?;
    let id = fields
        .next()
        .filter(|id| !id.is_empty())
        .ok_or("no control id in MSA-2")?;
    Ok((code, id.to_owned()))
}

/// MSH-10 of a message, if it has one.
pub fn control_id(message: &[u8]) -> Option<String> {
    let head = message.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let separator = *head.strip_prefix(b"MSH")?.first()?;
    let id = head.split(|byte| *byte == separator).nth(9)?;
    (!id.is_empty()).then(|| String::from_utf8_lossy(id).into_owned())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_off_one_by_one_however_they_arrive() {
        let mut received = b"\x0bone\x1c\r\x0btwo\x1c".to_vec();
        assert_eq!(take_frame(&mut received), Some(b"one".to_vec()));
        assert_eq!(take_frame(&mut received), None);
        received.push(b'\r');
        assert_eq!(take_frame(&mut received), Some(b"two".to_vec()));
        assert!(received.is_empty());
    }

    #[test]
    fn acks_are_read_in_both_modes() {
        let ack = |text: &str| parse_ack(text.as_bytes());
        assert_eq!(
            ack("MSH|^~\\&|W\rMSA|AA|D1\r"),
            Ok((AckCode::Accept, "D1".to_owned()))
        );
        assert_eq!(
            ack("MSH|^~\\&|W\rMSA|CR|D2|full\rERR|x"),
            Ok((AckCode::Reject, "D2".to_owned()))
        );
        assert!(ack("MSH|^~\\&|W\r").is_err());
        assert!(ack("MSH|^~\\&|W\rMSA|XX|D1").is_err());
    }

    #[test]
    fn control_id_is_msh_10() {
        assert_eq!(
            control_id(&AdtBuilder::new("A01", "D7").build()).as_deref(),
            Some("D7")
        );
        assert_eq!(control_id(b"PID|1"), None);
    }

    use crate::hl7::AdtBuilder;
}
