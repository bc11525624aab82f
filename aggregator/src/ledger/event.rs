//! A fact in the compact form that the folds work on, and the one order of all events.
//!
//! Names that repeat (sites, mappings, beds, lives of agents) are shared, so a month of events stays small. The order
//! is event time, recorded time, MSH-10, then the event's identity: total, and a function of the events alone, which
//! is why neither arrival nor repetition can change a state.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::fact::{Condition, Fact, Place, Subject, storage_key};
use super::kind::Kind;
use super::natural::natural;

/// Shares equal texts. Only looked up; no order of it reaches a result.
#[derive(Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    pub(crate) fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }

    /// Forgets names that nothing else uses any more.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|name| Arc::strong_count(name) > 1);
    }
}

/// `prefix/number` or `prefix/number.part`, kept as numbers where that gives the same text back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbered {
    prefix: Arc<str>,
    number: Option<(u64, Option<u16>)>,
}

impl Numbered {
    fn new(text: &str, names: &mut Names) -> Self {
        let split = text.rsplit_once('/').and_then(|(prefix, tail)| {
            let (number, part) = match tail.split_once('.') {
                Some((number, part)) => (number, Some(canonical(part)?.try_into().ok()?)),
                None => (tail, None),
            };
            Some((prefix, (canonical(number)?, part)))
        });
        match split {
            Some((prefix, number)) => Self {
                prefix: names.shared(prefix),
                number: Some(number),
            },
            None => Self {
                prefix: text.into(),
                number: None,
            },
        }
    }
}

/// A number that gives the same text back.
fn canonical(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)?;
        match self.number {
            Some((number, Some(part))) => write!(f, "/{number}.{part}"),
            Some((number, None)) => write!(f, "/{number}"),
            None => Ok(()),
        }
    }
}

/// A hash as it stands in a header: hexadecimal up to 16 bytes as a number, anything else as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Token {
    None,
    Hex(u128, u8),
    Text(Box<str>),
}

impl Token {
    fn new(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::None };
        let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match (u8::try_from(text.len()), u128::from_str_radix(text, 16)) {
            (Ok(len), Ok(value)) if lower && len <= 32 => Self::Hex(value, len),
            _ => Self::Text(text.into()),
        }
    }
}

/// What makes two facts the same message: sender's identity first, so that conflicts stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) key: Token,
    pub(crate) hash: Token,
    pub(crate) part: u16,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) event_ms: i64,
    pub(crate) precision_ms: i64,
    pub(crate) recorded_ms: i64,
    pub(crate) received_ms: i64,
    pub(crate) from_evn6: bool,
    pub(crate) control: Box<str>,
    pub(crate) id: Numbered,
    pub(crate) identity: Identity,
    pub(crate) origin: Numbered,
    pub(crate) mapping: Arc<str>,
    pub(crate) event_type: Arc<str>,
    pub(crate) flags: Box<[Arc<str>]>,
    /// The visit, or the bed's name for a report about a bed.
    pub(crate) about: Arc<str>,
    pub(crate) merged: Option<Arc<str>>,
    pub(crate) active: Option<Spot>,
    pub(crate) prior: Option<Spot>,
    pub(crate) reserved: Option<Spot>,
    pub(crate) condition: Option<Condition>,
}

/// A place with its shared name; `bed` tells whether it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) name: Arc<str>,
    pub(crate) bed: bool,
}

impl Spot {
    fn new(place: &Place, names: &mut Names) -> Self {
        Self {
            name: names.shared(place.as_str()),
            bed: place.bed().is_some(),
        }
    }

    pub(crate) fn bed(&self) -> Option<&Arc<str>> {
        self.bed.then_some(&self.name)
    }

    pub(crate) fn point_of_care(&self) -> Option<&str> {
        self.name.split('^').next().filter(|part| !part.is_empty())
    }
}

