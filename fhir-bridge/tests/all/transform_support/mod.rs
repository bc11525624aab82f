//! What the transform's tests share: a site, events as an agent hands them on, and readers of what comes out.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod site_log;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wardline_bridge::map::site_key::SiteKey;
use wardline_bridge::map::{Mapped, MappingSet, OutRecord, SiteContext, map};
use wardline_model::time::parse_rfc3339;
use wardline_model::{
    AgentName, Body, Class, Event, EventId, Incarnation, SidelineRecord, SiteName, Stamp,
};

pub const RECEIVED: &str = "2026-03-01T09:00:05Z";

pub fn context() -> SiteContext {
    SiteContext::new(
        SiteName::new("st-mary").unwrap(),
        TimeZone::get("Europe/Berlin").unwrap(),
        &SiteKey::from_bytes([1; 32]),
        MappingSet::shipped().unwrap(),
    )
}

pub fn id(seq: u64) -> EventId {
    EventId::new(AgentName::new("gw-1").unwrap(), Incarnation(0xab), seq)
}

pub fn hl7(text: &str) -> Event {
    hl7_bytes(text.as_bytes().to_vec(), RECEIVED)
}

pub fn hl7_bytes(raw: Vec<u8>, received: &str) -> Event {
    Event {
        class: Class::State,
        stamp: stamp(received),
        source: "10.0.0.7:4711".to_owned(),
        body: Body::Hl7 {
            raw: Bytes::from(raw),
            understood: true,
        },
    }
}

pub fn mqtt(topic: &str, payload: &str) -> Event {
    Event {
        class: Class::of_topic(topic),
        stamp: stamp(RECEIVED),
        source: "icu-gateway".to_owned(),
        body: Body::Mqtt {
            topic: topic.to_owned(),
            payload: Bytes::from(payload.to_owned()),
            retain: false,
            will: false,
        },
    }
}

fn stamp(received: &str) -> Stamp {
    Stamp {
        wall_ms: parse_rfc3339(received).unwrap(),
        ..Stamp::default()
    }
}

/// One ADT message, segment by segment.
#[derive(Clone)]
pub struct Adt {
    pub trigger: String,
    pub evn: Option<String>,
    pub pid3: String,
    pub pid18: String,
    pub pv1: BTreeMap<usize, String>,
    pub tail: Vec<String>,
}

impl Adt {
    pub fn new(trigger: &str) -> Self {
        let pv1 = [(2, "I"), (3, "ICU^1^2"), (19, "V1^^^STM")];
        Self {
            trigger: trigger.to_owned(),
            evn: Some(format!("EVN|{trigger}|20260301100001||||20260301100000")),
            pid3: "4711^^^STM".to_owned(),
            pid18: String::new(),
            pv1: pv1.map(|(n, text)| (n, text.to_owned())).into(),
            tail: Vec::new(),
        }
    }

    pub fn pv1(mut self, field: usize, text: &str) -> Self {
        self.pv1.insert(field, text.to_owned());
        self
    }

    pub fn evn(mut self, evn: &str) -> Self {
        self.evn = Some(evn.to_owned());
        self
    }

    pub fn no_evn(mut self) -> Self {
        self.evn = None;
        self
    }

    pub fn and(mut self, segment: &str) -> Self {
        self.tail.push(segment.to_owned());
        self
    }

    pub fn pv1_segment(&self) -> String {
        let last = self.pv1.keys().max().copied().unwrap_or(0);
        let fields: Vec<_> = (1..=last)
            .map(|n| self.pv1.get(&n).cloned().unwrap_or_default())
            .collect();
        format!("PV1|{}", fields.join("|"))
    }

    pub fn text(&self) -> String {
        let msh = format!(
            "MSH|^~\\&|HIS|STM|WARDLINE|X|20260301100002||ADT^{}|MSG77|P|2.5||||||UNICODE UTF-8",
            self.trigger
        );
        let mut segments = vec![msh];
        segments.extend(self.evn.clone());
        let mut pid = vec![String::new(); 19];
        pid[0] = "PID".to_owned();
        pid[3] = self.pid3.clone();
        pid[5] = "Doe^Jane".to_owned();
        pid[18] = self.pid18.clone();
        segments.push(pid.join("|"));
        segments.push(self.pv1_segment());
        segments.extend(self.tail.clone());
        segments.join("\r")
    }

    pub fn event(&self) -> Event {
        hl7(&self.text())
    }
}

pub fn a20(npu: &str) -> Event {
    hl7(&format!(
        "MSH|^~\\&|EVS|STM|W|X|20260301100002||ADT^A20|MSG78|P|2.5\rEVN|A20|20260301100001\r{npu}"
    ))
}

pub fn records(event: &Event) -> Vec<OutRecord> {
    match map(event, &id(7), &context()) {
        Mapped::Records(records) => records,
        other => panic!("no records: {other:?}"),
    }
}

pub fn record(event: &Event) -> OutRecord {
    let mut records = records(event);
    assert_eq!(records.len(), 1);
    records.pop().unwrap()
}

pub fn sidelined(event: &Event) -> SidelineRecord {
    match map(event, &id(7), &context()) {
        Mapped::Sidelined(record) => *record,
        other => panic!("not sidelined: {other:?}"),
    }
}

pub fn filtered(event: &Event) -> &'static str {
    match map(event, &id(7), &context()) {
        Mapped::Filtered(reason) => reason,
        other => panic!("not filtered: {other:?}"),
    }
}

pub fn value(record: &OutRecord) -> Value {
    serde_json::from_slice(&record.value).unwrap()
}

pub fn header<'a>(record: &'a OutRecord, name: &str) -> &'a str {
    let found = record.headers.iter().find(|(have, _)| *have == name);
    found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap())
}

pub fn key(record: &OutRecord) -> String {
    String::from_utf8(record.key.to_vec()).unwrap()
}

/// status and place of each Encounter.location.
pub fn places(record: &OutRecord) -> Vec<(String, String)> {
    let value = value(record);
    let empty = Vec::new();
    value["location"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|entry| {
            let text = |v: &Value| v.as_str().unwrap().to_owned();
            (
                text(&entry["status"]),
                text(&entry["location"]["identifier"]["value"]),
            )
        })
        .collect()
}

/// A record as people read it in a golden file.
pub fn shown(record: &OutRecord, time_ms: i64) -> Value {
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let bytes = record.value.as_ref();
    let value =
        serde_json::from_slice(bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(bytes)));
    json!({
        "topic": record.topic,
        "key": String::from_utf8_lossy(&record.key),
        "time_ms": time_ms,
        "headers": headers,
        "value": value,
    })
}

/// A sideline record as it stands in the log.
pub fn aside(record: SidelineRecord) -> OutRecord {
    let key = record.agent().unwrap().to_owned().into();
    let (headers, value) = record.into_parts();
    OutRecord {
        topic: "sideline",
        key,
        headers,
        value,
    }
}

/// Cause, place and rule of a message that is sidelined.
pub fn cause(event: &Event) -> (String, String, String) {
    let record = sidelined(event);
    assert!(!record.why.detail.is_empty());
    assert_eq!(record.mapping, "hl7@1");
    (
        record.why.cause.to_string(),
        record.why.place.to_string(),
        record.why.rule.to_string(),
    )
}

pub fn why(cause: &str, place: &str, rule: &str) -> (String, String, String) {
    (cause.to_owned(), place.to_owned(), rule.to_owned())
}
