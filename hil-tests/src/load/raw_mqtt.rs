//! MQTT 3.1.1 in as few bytes and allocations as it takes: a publisher that is never the bottleneck of a measurement.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct RawMqtt {
    stream: TcpStream,
    inbox: Vec<u8>,
}

impl RawMqtt {
    pub async fn connect(address: SocketAddr, client: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x3c".to_vec();
        put_text(&mut body, client)?;
        let mut packet = vec![0x10];
        put_length(&mut packet, body.len());
        packet.extend_from_slice(&body);
        stream.write_all(&packet).await?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).await?;
        if connack != [0x20, 2, 0, 0] {
            bail!("CONNACK says {connack:02x?}");
        }
        Ok(Self {
            stream,
            inbox: Vec::with_capacity(64 * 1024),
        })
    }

    pub async fn send(&mut self, packets: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(packets).await?)
    }

    /// Packet ids of the acknowledgements that came, at least one.
    pub async fn acked(&mut self, into: &mut Vec<u16>) -> anyhow::Result<()> {
        into.clear();
        while into.is_empty() {
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                bail!("the connection was closed");
            }
            let mut used = 0;
            while let Some([kind, length, high, low]) = self
                .inbox
                .get(used..)
                .and_then(|rest| rest.first_chunk::<4>())
            {
                if (*kind, *length) != (0x40, 2) {
                    bail!("expected PUBACK, got packet type {kind:02x}");
                }
                into.push(u16::from_be_bytes([*high, *low]));
                used += 4;
            }
            self.inbox.drain(..used);
        }
        Ok(())
    }
}

/// Appends one QoS 1 PUBLISH.
pub fn put_publish(
    out: &mut Vec<u8>,
    topic: &str,
    packet_id: u16,
    payload: &[u8],
) -> anyhow::Result<()> {
    out.push(0x32);
    put_length(out, 2 + topic.len() + 2 + payload.len());
    put_text(out, topic)?;
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> anyhow::Result<()> {
    out.extend_from_slice(
        &u16::try_from(text.len())
            .context("text too long")?
            .to_be_bytes(),
    );
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length % 128).unwrap_or(0);
        length /= 128;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}
