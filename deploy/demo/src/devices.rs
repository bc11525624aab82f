//! Pumps, ventilators and monitors, each of which tells about itself every few seconds.
//!
//! A device belongs to a department and is used at its occupied beds: ready, in use, cleaning, ready
//! again; now and then in repair, or switched off, and then it is silent. Only monitors in use tell
//! vital signs. `seq` counts the readings of one device and starts from the opening time, so that it
//! also rises from one run to the next.

use jiff::tz::TimeZone;
use rand::{RngExt, rngs::StdRng};
use serde_json::json;

use crate::{
    Message,
    sim::{Books, Class, Plan},
    wall,
};

/// Readings between two repetitions of what has not changed.
const REPEAT_EVERY: u64 = 8;
const BATTERY_EVERY: u64 = 5;
const TICK_MS: std::ops::Range<i64> = 3_000..7_000;
/// Mean minutes in each state.
const IN_USE_MIN: f64 = 200.0;
const READY_MIN: f64 = 90.0;
const CLEANING_MIN: f64 = 25.0;
const REPAIR_MIN: f64 = 400.0;
const OFF_MIN: f64 = 120.0;
/// Percent of the battery that an hour of use takes, and that an hour on the charger gives.
const DRAIN_AN_HOUR: f64 = 12.0;
const CHARGE_AN_HOUR: f64 = 60.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pump,
    Ventilator,
    Monitor,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Pump => "pump",
            Kind::Ventilator => "ventilator",
            Kind::Monitor => "monitor",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InUse,
    Ready,
    Cleaning,
    Repair,
    Off,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::InUse => "in-use",
            State::Ready => "ready",
            State::Cleaning => "cleaning",
            State::Repair => "repair",
            State::Off => "off",
        }
    }
}

/// What a device sees of the house at one moment.
pub(crate) struct Surroundings<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) books: &'a Books,
    pub(crate) zone: &'a TimeZone,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) speed: f64,
}

#[derive(Debug)]
pub(crate) struct Device {
    id: String,
    kind: Kind,
    department: usize,
    state: State,
    bed: usize,
    battery: f64,
    /// When the state ends, and when the device last told something. Nothing before the first tick.
    until: i64,
    last: Option<i64>,
    told: Option<(State, usize)>,
    ticks: u64,
    seq: i64,
}

/// So many devices over the departments: most of them where patients are sickest.
pub(crate) fn fleet(plan: &Plan, devices: u32) -> Vec<Device> {
    let weights: Vec<(usize, u32)> = plan
        .departments
        .iter()
        .enumerate()
        .map(|(ix, department)| {
            (
                ix,
                if department.class == Class::Ward {
                    1
                } else {
                    2
                },
            )
        })
        .collect();
    let turns: Vec<usize> = weights
        .iter()
        .flat_map(|(ix, weight)| (0..*weight).map(move |_| *ix))
        .collect();
    let mut fleet = Vec::new();
    for (n, department) in (0..devices).zip(turns.iter().copied().cycle()) {
        let class = plan
            .departments
            .get(department)
            .map_or(Class::Ward, |department| department.class);
        fleet.push(device(plan, n, department, class));
    }
    fleet
}

fn device(plan: &Plan, n: u32, department: usize, class: Class) -> Device {
    let kind = match (class, n % 3) {
        (Class::Icu, 0) => Kind::Ventilator,
        (Class::Icu | Class::Ward, 1) | (Class::Ed, 0 | 1) => Kind::Monitor,
        _ => Kind::Pump,
    };
    let bed = plan
        .places
        .iter()
        .position(|place| place.department == department)
        .unwrap_or(0);
    Device {
        id: format!("{}-{}", kind.as_str(), n + 1),
        kind,
        department,
        state: State::Ready,
        bed,
        battery: 95.0 - f64::from(n % 60),
        until: 0,
        last: None,
        told: None,
        ticks: 0,
        seq: 0,
    }
}

