//! What several tests share: a reader of the messages that shares nothing with their writer.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::{BTreeMap, BTreeSet};

use wardline_demo::{Hospital, HospitalConfig, Message};

/// 2026-03-29T00:00:00Z: one hour before the clocks of Berlin go forward.
pub const START_MS: i64 = 1_774_742_400_000;
pub const MINUTE_MS: i64 = 60_000;

pub fn config(seed: u64, devices: u32) -> HospitalConfig {
    HospitalConfig {
        seed,
        devices,
        ..HospitalConfig::default()
    }
}

/// Everything that is said in so many minutes, asked for once in `every_ms`.
pub fn live(hospital: &mut Hospital, from_ms: i64, minutes: i64, every_ms: i64) -> Vec<Message> {
    let end = from_ms + minutes * MINUTE_MS;
    let mut said = Vec::new();
    let mut now = from_ms;
    loop {
        said.extend(step_all(hospital, now));
        if now >= end {
            return said;
        }
        now = (now + every_ms).min(end);
    }
}

pub fn step_all(hospital: &mut Hospital, now: i64) -> Vec<Message> {
    let mut said = hospital.step(now);
    while hospital.next_due_ms().is_some_and(|due| due <= now) {
        said.extend(hospital.step(now));
    }
    said
}

/// One ADT message, read by splitting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Adt {
    pub occurred: i64,
    pub recorded: i64,
    pub id: String,
    pub event: String,
    pub visit: String,
    pub bed: String,
    pub pending: String,
    pub other: Option<(String, String)>,
    pub report: Option<(String, String)>,
}

impl Adt {
    pub fn read(bytes: &[u8]) -> Adt {
        let text = std::str::from_utf8(bytes).expect("declared as UTF-8");
        assert!(text.ends_with('\r') && !text.contains('\n'));
        let segments: Vec<Vec<&str>> = text
            .trim_end()
            .split('\r')
            .map(|line| line.split('|').collect())
            .collect();
        let named = |name: &str| {
            segments
                .iter()
                .filter(|s| s[0] == name)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (msh, evn) = (&segments[0], &segments[1]);
        assert_eq!(
            (msh[0], msh[1], msh[2], msh[3]),
            ("MSH", "^~\\&", "DEMOHIS", "ST-MARY")
        );
        assert_eq!((msh[10], msh[11], msh[17]), ("P", "2.5", "UNICODE UTF-8"));
        assert_eq!(evn[0], "EVN");
        let kind: Vec<&str> = msh[8].split('^').collect();
        assert_eq!((kind[0], kind[1], kind.len()), ("ADT", evn[1], 3));
        read_time(msh[6]);
        let field = |segment: &[&str], at: usize| {
            segment
                .get(at)
                .map_or(String::new(), |text| (*text).to_owned())
        };
        let visit = |segment: &[&str]| field(segment, 19).split('^').next().unwrap().to_owned();
        let groups = named("PV1");
        let first = groups.first().cloned().unwrap_or_default();
        Adt {
            occurred: read_time(evn[6]),
            recorded: read_time(evn[2]),
            id: msh[9].to_owned(),
            event: kind[1].to_owned(),
            visit: visit(&first),
            bed: field(&first, 3),
            pending: field(&first, 42),
            other: groups
                .get(1)
                .map(|second| (visit(second), field(second, 3))),
            report: named("NPU")
                .first()
                .map(|npu| (npu[1].to_owned(), npu[2].to_owned())),
        }
    }
}

/// `yyyymmddhhmmss+zzzz` to epoch milliseconds; anything else is a failure.
pub fn read_time(text: &str) -> i64 {
    assert_eq!(text.len(), 19, "time {text:?}");
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    assert!(
        (1..=12).contains(&month) && (1..=31).contains(&day),
        "date in {text:?}"
    );
    assert!(
        number(8, 10) < 24 && number(10, 12) < 60 && number(12, 14) < 60,
        "time in {text:?}"
    );
    // Days since the epoch, by the count of days in the 400-year cycle.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 719_469;
    let zone = (number(15, 17) * 60 + number(17, 19)) * if &text[14..15] == "-" { -1 } else { 1 };
    ((days * 24 + number(8, 10)) * 60 + number(10, 12) - zone) * MINUTE_MS + number(12, 14) * 1_000
}

pub fn hl7(messages: &[Message]) -> Vec<Adt> {
    let bytes = messages.iter().filter_map(|message| match message {
        Message::Hl7(bytes) => Some(bytes),
        Message::Mqtt { .. } => None,
    });
    bytes.map(|bytes| Adt::read(bytes)).collect()
}

#[derive(Debug, Default, Clone)]
struct Visit {
    bed: Option<String>,
    planned: Option<String>,
    moving: Option<String>,
    leave: bool,
}

/// Beds as they follow from a set of messages: cancelled events taken out, the rest applied in the
/// order of event time. Written from the published rules alone.
#[derive(Debug, Default)]
pub struct Fold {
    visits: BTreeMap<String, Visit>,
    occupants: BTreeMap<String, BTreeSet<String>>,
    condition: BTreeMap<String, String>,
}

impl Fold {
    pub fn of(messages: &[Adt]) -> Fold {
        let mut distinct: Vec<&Adt> = messages.iter().collect();
        distinct.sort();
        distinct.dedup_by(|a, b| a.id == b.id);
        let void = voided(&distinct);
        let mut fold = Fold::default();
        for event in distinct
            .into_iter()
            .filter(|event| !void.contains(&event.id))
        {
            fold.apply(event);
        }
        fold
    }

