//! The rules once more, as plainly and slowly as they can be written: one pass over all events of the hospital for
//! every question, without intervals, groups or increments. The ledger must say the same at every minute.

use proptest::prelude::*;

use super::*;

/// One random message about one of three visits.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) trigger: &'static str,
    pub(super) visit: usize,
    pub(super) other: usize,
    pub(super) minute: i64,
    pub(super) delay: i64,
    pub(super) place: usize,
    pub(super) second: usize,
    pub(super) evn6: bool,
    pub(super) precision: bool,
}

/// More of them by the environment variable `PROPTEST_CASES`, for a long run.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(usual),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const VISITS: [&str; 3] = ["v1", "v2", "v3"];
const PLACES: [&str; 8] = [A1, A2, B1, ED1, "X^1^1", "OPD", "", A1];
const CODES: [&str; 8] = ["U", "H", "C", "K", "I", "O", "cleaning", "U"];
const TRIGGERS: [&str; 26] = [
    "A01", "A01", "A02", "A02", "A03", "A03", "A04", "A05", "A06", "A07", "A08", "A08", "A11",
    "A12", "A12", "A13", "A13", "A14", "A15", "A16", "A17", "A21", "A22", "A25", "A26", "A27",
];

pub(super) fn specs(triggers: Vec<&'static str>) -> impl Strategy<Value = Vec<Spec>> {
    let one = (
        proptest::sample::select(triggers),
        (0..3_usize, 0..3_usize),
        (0..20_i64, 0..6_i64),
        (0..8_usize, 0..8_usize),
        any::<bool>(),
        proptest::bool::weighted(0.2),
    );
    let one = one.prop_map(
        |(trigger, (visit, other), (minute, delay), (place, second), evn6, precision)| Spec {
            trigger,
            visit,
            other,
            minute,
            delay,
            place,
            second,
            evn6,
            precision,
        },
    );
    proptest::collection::vec(one, 1..18)
}

pub(super) fn fact_of(n: usize, spec: &Spec) -> Fact {
    let number = n as u64 + 1;
    if spec.trigger == "A20" {
        let bed = PLACES[spec.place % 5];
        return condition(number, spec.minute, bed, CODES[spec.second]);
    }
    let mut said = said(spec.trigger, number, spec.minute)
        .of(VISITS[spec.visit])
        .in_(PLACES[spec.place])
        .to(PLACES[spec.second])
        .recorded(spec.minute + spec.delay);
    if matches!(spec.trigger, "A42" | "A35") {
        said = said.merging(VISITS[spec.other]);
    }
    if !spec.evn6 {
        said.fact.event_ms = said.fact.recorded_ms;
        said = said.no_evn6();
    }
    if spec.precision {
        said.fact.precision_ms = 2 * MINUTE;
    }
    said.fact()
}

/// What the slow evaluation knows of an event.
#[derive(Clone)]
struct Ev {
    trigger: String,
    key: (i64, i64, u64),
    recorded: i64,
    precision: i64,
    evn6: bool,
    visit: String,
    place: Option<Place>,
    second: Option<Place>,
    condition: Option<Condition>,
}

impl Ev {
    fn bed(&self) -> Option<String> {
        self.place
            .as_ref()
            .and_then(|place| place.bed().map(str::to_owned))
    }
    fn time(&self) -> i64 {
        self.key.0
    }
}

fn plain(fact: &Fact) -> Ev {
    let n: u64 = fact.control_id.parse().unwrap();
    let mut ev = Ev {
        trigger: fact.event_type["ADT^".len()..].to_owned(),
        key: (fact.event_ms, fact.recorded_ms, n),
        recorded: fact.recorded_ms,
        precision: fact.precision_ms,
        evn6: fact.from_evn6,
        visit: String::new(),
        place: None,
        second: None,
        condition: None,
    };
    match &fact.subject {
        Subject::Visit(says) => {
            ev.visit.clone_from(&says.visit);
            ev.place.clone_from(&says.active);
            ev.second.clone_from(&says.reserved);
        }
        Subject::Bed(says) => {
            ev.place = Place::new(&says.bed);
            ev.condition = Some(says.condition);
        }
        _ => unreachable!(),
    }
    ev
}

fn targets(cancel: &str) -> &'static [&'static str] {
    match cancel {
        "A11" | "A23" => &["A01", "A04"],
        "A12" => &["A02"],
        "A13" => &["A03"],
        "A25" => &["A16"],
        "A26" => &["A15"],
        "A27" => &["A14", "A05"],
        "A38" => &["A05"],
        "A52" => &["A21"],
        "A53" => &["A22"],
        _ => &[],
    }
}