impl Device {
    /// Tells what is to be told now; gives the wait until the next time.
    pub(crate) fn tick(
        &mut self,
        now: i64,
        around: &mut Surroundings<'_>,
        out: &mut Vec<Message>,
    ) -> i64 {
        if self.last.is_none() {
            self.seq = now.div_euclid(100);
        }
        self.live(now, around);
        let repeat = self.ticks.is_multiple_of(REPEAT_EVERY);
        let changed = self.told != Some((self.state, self.bed));
        // Switched off is the last thing that it can tell.
        if changed || (repeat && self.state != State::Off) {
            self.tell(now, around, out, "state", &json!(self.state.as_str()), None);
            self.tell(
                now,
                around,
                out,
                "location",
                &json!(around.books.bed_name(self.bed)),
                None,
            );
            self.told = Some((self.state, self.bed));
        }
        if self.state != State::Off {
            if self.ticks.is_multiple_of(BATTERY_EVERY) {
                self.tell(
                    now,
                    around,
                    out,
                    "battery",
                    &json!(self.battery.round()),
                    Some("%"),
                );
            }
            if self.kind == Kind::Monitor && self.state == State::InUse {
                self.vitals(now, around, out);
            }
        }
        self.ticks += 1;
        self.last = Some(now);
        around.rng.random_range(TICK_MS)
    }

    fn vitals(&mut self, now: i64, around: &mut Surroundings<'_>, out: &mut Vec<Message>) {
        let heart_rate = around.rng.random_range(58..112);
        self.tell(
            now,
            around,
            out,
            "heart_rate",
            &json!(heart_rate),
            Some("/min"),
        );
        if self.ticks.is_multiple_of(2) {
            let spo2 = around.rng.random_range(91..100);
            self.tell(now, around, out, "spo2", &json!(spo2), Some("%"));
        }
        if self.ticks.is_multiple_of(5) {
            let tenths = around.rng.random_range(361..384);
            self.tell(
                now,
                around,
                out,
                "temperature",
                &json!(f64::from(tenths) / 10.0),
                Some("Cel"),
            );
        }
    }

    fn tell(
        &mut self,
        now: i64,
        around: &Surroundings<'_>,
        out: &mut Vec<Message>,
        metric: &str,
        value: &serde_json::Value,
        unit: Option<&str>,
    ) {
        self.seq += 1;
        let mut reading = json!({ "ts": wall::rfc3339(now, around.zone), "value": value });
        if let Some(members) = reading.as_object_mut() {
            if let Some(unit) = unit {
                members.insert("unit".to_owned(), json!(unit));
            }
            members.insert("seq".to_owned(), json!(self.seq));
            members.insert("type".to_owned(), json!(self.kind.as_str()));
        }
        out.push(Message::Mqtt {
            client: self.id.clone(),
            topic: format!(
                "devices/{}/{}/{metric}",
                around.plan.department(self.department),
                self.id
            ),
            payload: reading.to_string().into_bytes(),
        });
    }

    /// Lets the time since the last tick pass.
    fn live(&mut self, now: i64, around: &mut Surroundings<'_>) {
        let hours =
            now.saturating_sub(self.last.unwrap_or(now)) as f64 / 3_600_000.0 * around.speed;
        let rate = if self.state == State::InUse {
            -DRAIN_AN_HOUR
        } else {
            CHARGE_AN_HOUR
        };
        self.battery = (self.battery + rate * hours).clamp(4.0, 100.0);
        let bed_is_empty = around
            .books
            .beds
            .get(self.bed)
            .is_none_or(|bed| bed.occupants.is_empty());
        let patient_left = self.state == State::InUse && bed_is_empty;
        if now < self.until && !patient_left {
            return;
        }
        self.state = match self.state {
            State::InUse if self.last.is_some() => State::Cleaning,
            State::Cleaning if around.rng.random_bool(0.06) => State::Repair,
            State::Ready if self.last.is_some() && around.rng.random_bool(0.05) => State::Off,
            State::Ready => self.fetch(around),
            _ => State::Ready,
        };
        let mean = match self.state {
            State::InUse => IN_USE_MIN,
            State::Ready => READY_MIN,
            State::Cleaning => CLEANING_MIN,
            State::Repair => REPAIR_MIN,
            State::Off => OFF_MIN,
        };
        let wait = mean * around.rng.random_range(0.4..1.6) * 60_000.0 / around.speed;
        // A cast of a float saturates; the sum is kept from overflowing.
        self.until = now.saturating_add(wait as i64);
    }

    /// To a patient of the department, if there is one and the device is wanted.
    fn fetch(&mut self, around: &mut Surroundings<'_>) -> State {
        let beds = around.books.beds.iter().enumerate();
        let wanted: Vec<usize> = beds
            .filter(|(_, bed)| bed.department == self.department && !bed.occupants.is_empty())
            .map(|(ix, _)| ix)
            .collect();
        if wanted.is_empty() || around.rng.random_bool(0.3) {
            return State::Ready;
        }
        let pick = around.rng.random_range(0..wanted.len());
        self.bed = wanted.get(pick).copied().unwrap_or(self.bed);
        State::InUse
    }
}
