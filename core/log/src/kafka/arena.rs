//! From librdkafka's messages to records: one buffer for many records, so that a record costs no allocation of its own.

use bytes::{Bytes, BytesMut};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message as _};

use super::TIME_HEADER;
use crate::limits::KAFKA_READ_BUFFER_BYTES;
use crate::wire::put_bytes;
use crate::{Headers, Record};

/// The buffer that the next records are copied into. What keeps one of them keeps the whole buffer.
#[derive(Default)]
pub(super) struct Arena(BytesMut);

impl Arena {
    pub(super) fn record(&mut self, message: &BorrowedMessage<'_>) -> Record {
        let key = message.key().map(|key| self.bytes(key));
        let value = message.payload().map(|value| self.bytes(value));
        let (headers, own_time) = match message.headers() {
            Some(headers) => self.headers(headers),
            None => (Headers::new(), None),
        };
        Record {
            key,
            value,
            headers,
            // Written by others: the cluster's time.
            time_ms: own_time.or(message.timestamp().to_millis()).unwrap_or(0),
        }
    }

    /// The headers, and the record's own time if it is the last of them.
    fn headers(&mut self, given: &BorrowedHeaders) -> (Headers, Option<i64>) {
        let bytes = given.iter().map(|header| {
            header.key.len() + header.value.map_or(0, <[u8]>::len) + 2 * VARINT_BYTES
        });
        self.reserve(bytes.sum());
        let mut count = given.count();
        let mut own_time = None;
        for (index, header) in given.iter().enumerate() {
            let value = header.value.unwrap_or_default();
            if index + 1 == given.count() && header.key == TIME_HEADER {
                own_time = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                count -= 1;
                continue;
            }
            put_bytes(&mut self.0, header.key.as_bytes());
            put_bytes(&mut self.0, value);
        }
        (Headers::of_packed(count, self.0.split().freeze()), own_time)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Bytes {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }

    fn reserve(&mut self, bytes: usize) {
        if self.0.capacity() < bytes {
            self.0 = BytesMut::with_capacity(bytes.max(KAFKA_READ_BUFFER_BYTES));
        }
    }
}

/// What the varint of a length takes at most.
const VARINT_BYTES: usize = 5;
