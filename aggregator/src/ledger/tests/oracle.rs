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
        trigger: fact.event_type.replace("ADT^", ""),
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
#[derive(Default)]
struct Living {
    alive: Vec<Ev>,
    /// Discharges that a cancel let stand.
    used: Vec<u64>,
    /// Up to when each visit never was, by its cancelled admissions so far.
    void: Vec<(String, i64)>,
}

fn living(all: &[Ev]) -> Vec<Ev> {
    let cancels = all.iter().filter(|ev| !targets(&ev.trigger).is_empty());
    let mut cancels: Vec<Ev> = cancels.cloned().collect();
    cancels.sort_by_key(|ev| (ev.recorded, ev.time(), ev.key.2));
    let events = all.iter().filter(|ev| targets(&ev.trigger).is_empty());
    let mut living = Living {
        alive: events.cloned().collect(),
        ..Living::default()
    };
    for cancel in &cancels {
        living.alive.sort_by_key(|ev| ev.key);
        living.cancel(cancel);
    }
    living.alive.sort_by_key(|ev| ev.key);
    living.alive
}

impl Living {
    fn cancel(&mut self, cancel: &Ev) {
        let void =
            |(visit, until): &(String, i64)| *visit == cancel.visit && cancel.time() <= *until;
        if cancel.trigger != "A11" && self.void.iter().any(void) {
            return;
        }
        let target = self.target(cancel);
        if cancel.trigger == "A11" {
            self.never_was(cancel, target.as_ref());
            return;
        }
        let Some(target) = target else { return };
        let elsewhere = cancel.bed().is_some() && cancel.bed() != self.bed_before(&target);
        if cancel.trigger == "A13" && elsewhere {
            self.used.push(target.key.2);
            self.then(cancel, "again");
            return;
        }
        self.alive.retain(|ev| ev.key != target.key);
        if cancel.trigger == "A12" {
            self.alive.retain(|ev| {
                let update = ev.trigger == "A08" && ev.visit == cancel.visit;
                let repeats = update && ev.place.is_some() && ev.place == target.place;
                !(repeats && ev.key > target.key && ev.time() <= cancel.recorded)
            });
            if elsewhere {
                self.then(cancel, "there");
            }
        }
    }

    fn target(&self, cancel: &Ev) -> Option<Ev> {
        let mine = self
            .alive
            .iter()
            .filter(|ev| ev.visit == cancel.visit && !self.used.contains(&ev.key.2));
        let fits: Vec<&Ev> = mine
            .filter(|ev| targets(&cancel.trigger).contains(&ev.trigger.as_str()))
            .collect();
        let meets = |ev: &&&Ev| {
            let (start, length, other) = if cancel.precision >= ev.precision {
                (cancel.time(), cancel.precision, ev.time())
            } else {
                (ev.time(), ev.precision, cancel.time())
            };
            (start..start + length).contains(&other)
        };
        let mut target = None;
        if cancel.evn6 {
            let known = fits
                .iter()
                .filter(meets)
                .rfind(|ev| ev.recorded <= cancel.recorded);
            target = known.or(fits.iter().find(meets));
        }
        let target = target.or(fits.iter().rfind(|ev| ev.time() <= cancel.recorded));
        target.map(|ev| (*ev).clone())
    }

    fn never_was(&mut self, cancel: &Ev, target: Option<&Ev>) {
        self.alive.retain(|ev| {
            let hit = target.is_some_and(|target| target.key == ev.key);
            let void = ev.visit == cancel.visit && (hit || ev.time() <= cancel.recorded);
            !void || ev.trigger == "ended"
        });
        self.void.push((cancel.visit.clone(), cancel.recorded));
        self.then(cancel, "ended");
    }

    fn bed_before(&self, target: &Ev) -> Option<String> {
        let mut visit = Visit::default();
        for ev in self
            .alive
            .iter()
            .filter(|ev| ev.visit == target.visit && ev.key < target.key)
        {
            visit.take(ev);
        }
        visit.bed
    }

    fn then(&mut self, cancel: &Ev, trigger: &str) {
        let mut then = cancel.clone();
        then.key = (cancel.recorded, cancel.recorded, cancel.key.2);
        then.trigger = trigger.into();
        self.alive.push(then);
    }
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

impl Visit {
    /// Whether leaving a bed by this event is a departure.
    fn take(&mut self, ev: &Ev) -> bool {
        match ev.trigger.as_str() {
            "A01" | "A06" | "A17" | "again" => self.put(ev),
            "A04" => {
                let held = self.bed.clone();
                self.put(ev);
                if ev.bed().is_none_or(|bed| bed != ED1) {
                    self.bed = held;
                }
            }
            "A05" | "A14" => (self.status, self.admission) = ("planned", Some(ev.place.clone())),
            "A02" => {
                self.put(ev);
                self.transfer = None;
            }
            "A03" | "ended" => {
                let name = std::mem::take(&mut self.name);
                *self = Self {
                    name,
                    status: "ended",
                    ..Self::default()
                };
            }
            "A07" => {
                self.put(ev);
                (self.bed, self.transfer, self.discharge) = (None, None, false);
            }
            "A08" if ev.bed().is_some() && matches!(self.status, "active" | "") => self.put(ev),
            "A15" => self.transfer = Some(ev.second.clone()),
            "A16" => self.discharge = true,
            "there" if self.status != "ended" => self.put(ev),
            "A08" | "there" => {}
            "A21" => self.away = true,
            "A22" => {
                self.away = false;
                if ev.bed().is_some() && self.status.is_empty() {
                    self.put(ev);
                }
            }
            other => panic!("{other}"),
        }
        !matches!(ev.trigger.as_str(), "A17" | "ended" | "again" | "there")
    }

    fn put(&mut self, ev: &Ev) {
        (self.status, self.bed, self.admission) = ("active", ev.bed(), None);
    }
}

impl Hospital {
    fn step(&mut self, ev: &Ev) {
        if let Some(condition) = ev.condition {
            if condition != Condition::Occupied {
                self.conditions.insert(ev.bed().unwrap(), condition);
            }
            return;
        }
        if !self.visits.iter().any(|visit| visit.name == ev.visit) {
            self.visits.push(Visit {
                name: ev.visit.clone(),
                ..Visit::default()
            });
        }
        let visit = self
            .visits
            .iter_mut()
            .find(|visit| visit.name == ev.visit)
            .unwrap();
        let was = visit.bed.clone();
        let departs = visit.take(ev);
        if visit.bed == was || !departs {
            return;
        }
        if let Some(was) = was.filter(|was| {
            !self
                .visits
                .iter()
                .any(|visit| visit.bed.as_ref() == Some(was))
        }) {
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
        for row in ledger.departments(View::at(minute * MINUTE), &|_, _| None) {
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
