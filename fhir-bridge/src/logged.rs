//! What was mapped or set aside, as records of the log.

use bytes::Bytes;
use serde::Serialize;
use wardline_log::Record;
use wardline_model::SidelineRecord;

use crate::map::{Headers, OutRecord};

pub(crate) fn mapped(out: OutRecord, time_ms: i64) -> Record {
    record(Some(out.key), out.headers, out.value, time_ms)
}

pub(crate) fn sidelined(aside: SidelineRecord, time_ms: i64) -> Record {
    let key = aside.agent().map(|agent| Bytes::from(agent.to_owned()));
    let (headers, value) = aside.into_parts();
    record(key, headers, value, time_ms)
}

/// A record of the log as a sideline record.
pub(crate) fn read_sidelined(record: &Record) -> SidelineRecord {
    SidelineRecord::read(|name| record.header_str(name), record.value.as_ref())
}

/// A record whose value is JSON: of `status` and of `bridge.state`.
pub(crate) fn json(key: impl Into<Bytes>, value: &impl Serialize, time_ms: i64) -> Record {
    // A struct of strings and numbers cannot fail to serialise.
    let value = serde_json::to_vec(value).unwrap_or_default().into();
    record(Some(key.into()), Headers::new(), value, time_ms)
}

fn record(key: Option<Bytes>, headers: Headers, value: Bytes, time_ms: i64) -> Record {
    Record {
        key,
        value: Some(value),
        headers: headers.into(),
        time_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardline_log::limits::RECORD_BYTES_MAX;
    use wardline_model::limits::SIDELINE_RAW_BYTES_MAX;

    #[test]
    fn p7_the_largest_sideline_record_fits_the_log() {
        let text = "\u{20ac}".repeat(10_000);
        let headers = |name: &str| match name {
            "kind" => Some("mqtt"),
            _ => Some(text.as_str()),
        };
        let raw = Bytes::from(vec![1; SIDELINE_RAW_BYTES_MAX * 2]);
        let aside = SidelineRecord::read(headers, Some(&raw));
        assert!(sidelined(aside, 0).bytes_len() < RECORD_BYTES_MAX);
    }
}
