//! How many facts a second the ledger takes in, in memory, on one core. Prints figures, decides nothing.
//! On Linux the seconds are CPU seconds, so that a busy machine does not make the ledger look slow.
//!
//! `cargo run --release -p wardline-aggregator --example ledger_bench`

use std::time::{Duration, Instant};

use wardline_aggregator::ledger::{
    BedList, BedSays, Condition, DeviceSays, DeviceValue, Fact, Ledger, Place, Policy, Subject,
    View, VisitSays,
};
use wardline_api::DeviceState;

const BEDS: u64 = 1000;
const MINUTE: i64 = 60_000;

struct Maker {
    n: u64,
    seed: u64,
}

impl Maker {
    fn random(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below.max(1)
    }

    fn fact(&mut self, event_type: &str, minute: i64, subject: Subject) -> Fact {
        self.n += 1;
        let ms = minute * MINUTE;
        Fact {
            id: format!("gw-{}/00000000000000ab/{}", self.n % 4, self.n),
            site: "st-mary".into(),
            origin: format!("st-mary/fhir.encounter/0/{}", self.n),
            mapping: "hl7-adt@1".into(),
            event_type: event_type.into(),
            event_ms: ms,
            precision_ms: 1000,
            from_evn6: true,
            recorded_ms: ms,
            received_ms: ms + 200,
            control_id: format!("MSG{:08}", self.n),
            message_key: (event_type != "mqtt").then(|| format!("{:032x}", self.n)),
            message_hash: (event_type != "mqtt").then(|| format!("{:032x}", self.n * 7)),
            part: 0,
            flags: Vec::new(),
            subject,
        }
    }

    fn visit(&mut self, trigger: &str, minute: i64, visit: u64, bed: u64) -> Fact {
        let says = VisitSays {
            visit: format!("{visit:032x}"),
            active: Place::new(&bed_name(bed)),
            ..VisitSays::default()
        };
        self.fact(trigger, minute, Subject::Visit(says))
    }

    /// A stay with a few updates, a transfer now and then, and what people take back.
    fn stay(&mut self, visit: u64, from: i64, facts: &mut Vec<Fact>) {
        let mut bed = self.random(BEDS);
        facts.push(self.visit("ADT^A01", from, visit, bed));
        let mut minute = from;
        for _ in 0..self.random(12) {
            minute += 1 + i64::try_from(self.random(240)).unwrap_or(1);
            facts.push(self.visit("ADT^A08", minute, visit, bed));
        }
        if self.random(3) == 0 {
            let to = self.random(BEDS);
            facts.push(self.visit("ADT^A02", minute + 5, visit, to));
            if self.random(10) == 0 {
                let mut cancel = self.visit("ADT^A12", minute + 5, visit, bed);
                cancel.recorded_ms += 20 * MINUTE;
                facts.push(cancel);
            } else {
                bed = to;
            }
        }
        facts.push(self.visit("ADT^A03", minute + 60, visit, bed));
        let says = BedSays {
            bed: bed_name(bed),
            condition: Condition::Unoccupied,
        };
        facts.push(self.fact("ADT^A20", minute + 90, Subject::Bed(says)));
    }

    fn device(&mut self, device: u64, minute: i64) -> Fact {
        let value = match self.random(3) {
            0 => DeviceValue::State(DeviceState::InUse),
            1 => DeviceValue::Battery(50_000),
            _ => DeviceValue::Heard,
        };
        let says = DeviceSays {
            device: format!("pump-{device}"),
            kind: Some("pump".into()),
            department: Some("icu".into()),
            metric: "state".into(),
            value,
            seq: Some(self.n),
        };
        self.fact("mqtt", minute, Subject::Device(says))
    }
}

struct Clock {
    start: Instant,
    cpu_ns: Option<u64>,
}

impl Clock {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu_ns: cpu_ns(),
        }
    }

    fn seconds(&self) -> f64 {
        match (cpu_ns(), self.cpu_ns) {
            (Some(now), Some(then)) => Duration::from_nanos(now.saturating_sub(then)).as_secs_f64(),
            _ => self.start.elapsed().as_secs_f64(),
        }
    }
}

