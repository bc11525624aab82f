//! One HL7 sender: a reader that hands messages to the store in order, a writer that answers in the same order.
//!
//! The two meet in a bounded queue of what is due: how many answers may be outstanding is its length, and the reader waits
//! when it is full, so that the sender feels it. An answer that promises anything leaves only after the commit (P1).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;
use wardline_model::{Body, Class, Event};
use wardline_mqtt::{Peer, Stream};
use wardline_service::Stop;

use super::Mllp;
use super::codec::{self, Decoder, Item};
use crate::intake::hl7_ack::{self, Header, Outcome, Own, Reject};
use crate::limits::{
    MLLP_PENDING_BYTES_MAX, MLLP_PIPELINE_MAX, MLLP_READ_BYTES, MLLP_WRITE_TIMEOUT_MS,
};
use crate::store::Refusal;

/// A message on its way to its answer.
struct Pending {
    header: Header,
    due: Due,
    /// Given back with the answer.
    _bytes: Option<OwnedSemaphorePermit>,
}

/// When its answer is known.
enum Due {
    Now(Outcome),
    OnCommit(oneshot::Receiver<Result<(), Refusal>>),
}

/// Runs until the sender closes, an error, or a stop. Says how many bytes were junk.
pub(super) async fn run(
    stream: Stream,
    peer: &Peer,
    mllp: &Arc<Mllp>,
    stop: &Stop,
) -> io::Result<u64> {
    let (reader, writer) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(MLLP_PIPELINE_MAX);
    let answering = tokio::spawn(answer_all(writer, receiver, Arc::clone(mllp)));
    let read = tokio::select! {
        read = read_all(reader, peer, mllp, sender.clone()) => read,
        () = stop.stopped() => Ok(0),
        // The writer only ends first when it cannot write.
        () = sender.closed() => Ok(0),
    };
    // What was handed over is answered before the connection ends.
    drop(sender);
    match answering.await {
        Ok(written) => written.and(read),
        Err(error) => Err(io::Error::other(error)),
    }
}

async fn read_all(
    mut reader: ReadHalf<Stream>,
    peer: &Peer,
    mllp: &Mllp,
    sender: mpsc::Sender<Pending>,
) -> io::Result<u64> {
    let mut decoder = Decoder::new(mllp.message_bytes_max);
    let mut buffer = vec![0; MLLP_READ_BYTES];
    let mut items = Vec::new();
    loop {
        let n = reader.read(&mut buffer).await?;
        if n == 0 {
            decoder.finish(&mut items);
        } else {
            decoder.push(buffer.get(..n).unwrap_or_default(), &mut items);
        }
        for item in items.drain(..) {
            let pending = hand_over(item, peer, mllp).await;
            if sender.send(pending).await.is_err() {
                return Ok(decoder.junk());
            }
        }
        if n == 0 {
            return Ok(decoder.junk());
        }
    }
}

async fn hand_over(item: Item, peer: &Peer, mllp: &Mllp) -> Pending {
    match item {
        Item::TooLarge(head) => {
            mllp.store.note_refused(1);
            tracing::warn!(%peer, "an HL7 message over {} bytes is refused", mllp.message_bytes_max);
            Pending {
                header: Header::read(&head),
                due: Due::Now(Outcome::Refused(Reject::TooLarge)),
                _bytes: None,
            }
        }
        Item::Message(raw) => {
            // Waiting here stops the reading: the sender feels it as back-pressure.
            let size =
                u32::try_from(raw.len().clamp(1, MLLP_PENDING_BYTES_MAX)).unwrap_or(u32::MAX);
            let permit = Arc::clone(&mllp.pending)
                .acquire_many_owned(size)
                .await
                .ok();
            let header = Header::read(&raw);
            let event = event(raw, &header, peer, mllp);
            Pending {
                header,
                due: Due::OnCommit(mllp.store.append(vec![event], Vec::new())),
                _bytes: permit,
            }
        }
    }
}

fn event(raw: Bytes, header: &Header, peer: &Peer, mllp: &Mllp) -> Event {
    Event {
        class: Class::State,
        stamp: mllp.clock.stamp(),
        source: peer.to_string(),
        body: Body::Hl7 {
            raw,
            understood: header.understood(),
        },
    }
}

async fn answer_all(
    mut writer: WriteHalf<Stream>,
    mut receiver: mpsc::Receiver<Pending>,
    mllp: Arc<Mllp>,
) -> io::Result<()> {
    let mut answers = Vec::new();
    while let Some(pending) = receiver.recv().await {
        pending.answer(&mllp, &mut answers).await;
        // What one commit settled leaves in one write.
        while let Ok(mut more) = receiver.try_recv() {
            if !more.is_due() {
                write(&mut writer, &mut answers).await?;
            }
            more.answer(&mllp, &mut answers).await;
        }
        write(&mut writer, &mut answers).await?;
    }
    writer.shutdown().await
}

/// What became of a message in the store; `None`: the store ended first.
fn outcome(stored: Option<Result<(), Refusal>>) -> Outcome {
    match stored {
        Some(Ok(())) => Outcome::Stored,
        Some(Err(Refusal::Full)) => Outcome::Refused(Reject::Full),
        Some(Err(_)) | None => Outcome::Refused(Reject::Unavailable),
    }
}

impl Pending {
    /// Is its answer known without waiting?
    fn is_due(&mut self) -> bool {
        if let Due::OnCommit(stored) = &mut self.due {
            let stored = match stored.try_recv() {
                Ok(stored) => Some(stored),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Closed) => None,
            };
            self.due = Due::Now(outcome(stored));
        }
        true
    }

    /// Waits for the commit and puts the answer behind the others.
    async fn answer(self, mllp: &Mllp, answers: &mut Vec<u8>) {
        let outcome = match self.due {
            Due::Now(outcome) => outcome,
            Due::OnCommit(stored) => outcome(stored.await.ok()),
        };
        let number = mllp.answers.fetch_add(1, Ordering::Relaxed);
        let now = mllp.clock.wall_ms();
        let control_id = control_id(now, number);
        let own = Own {
            control_id: &control_id,
            time: &time_text(now),
        };
        if let Some(text) = hl7_ack::answer(&self.header, outcome, own) {
            answers.extend_from_slice(&codec::encode(&text));
        }
    }
}

/// At most 20 characters, as old systems expect; not repeated within a run nor, in practice, across runs.
fn control_id(now_ms: i64, number: u64) -> String {
    format!(
        "W{:011x}{:06x}",
        now_ms.cast_unsigned() & 0xfff_ffff_ffff,
        number & 0xff_ffff
    )
}

/// HL7 time stamp in UTC.
fn time_text(now_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(now_ms).map_or_else(
        |_| String::new(),
        |t| t.strftime("%Y%m%d%H%M%S+0000").to_string(),
    )
}

/// A sender that does not take its answers is given up.
async fn write(writer: &mut WriteHalf<Stream>, answers: &mut Vec<u8>) -> io::Result<()> {
    let limit = Duration::from_millis(MLLP_WRITE_TIMEOUT_MS);
    let written = timeout(limit, writer.write_all(answers)).await;
    answers.clear();
    let gone = || io::Error::new(io::ErrorKind::TimedOut, "the sender takes no answers");
    written.unwrap_or_else(|_| Err(gone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_words_of_an_answer_fit_old_fields() {
        let id = control_id(1_772_359_200_000, u64::MAX);
        assert!(
            id.len() <= 20 && id != control_id(1_772_359_200_000, 1),
            "{id}"
        );
        assert_eq!(time_text(1_772_359_200_000), "20260301100000+0000");
    }
}
