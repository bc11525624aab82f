//! What one event says about its feed: who sent it, about which unit, and what became of it. Names of senders, units and
//! topics only; nothing of a patient is looked at (P9).

use serde::{Deserialize, Serialize};
use wardline_model::hl7::Message;
use wardline_model::status::FeedKind;
use wardline_model::{Body, Event, EventId};

use crate::limits::FEED_NAME_CHARS_MAX;
use crate::map::Mapped;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedKey {
    pub agent: String,
    pub kind: FeedKind,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub key: FeedKey,
    pub became: Became,
    /// By the agent's clock.
    pub stamp_ms: i64,
    /// When the log took it in.
    pub logged_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// About which point of care.
    Records { place: Option<String> },
    /// Why, and the topic or type of message.
    Filtered { reason: String, place: String },
    /// Why, and where in it.
    Sidelined { reason: String, place: String },
}

/// `None` for what the agent says itself.
pub fn seen(event: &Event, id: &EventId, mapped: &Mapped, logged_ms: i64) -> Option<Seen> {
    let sender = match &event.body {
        Body::Loss(_) | Body::Mqtt { will: true, .. } => return None,
        Body::Mqtt { topic, .. } => of_topic(topic),
        Body::Hl7 { raw, .. } => of_message(&String::from_utf8_lossy(raw), &event.source),
    };
    let became = match mapped {
        Mapped::Records(_) => Became::Records { place: sender.unit },
        Mapped::Filtered(reason) => Became::Filtered {
            reason: (*reason).to_owned(),
            place: sender.what,
        },
        Mapped::Sidelined(aside) => Became::Sidelined {
            reason: aside.why.cause.to_string(),
            place: aside.why.place.to_string(),
        },
    };
    let key = FeedKey {
        agent: id.agent.to_string(),
        kind: sender.kind,
        name: sender.name,
    };
    let stamp_ms = event.stamp.wall_ms;
    Some(Seen {
        key,
        became,
        stamp_ms,
        logged_ms,
    })
}

struct Sender {
    kind: FeedKind,
    name: String,
    unit: Option<String>,
    what: String,
}

fn of_topic(topic: &str) -> Sender {
    let levels: Vec<&str> = topic.split('/').collect();
    let name = match levels.as_slice() {
        [first, second, _, ..] => format!("{first}/{second}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    };
    Sender {
        kind: FeedKind::Mqtt,
        name: short(&name),
        unit: levels
            .get(1)
            .filter(|_| levels.len() > 2)
            .map(|unit| short(unit)),
        what: short(topic),
    }
}

fn of_message(text: &str, source: &str) -> Sender {
    let address = source
        .rsplit_once(':')
        .map_or(source, |(address, _)| address);
    let message = Message::parse(text).ok();
    let part = |segment: &str, field, component| {
        let segment = message.as_ref()?.segment(segment)?;
        let text = segment.component(field, component);
        (!text.is_empty()).then(|| short(&text))
    };
    let name =
        part("MSH", 3, 1).map_or_else(|| address.to_owned(), |app| format!("{app}@{address}"));
    let kind = part("MSH", 9, 1).unwrap_or_default();
    Sender {
        kind: FeedKind::Hl7,
        name: short(&name),
        unit: part("PV1", 3, 1).or_else(|| part("NPU", 1, 1)),
        what: match part("MSH", 9, 2) {
            Some(trigger) => short(&format!("{kind}^{trigger}")),
            None => kind,
        },
    }
}

fn short(text: &str) -> String {
    text.chars().take(FEED_NAME_CHARS_MAX).collect()
}
