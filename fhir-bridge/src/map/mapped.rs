//! What becomes of one event: records, a reason why it says nothing here, or a place in the sideline.

use std::borrow::Cow;

use bytes::Bytes;
use wardline_model::record as names;
use wardline_model::sideline::Reason;
use wardline_model::time::{rfc3339, rfc3339_in};
use wardline_model::{EventId, SidelineRecord};

use super::context::SiteContext;
use super::fhir::FhirError;

/// Names are those of `wardline_model::record`, so that a record of the log shares them.
pub type Headers = Vec<(&'static str, Bytes)>;

#[derive(Debug)]
pub enum Mapped {
    Records(Vec<OutRecord>),
    Filtered(&'static str),
    Sidelined(Box<SidelineRecord>),
}

/// What is said in a `fhir.*` topic. When the log took the event in, which is the record's time, the
/// mapping does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRecord {
    pub topic: &'static str,
    pub key: Bytes,
    pub headers: Headers,
    pub value: Bytes,
}

impl From<FhirError> for Reason {
    fn from(error: FhirError) -> Self {
        Self::new("fhir-build", "-", "FR1", error.to_string())
    }
}

/// When an event happened, and how well that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    pub ms: i64,
    pub precision_ms: i64,
    /// `EVN-6`, `EVN-2`, `MSH-7`, `ts`.
    pub from: &'static str,
}

/// The headers that every record of one event has in common.
#[derive(Debug)]
pub struct Common<'a> {
    pub event_type: &'a str,
    pub mapping: &'a str,
    pub time: EventTime,
    pub recorded_ms: i64,
    pub received_ms: i64,
}

pub fn push(headers: &mut Headers, name: &'static str, value: impl Into<Cow<'static, str>>) {
    let value = match value.into() {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    };
    headers.push((name, value));
}

/// docs/specs/fhir-records.md FR10: the order is fixed, so that equal events give equal bytes.
pub fn common_headers(common: &Common<'_>, id: &EventId, ctx: &SiteContext) -> Headers {
    let mut headers = Headers::with_capacity(16);
    let event_id = id.to_string();
    let time = common.time;
    // All parts of one event share its trace.
    let whole = event_id.split('.').next().unwrap_or_default();
    let traceparent = ctx.ids.traceparent(whole);
    let happened = rfc3339_in(time.ms, &ctx.zone);
    let recorded = if common.recorded_ms == time.ms {
        happened.clone()
    } else {
        rfc3339_in(common.recorded_ms, &ctx.zone)
    };
    push(&mut headers, names::EVENT_ID, event_id);
    push(&mut headers, names::EVENT_TIME, happened);
    push(&mut headers, names::EVENT_TIME_FROM, time.from);
    push(
        &mut headers,
        names::EVENT_TIME_PRECISION_MS,
        time.precision_ms.to_string(),
    );
    push(&mut headers, names::RECORDED, recorded);
    push(&mut headers, names::RECEIVED, rfc3339(common.received_ms));
    push(
        &mut headers,
        names::EVENT_TYPE,
        common.event_type.to_owned(),
    );
    push(&mut headers, names::MAPPING, common.mapping.to_owned());
    push(&mut headers, names::SITE, ctx.site.to_string());
    push(&mut headers, names::FHIR_VERSION, names::FHIR_RELEASE);
    push(&mut headers, names::TRACEPARENT, traceparent);
    headers
}
