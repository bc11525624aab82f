//! What both engines refuse, before anything is written: a record must fit either.

use crate::limits::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, HEADER_NAME_BYTES_MAX, RECORD_BYTES_MAX,
    RECORD_HEADERS_MAX,
};
use crate::{CleanupKind, LogError, Record};

/// How much one call appends so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

impl Load {
    /// Adds the records of one topic.
    pub(crate) fn add(
        &mut self,
        topic: &str,
        kind: CleanupKind,
        records: &[Record],
    ) -> Result<(), LogError> {
        for record in records {
            self.bytes += check_record(topic, kind, record)?;
        }
        self.records += records.len();
        within(topic, "append", self.bytes, APPEND_BYTES_MAX)?;
        within(
            topic,
            "records of one append",
            self.records,
            APPEND_RECORDS_MAX,
        )
    }
}

fn within(topic: &str, what: &'static str, size: usize, max: usize) -> Result<(), LogError> {
    if size <= max {
        return Ok(());
    }
    Err(LogError::RecordTooLarge {
        topic: topic.to_owned(),
        what,
        size,
        max,
    })
}

fn check_record(topic: &str, kind: CleanupKind, record: &Record) -> Result<usize, LogError> {
    let bytes = record.bytes_len();
    within(topic, "record", bytes, RECORD_BYTES_MAX)?;
    within(
        topic,
        "headers of a record",
        record.headers.len(),
        RECORD_HEADERS_MAX,
    )?;
    let invalid = |why| {
        Err(LogError::InvalidRecord {
            topic: topic.to_owned(),
            why,
        })
    };
    for (name, _) in record.headers.iter() {
        within(topic, "header name", name.len(), HEADER_NAME_BYTES_MAX)?;
        if name.contains('\0') {
            return invalid("a header name holds a zero byte");
        }
    }
    if kind == CleanupKind::Compact && record.key.is_none() {
        return invalid("a compacted topic needs a key in every record");
    }
    if record.time_ms < 0 {
        return invalid("its time is before 1970");
    }
    Ok(bytes)
}