impl Event {
    /// `None` for a fact that is about no visit and no bed.
    pub(crate) fn new(fact: &Fact, names: &mut Names) -> Option<Self> {
        let kind = match &fact.subject {
            Subject::Visit(_) => {
                Kind::of(&fact.event_type).filter(|kind| *kind != Kind::BedStatus)?
            }
            Subject::Bed(_) => Kind::BedStatus,
            Subject::Device(_) | Subject::Nothing => return None,
        };
        let mut event = Self::bare(fact, kind, names);
        match &fact.subject {
            Subject::Visit(says) => {
                event.about = names.shared(&says.visit);
                event.merged = says.merged.as_deref().map(|merged| names.shared(merged));
                event.active = says.active.as_ref().map(|place| Spot::new(place, names));
                event.prior = says.prior.as_ref().map(|place| Spot::new(place, names));
                event.reserved = says.reserved.as_ref().map(|place| Spot::new(place, names));
            }
            Subject::Bed(says) => {
                event.about = names.shared(&says.bed);
                event.condition = Some(says.condition);
            }
            Subject::Device(_) | Subject::Nothing => {}
        }
        Some(event)
    }

    fn bare(fact: &Fact, kind: Kind, names: &mut Names) -> Self {
        let id = Numbered::new(&fact.id, names);
        let identity = match (&fact.message_key, &fact.message_hash) {
            (Some(key), hash) => Identity {
                key: Token::new(Some(key)),
                hash: Token::new(hash.as_deref()),
                part: fact.part,
            },
            (None, _) => Identity {
                key: Token::Text(fact.id.as_str().into()),
                hash: Token::None,
                part: fact.part,
            },
        };
        Self {
            kind,
            event_ms: fact.event_ms,
            precision_ms: fact.precision_ms.max(1),
            recorded_ms: fact.recorded_ms,
            received_ms: fact.received_ms,
            from_evn6: fact.from_evn6,
            control: fact.control_id.as_str().into(),
            id,
            identity,
            origin: Numbered::new(&fact.origin, names),
            mapping: names.shared(&fact.mapping),
            event_type: names.shared(&fact.event_type),
            flags: fact.flags.iter().map(|flag| names.shared(flag)).collect(),
            about: names.shared(""),
            merged: None,
            active: None,
            prior: None,
            reserved: None,
            condition: None,
        }
    }

    pub(crate) fn storage_key(&self, site: &str) -> String {
        let kind = if self.kind == Kind::BedStatus {
            "bed"
        } else {
            "visit"
        };
        storage_key(kind, site, &self.id.to_string())
    }

    /// Of several copies of one message the one that was received first is kept: then `known` views are right, and
    /// which copy came first over the network does not matter.
    pub(crate) fn is_kept_before(&self, other: &Self) -> bool {
        (self.received_ms, &self.id, &self.origin) < (other.received_ms, &other.id, &other.origin)
    }

    /// Whether the two event times can be the same moment, at the coarser precision of the two.
    pub(crate) fn same_time(&self, other: &Self) -> bool {
        let (coarse, fine) = if self.precision_ms >= other.precision_ms {
            (self, other)
        } else {
            (other, self)
        };
        fine.event_ms >= coarse.event_ms && fine.event_ms - coarse.event_ms < coarse.precision_ms
    }

    /// The order in which cancels are matched.
    pub(crate) fn recorded_order(&self, other: &Self) -> Ordering {
        self.recorded_ms
            .cmp(&other.recorded_ms)
            .then_with(|| self.event_ms.cmp(&other.event_ms))
            .then_with(|| self.tie(other))
    }

    fn tie(&self, other: &Self) -> Ordering {
        natural(&self.control, &other.control)
            .then_with(|| self.id.cmp(&other.id))
            .then_with(|| self.identity.cmp(&other.identity))
    }
}

/// A moment in the one order of all events. A cancel that puts somebody somewhere does so at its recorded time.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub(crate) ms: i64,
    pub(crate) event: Arc<Event>,
}

impl At {
    pub(crate) fn of(event: &Arc<Event>) -> Self {
        Self {
            ms: event.event_ms,
            event: event.clone(),
        }
    }

    pub(crate) fn recorded(event: &Arc<Event>) -> Self {
        Self {
            ms: event.recorded_ms,
            event: event.clone(),
        }
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = self
            .ms
            .cmp(&other.ms)
            .then_with(|| self.event.recorded_ms.cmp(&other.event.recorded_ms));
        if by_time == Ordering::Equal && !Arc::ptr_eq(&self.event, &other.event) {
            return self.event.tie(&other.event);
        }
        by_time
    }
}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for At {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for At {}