fn cpu_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn bed_name(bed: u64) -> String {
    format!("W{}^{}^{}", bed / 40, bed / 2 % 20, bed % 2)
}

fn beds() -> BedList {
    let mut csv = String::from("bed,department,class,staffed\n");
    for bed in 0..BEDS {
        csv.push_str(&format!("{},Ward {},ward,yes\n", bed_name(bed), bed / 40));
    }
    BedList::parse(&csv).unwrap_or_else(|_| BedList::empty())
}

fn run(what: &str, facts: Vec<Fact>) -> Ledger {
    let mut ledger = Ledger::new(beds(), Policy::default());
    let count = facts.len();
    let start = Clock::start();
    for fact in facts {
        ledger.apply(fact);
    }
    let seconds = start.seconds();
    #[allow(clippy::cast_precision_loss)]
    let rate = count as f64 / seconds;
    println!("{what:<38} {count:>8} facts  {rate:>10.0} facts/s");
    ledger
}

fn main() {
    let mut maker = Maker { n: 0, seed: 7 };
    let mut facts = Vec::new();
    for visit in 0..60_000 {
        maker.stay(visit, i64::try_from(visit).unwrap_or(0) * 2, &mut facts);
    }
    facts.sort_by_key(|fact| fact.received_ms);
    let ledger = run("stays, in order", facts.clone());
    let now = View::at(facts.last().map_or(0, |fact| fact.event_ms));
    let start = Clock::start();
    let rows = ledger.beds(now).len() + ledger.departments(now, &|_| None).len();
    println!(
        "{:<38} {rows:>8} rows   {:>10.1} ms",
        "all beds and departments, now",
        start.seconds() * 1e3
    );
    let start = Clock::start();
    let past = View::at(now.at_ms / 2);
    let rows = ledger.beds(past).len();
    println!(
        "{:<38} {rows:>8} rows   {:>10.1} ms",
        "all beds, at a past moment",
        start.seconds() * 1e3
    );
    let start = Clock::start();
    let known = View {
        at_ms: now.at_ms,
        known_ms: Some(now.at_ms / 2),
    };
    let rows = ledger.beds(known).len();
    println!(
        "{:<38} {rows:>8} rows   {:>10.1} ms",
        "all beds, as known at a past moment",
        start.seconds() * 1e3
    );

    for i in (1..facts.len()).rev() {
        let j = usize::try_from(maker.random(u64::try_from(i + 1).unwrap_or(1))).unwrap_or(0);
        facts.swap(i, j);
    }
    let mut shuffled = run("stays, shuffled", facts.clone());
    println!(
        "{:<38} {}",
        "same digest",
        shuffled.digest() == ledger.digest()
    );
    facts.extend_from_slice(&facts.clone());
    run("stays, shuffled, each twice", facts);
    let start = Clock::start();
    let gone = shuffled.evict(now.at_ms - 30 * 24 * 60 * MINUTE).len();
    println!(
        "{:<38} {gone:>8} facts  {:>10.1} ms",
        "evicting all but 30 days",
        start.seconds() * 1e3
    );

    let devices = (0..300_000)
        .map(|i| maker.device(u64::try_from(i).unwrap_or(0) % 500, i / 500))
        .collect();
    run("devices", devices);
    let mut long = vec![maker.visit("ADT^A01", 0, 1, 1)];
    long.extend((1..20_000).map(|minute| maker.visit("ADT^A08", minute, 1, 1)));
    run("one visit with 20,000 updates", long.clone());
    for i in (1..long.len()).rev() {
        let j = usize::try_from(maker.random(u64::try_from(i + 1).unwrap_or(1))).unwrap_or(0);
        long.swap(i, j);
    }
    run("one visit with 20,000, shuffled", long.clone());
    long.sort_by_key(|fact| fact.event_ms);
    long.truncate(4000);
    long.reverse();
    run("one visit with 4,000, newest first", long);
}