    pub fn status(&self, bed: &str) -> &'static str {
        if self
            .occupants
            .get(bed)
            .is_some_and(|inside| !inside.is_empty())
        {
            return "occupied";
        }
        let promised = self.visits.values().any(|visit| {
            [&visit.planned, &visit.moving]
                .iter()
                .any(|to| to.as_deref() == Some(bed))
        });
        match self.condition.get(bed).map(String::as_str) {
            None => "unknown",
            Some("C") => "closed",
            Some("K" | "I") => "blocked",
            Some("H") => "dirty",
            Some("CLEANING") => "cleaning",
            Some("U") if promised => "reserved",
            Some("U") => "available",
            Some(other) => panic!("condition {other}"),
        }
    }

    pub fn inside(&self, bed: &str) -> BTreeSet<String> {
        self.occupants.get(bed).cloned().unwrap_or_default()
    }

    pub fn on_leave(&self, bed: &str) -> bool {
        let inside = self.inside(bed);
        !inside.is_empty() && inside.iter().all(|visit| self.visits[visit].leave)
    }

    fn apply(&mut self, event: &Adt) {
        if let Some((bed, code)) = &event.report {
            self.condition.insert(bed.clone(), code.clone());
            return;
        }
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        match event.event.as_str() {
            "A01" | "A04" | "A02" => self.place(event),
            "A17" => {
                let (other, bed) = event.other.clone().unwrap();
                for visit in [&event.visit, &other] {
                    let old = self.visits[visit].bed.clone().unwrap();
                    self.occupants.get_mut(&old).unwrap().remove(visit);
                }
                for (visit, bed) in [(&event.visit, &event.bed), (&other, &bed)] {
                    self.occupants
                        .entry(bed.clone())
                        .or_default()
                        .insert(visit.clone());
                    self.visits.get_mut(visit).unwrap().bed = Some(bed.clone());
                }
            }
            "A03" => {
                self.depart(&event.visit);
                self.visits.insert(event.visit.clone(), Visit::default());
            }
            "A05" => self.visits.entry(event.visit.clone()).or_default().planned = some(&event.bed),
            "A15" => {
                self.visits.entry(event.visit.clone()).or_default().moving = some(&event.pending);
            }
            "A21" | "A22" => {
                self.visits.entry(event.visit.clone()).or_default().leave = event.event == "A21";
            }
            "A08" => assert_eq!(
                self.visits[&event.visit].bed.as_deref(),
                Some(event.bed.as_str()),
                "{event:?}"
            ),
            // A pending discharge moves nobody; cancels have done their work in `voided`.
            "A16" | "A11" | "A12" | "A13" | "A25" | "A26" | "A27" | "A38" => {}
            other => panic!("event {other} has no rule here"),
        }
    }

    fn place(&mut self, event: &Adt) {
        if self
            .visits
            .get(&event.visit)
            .and_then(|visit| visit.bed.as_ref())
            != Some(&event.bed)
        {
            self.depart(&event.visit);
        }
        let visit = self.visits.entry(event.visit.clone()).or_default();
        (visit.bed, visit.planned) = (Some(event.bed.clone()), None);
        if event.event == "A02" {
            visit.moving = None;
        }
        self.occupants
            .entry(event.bed.clone())
            .or_default()
            .insert(event.visit.clone());
    }

    fn depart(&mut self, visit: &str) {
        let Some(bed) = self
            .visits
            .get_mut(visit)
            .and_then(|visit| visit.bed.take())
        else {
            return;
        };
        let inside = self.occupants.get_mut(&bed).unwrap();
        inside.remove(visit);
        if inside.is_empty() {
            self.condition.insert(bed, "H".to_owned());
        }
    }
}

/// Control ids of the events that a cancel has taken out. Every cancel of the house must find its target.
fn voided(events: &[&Adt]) -> BTreeSet<String> {
    let mut cancels: Vec<&&Adt> = events
        .iter()
        .filter(|event| targets(&event.event).is_some())
        .collect();
    cancels.sort_by_key(|cancel| (cancel.recorded, cancel.id.clone()));
    let mut void = BTreeSet::new();
    for cancel in cancels {
        let kinds = targets(&cancel.event).unwrap();
        let mut candidates = events.iter().filter(|event| {
            event.visit == cancel.visit
                && kinds.contains(&event.event.as_str())
                && event.occurred == cancel.occurred
                && !void.contains(&event.id)
        });
        let target = candidates
            .next()
            .unwrap_or_else(|| panic!("no target for {cancel:?}"));
        void.insert(target.id.clone());
        if cancel.event == "A11" {
            let gone = events
                .iter()
                .filter(|event| event.visit == cancel.visit && event.occurred <= cancel.recorded);
            void.extend(gone.map(|event| event.id.clone()));
        }
    }
    void
}

fn targets(event: &str) -> Option<&'static [&'static str]> {
    match event {
        "A11" => Some(&["A01", "A04"]),
        "A12" => Some(&["A02"]),
        "A13" => Some(&["A03"]),
        "A25" => Some(&["A16"]),
        "A26" => Some(&["A15"]),
        "A27" => Some(&["A14", "A05"]),
        "A38" => Some(&["A05"]),
        _ => None,
    }
}
