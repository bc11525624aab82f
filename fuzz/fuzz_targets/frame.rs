//! Frames, blocks and receipts from anywhere: typed errors, never a panic; what decodes encodes to the same events.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wardline_model::{Frame, Receipt, block};

fuzz_target!(|data: &[u8]| {
    if let Ok(frame) = Frame::decode(data) {
        let again = frame.encode().and_then(|bytes| Frame::decode(&bytes));
        assert_eq!(again.as_ref(), Ok(&frame));
    }
    Receipt::decode(data).ok();
    // Past the checksum, which a fuzzer cannot guess: the header's checksum is made right, and the block read as it is.
    if let Some(body) = data.len().checked_sub(4).and_then(|n| data.get(..n)) {
        let mut mended = body.to_vec();
        mended.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
        Frame::decode(&mended).ok();
    }
    if let Some((count, raw)) = data.split_first() {
        block::parse(&Bytes::copy_from_slice(raw), u32::from(*count)).ok();
    }
});
