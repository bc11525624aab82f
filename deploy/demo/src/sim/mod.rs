//! The simulated house: a queue of what happens next, and the books that it is written into.
//!
//! Pure: [`Hospital::step`] is told the moment and gives what was said up to it. Everything that
//! happens does so at its own due time, taken from the queue in order, so the messages depend on the
//! seed and on the first moment, and not on how often the house is asked. Only device readings that
//! nobody asked for in time are skipped.
//!
//! | room | decides |
//! |---|---|
//! | `plan` | which departments and beds there are |
//! | `books` | who is where, by the events told so far |
//! | `opening` | what the house looks like when it is first asked |
//! | `stay` | what happens to one visit next |
//! | `transfer`, `leaving` | how a visit changes its bed or ends, and which of it was a mistake |
//! | `house` | arrivals, housekeeping, blocked beds |
//! | `speak` | how an event is said in HL7 |
//! | `truth` | what the books look like from outside |

mod books;
mod house;
mod leaving;
mod opening;
mod plan;
mod speak;
mod stay;
mod transfer;
mod truth;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    HospitalConfig, Message,
    devices::{self, Device},
    limits::{DEVICE_CATCH_UP_MS, DEVICES_MAX, STEP_GAP_MIN_MS, STEP_MESSAGES_MAX},
    wall,
};
pub(crate) use books::Books;
use books::{BedIx, VisitNo};
use house::Chore;
pub(crate) use plan::{Class, Plan};
use stay::Step;

pub use truth::{BedStatus, DepartmentTruth, Truth};

/// Below it, simulated hours pass more slowly than the step gap makes sense of.
const SPEED_MIN: f64 = 0.01;
const SPEED_MAX: f64 = 100_000.0;

/// Something that is due.
#[derive(Debug)]
enum Task {
    Visit(VisitNo, Step),
    House(Chore),
    /// The same bytes once more, as a sender does that lost the acknowledgement.
    Resend(Vec<u8>),
    Device(usize),
}

/// A simulated hospital. See the crate's front page for what it keeps true.
#[derive(Debug)]
pub struct Hospital {
    config: HospitalConfig,
    zone: TimeZone,
    plan: Plan,
    books: Books,
    devices: Vec<Device>,
    rng: StdRng,
    queue: BTreeMap<(i64, u64), Task>,
    queued: u64,
    out: Vec<Message>,
    /// First moment that the house was asked at.
    opened: Option<i64>,
    /// Due time of what happens now.
    now: i64,
    messages: u64,
    visits: VisitNo,
}

impl Hospital {
    /// A house that has not said anything yet. An unknown zone is taken as UTC; [`crate::run()`] refuses it instead.
    pub fn new(config: HospitalConfig) -> Hospital {
        let plan = Plan::new(config.beds);
        let books = Books::new(&plan);
        let zone = wall::zone(&config.site_zone).unwrap_or(TimeZone::UTC);
        let rng = StdRng::seed_from_u64(config.seed);
        let devices = devices::fleet(&plan, config.devices.min(DEVICES_MAX));
        Hospital {
            config,
            zone,
            plan,
            books,
            devices,
            rng,
            queue: BTreeMap::new(),
            queued: 0,
            out: Vec::new(),
            opened: None,
            now: 0,
            messages: 0,
            visits: 0,
        }
    }

    /// What is said up to that moment. At most a bounded number of messages; the rest comes with the
    /// next call, and [`Hospital::next_due_ms`] then lies in the past. A moment before an earlier one says nothing.
    pub fn step(&mut self, now_ms: i64) -> Vec<Message> {
        if self.opened.is_none() {
            self.opened = Some(now_ms);
            self.now = now_ms;
            self.open();
        }
        while self.out.len() < STEP_MESSAGES_MAX {
            match self.queue.first_key_value() {
                Some((&(due, _), _)) if due <= now_ms => {}
                _ => break,
            }
            if let Some(((due, _), task)) = self.queue.pop_first() {
                self.now = due;
                self.perform(task, now_ms);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// When something is due next; nothing before the first [`Hospital::step`].
    pub fn next_due_ms(&self) -> Option<i64> {
        self.queue.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The bed list of the house: `bed,department,class,staffed` with a header line.
    pub fn beds_csv(&self) -> String {
        self.plan.csv()
    }

    pub fn config(&self) -> &HospitalConfig {
        &self.config
    }

    fn perform(&mut self, task: Task, asked: i64) {
        match task {
            Task::Visit(no, step) => self.visit_step(no, step),
            Task::House(chore) => self.chore(chore),
            Task::Resend(bytes) => self.out.push(Message::Hl7(bytes)),
            Task::Device(index) => self.device(index, asked),
        }
    }

    fn device(&mut self, index: usize, asked: i64) {
        let late = asked.saturating_sub(self.now) > DEVICE_CATCH_UP_MS;
        let Some(device) = self.devices.get_mut(index) else {
            return;
        };
        let mut ward = devices::Surroundings {
            plan: &self.plan,
            books: &self.books,
            zone: &self.zone,
            rng: &mut self.rng,
            speed: self.config.speed.clamp(SPEED_MIN, SPEED_MAX),
        };
        let wait = if late {
            asked.saturating_sub(self.now)
        } else {
            device.tick(self.now, &mut ward, &mut self.out)
        };
        self.due(wait, Task::Device(index));
    }

    fn due(&mut self, wait_ms: i64, task: Task) {
        self.queued += 1;
        self.queue
            .insert((self.now.saturating_add(wait_ms), self.queued), task);
    }

    /// So many minutes of hospital life, in wall time at this speed; never less than the step gap.
    fn minutes(&self, minutes: f64) -> i64 {
        self.wall_ms(minutes).max(STEP_GAP_MIN_MS)
    }

    fn wall_ms(&self, minutes: f64) -> i64 {
        let ms = minutes * 60_000.0 / self.config.speed.clamp(SPEED_MIN, SPEED_MAX);
        // In range by the clamp; a cast of a float saturates.
        ms as i64
    }

    /// About so many minutes: between half and one and a half times.
    fn about(&mut self, minutes: f64) -> i64 {
        let factor = self.rng.random_range(0.5..1.5);
        self.minutes(minutes * factor)
    }

    /// So many minutes on average, mostly less and sometimes much more, as waits and stays are.
    fn spread(&mut self, mean: f64) -> i64 {
        self.pause(mean).max(STEP_GAP_MIN_MS)
    }

    /// The same between strangers: in a large house they come within the same second.
    fn pause(&mut self, mean: f64) -> i64 {
        let unit: f64 = self.rng.random_range(0.02..1.0);
        self.wall_ms((-unit.ln() * mean).max(mean * 0.15)).max(1)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() {
            return None;
        }
        let at = self.rng.random_range(0..list.len());
        list.get(at).copied()
    }

    fn free_bed(&mut self, fits: impl Fn(&books::Bed) -> bool) -> Option<BedIx> {
        let beds = self.books.beds.iter().enumerate();
        let free: Vec<BedIx> = beds
            .filter(|(_, bed)| bed.assignable() && fits(bed))
            .map(|(ix, _)| ix)
            .collect();
        self.one_of(&free)
    }
}