/// The events that count, with what cancels do put in as events of their own.
fn living(all: &[Ev]) -> Vec<Ev> {
    let mut alive: Vec<Ev> = all
        .iter()
        .filter(|ev| targets(&ev.trigger).is_empty())
        .cloned()
        .collect();
    let mut cancels: Vec<Ev> = all
        .iter()
        .filter(|ev| !targets(&ev.trigger).is_empty())
        .cloned()
        .collect();
    cancels.sort_by_key(|ev| (ev.recorded, ev.time(), ev.key.2));
    let mut used: Vec<u64> = Vec::new();
    // Up to when each visit never was, by its cancelled admissions so far.
    let mut void: Vec<(String, i64)> = Vec::new();
    for cancel in cancels {
        let is_void = void
            .iter()
            .any(|(visit, until)| *visit == cancel.visit && cancel.time() <= *until);
        if cancel.trigger != "A11" && is_void {
            continue;
        }
        alive.sort_by_key(|ev| ev.key);
        let fits: Vec<Ev> = alive
            .iter()
            .filter(|ev| {
                ev.visit == cancel.visit && targets(&cancel.trigger).contains(&ev.trigger.as_str())
            })
            .filter(|ev| !used.contains(&ev.key.2))
            .cloned()
            .collect();
        let meets = |ev: &&Ev| {
            let (start, length, other) = if cancel.precision >= ev.precision {
                (cancel.time(), cancel.precision, ev.time())
            } else {
                (ev.time(), ev.precision, cancel.time())
            };
            (start..start + length).contains(&other)
        };
        let mut target = None;
        if cancel.evn6 {
            target = fits
                .iter()
                .filter(meets)
                .rfind(|ev| ev.recorded <= cancel.recorded)
                .or(fits.iter().find(meets));
        }
        let target = target
            .or(fits.iter().rfind(|ev| ev.time() <= cancel.recorded))
            .cloned();
        let mut then = cancel.clone();
        then.key = (cancel.recorded, cancel.recorded, cancel.key.2);
        if cancel.trigger == "A11" {
            alive.retain(|ev| {
                let mine = ev.visit == cancel.visit;
                let hit = target.as_ref().is_some_and(|target| target.key == ev.key);
                !(mine && (hit || ev.time() <= cancel.recorded) && ev.trigger != "ended")
            });
            void.push((cancel.visit.clone(), cancel.recorded));
            then.trigger = "ended".into();
            alive.push(then);
            continue;
        }
        let Some(target) = target else { continue };
        let before = {
            let mut hospital = Hospital::default();
            alive
                .iter()
                .filter(|ev| ev.visit == cancel.visit && ev.key < target.key)
                .for_each(|ev| hospital.step(ev));
            hospital
                .visits
                .iter()
                .find(|visit| visit.name == cancel.visit)
                .and_then(|visit| visit.bed.clone())
        };
        let elsewhere = cancel.bed().is_some() && cancel.bed() != before;
        if cancel.trigger == "A13" && elsewhere {
            used.push(target.key.2);
            then.trigger = "again".into();
            alive.push(then);
            continue;
        }
        alive.retain(|ev| ev.key != target.key);
        if cancel.trigger == "A12" {
            alive.retain(|ev| {
                let repeats = ev.trigger == "A08"
                    && ev.visit == cancel.visit
                    && ev.place.is_some()
                    && ev.place == target.place;
                !(repeats && ev.key > target.key && ev.time() <= cancel.recorded)
            });
            if elsewhere {
                then.trigger = "there".into();
                alive.push(then);
            }
        }
    }
    alive.sort_by_key(|ev| ev.key);
    alive
}

#[derive(Default, Clone, PartialEq)]
struct Visit {
    name: String,
    /// `""`, `planned`, `active`, `ended`.
    status: &'static str,
    bed: Option<String>,
    away: bool,
    admission: Option<Option<Place>>,
    transfer: Option<Option<Place>>,
    discharge: bool,
}

#[derive(Default)]
struct Hospital {
    visits: Vec<Visit>,
    conditions: std::collections::BTreeMap<String, Condition>,
}

impl Hospital {
    fn step(&mut self, ev: &Ev) {
        if let Some(condition) = ev.condition {
            if condition != Condition::Occupied {
                self.conditions.insert(ev.bed().unwrap(), condition);
            }
            return;
        }
        let at = self
            .visits
            .iter()
            .position(|visit| visit.name == ev.visit)
            .unwrap_or_else(|| {
                self.visits.push(Visit {
                    name: ev.visit.clone(),
                    ..Visit::default()
                });
                self.visits.len() - 1
            });
        let visit = &mut self.visits[at];
        let was = visit.bed.clone();
        let mut departs = true;
        let place_if = |condition: bool, visit: &mut Visit| {
            if condition {
                (visit.status, visit.bed, visit.admission) = ("active", ev.bed(), None);
            }
        };
        match ev.trigger.as_str() {
            "A01" | "A06" => place_if(true, visit),
            "A04" => {
                let held = visit.bed.clone();
                place_if(true, visit);
                if ev.bed().is_none_or(|bed| bed != ED1) {
                    visit.bed = held;
                }
            }
            "A05" | "A14" => (visit.status, visit.admission) = ("planned", Some(ev.place.clone())),
            "A02" => {
                place_if(true, visit);
                visit.transfer = None;
            }
            "A03" | "ended" => {
                *visit = Visit {
                    name: visit.name.clone(),
                    status: "ended",
                    ..Visit::default()
                };
                departs = ev.trigger == "A03";
            }
            "A07" => {
                place_if(true, visit);
                (visit.bed, visit.transfer, visit.discharge) = (None, None, false);
            }
            "A08" => place_if(
                ev.bed().is_some() && matches!(visit.status, "active" | ""),
                visit,
            ),
            "A15" => visit.transfer = Some(ev.second.clone()),
            "A16" => visit.discharge = true,
            "A17" | "again" => {
                place_if(true, visit);
                departs = false;
            }
            "there" => {
                place_if(visit.status != "ended", visit);
                departs = false;
            }
            "A21" => visit.away = true,
            "A22" => {
                visit.away = false;
                place_if(ev.bed().is_some() && visit.status.is_empty(), visit);
            }
            other => panic!("{other}"),
        }
        let now = visit.bed.clone();
        if let Some(was) = was
            && Some(&was) != now.as_ref()
            && departs
            && !self
                .visits
                .iter()
                .any(|visit| visit.bed.as_ref() == Some(&was))
        {
            self.conditions.insert(was, Condition::Housekeeping);
        }
    }

    /// Status, on leave, in conflict.
    fn bed(&self, bed: &str) -> (BedStatus, bool, bool) {
        let inside: Vec<&Visit> = self
            .visits
            .iter()
            .filter(|visit| visit.bed.as_deref() == Some(bed))
            .collect();
        if !inside.is_empty() {
            return (
                BedStatus::Occupied,
                inside.iter().all(|visit| visit.away),
                inside.len() > 1,
            );
        }
        let named = |pending: &Option<Option<Place>>| {
            pending
                .as_ref()
                .and_then(Option::as_ref)
                .and_then(Place::bed)
                == Some(bed)
        };
        let reserved = self
            .visits
            .iter()
            .any(|visit| named(&visit.admission) || named(&visit.transfer));
        let status = match self.conditions.get(bed) {
            None | Some(Condition::Occupied) => BedStatus::Unknown,
            Some(Condition::Unoccupied) if reserved => BedStatus::Reserved,
            Some(Condition::Unoccupied) => BedStatus::Available,
            Some(Condition::Housekeeping) => BedStatus::Dirty,
            Some(Condition::Closed) => BedStatus::Closed,
            Some(Condition::Contaminated | Condition::Isolated) => BedStatus::Blocked,
            Some(Condition::Cleaning) => BedStatus::Cleaning,
        };
        (status, false, false)
    }

    fn pending(&self, department: &str) -> (u32, u32) {
        let of_place = |place: &Place| match place.as_str() {
            A1 | A2 | A3 => "Ward A",
            B1 | B2 => "Ward B",
            ED1 => "Emergency",
            "X^1^1" => "X",
            _ => "OPD",
        };
        let (mut inward, mut outward) = (0, 0);
        for visit in &self.visits {
            for pending in [&visit.admission, &visit.transfer] {
                inward += u32::from(
                    matches!(pending, Some(Some(place)) if of_place(place) == department),
                );
            }
            let here = visit
                .bed
                .as_deref()
                .and_then(Place::new)
                .is_some_and(|bed| of_place(&bed) == department);
            if here {
                outward += u32::from(visit.transfer.is_some()) + u32::from(visit.discharge);
            }
        }
        (inward, outward)
    }
}

fn same_at_every_minute(facts: &[Fact]) {
    let ledger = fold(facts.iter().cloned());
    let all: Vec<Ev> = facts.iter().map(plain).collect();
    let living = living(&all);
    for minute in 0..30 {
        let mut hospital = Hospital::default();
        living
            .iter()
            .filter(|ev| ev.time() <= minute * MINUTE)
            .for_each(|ev| hospital.step(ev));
        for bed in [A1, A2, B1, ED1, "X^1^1"] {
            let Some(row) = ledger.bed(bed, View::at(minute * MINUTE)) else {
                continue;
            };
            let got = (row.status, row.on_leave, !row.conflict.is_empty());
            assert_eq!(
                got,
                hospital.bed(bed),
                "{bed} at {minute}\n{}",
                ledger.canonical_text()
            );
        }
        for row in ledger.departments(View::at(minute * MINUTE), &|_| None) {
            let got = (row.pending_in, row.pending_out);
            assert_eq!(
                got,
                hospital.pending(&row.department),
                "{} at {minute}",
                row.department
            );
        }
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn b6_the_ledger_equals_a_plain_slow_reading_of_the_rules(
        specs in specs(TRIGGERS.iter().copied().chain(["A20", "A20", "A38", "A52", "A53"]).collect())
    ) {
        let facts: Vec<Fact> = specs.iter().enumerate().map(|(n, spec)| fact_of(n, spec)).collect();
        same_at_every_minute(&facts);
    }
}
