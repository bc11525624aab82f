//! What the tests share: events, stores, a clock, and waiting for a condition with a deadline.

pub(crate) mod bridge;
pub(crate) mod pipes;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wardline_agent::clock::Stamper;
use wardline_agent::store::{Run, Store, StoreConfig};
use wardline_disk::FileDisk;
use wardline_model::{Body, Class, Event, RangeSet, Stamp, block};
use wardline_service::SystemClock;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn clock() -> Stamper {
    Stamper::of_this_boot(SystemClock::shared())
}

pub(crate) fn config() -> StoreConfig {
    StoreConfig {
        quota_bytes: 64 << 20,
        linger: Duration::ZERO,
    }
}

pub(crate) fn open(path: &Path) -> Store {
    Store::open(FileDisk::new(path), config(), clock()).unwrap()
}

pub(crate) fn event(text: &str) -> Event {
    Event {
        class: Class::Telemetry,
        stamp: Stamp {
            wall_ms: 1_772_359_200_000,
            ..Stamp::default()
        },
        source: "test".into(),
        body: Body::Mqtt {
            topic: "devices/icu/mon-1/spo2".into(),
            payload: Bytes::copy_from_slice(text.as_bytes()),
            retain: false,
            will: false,
        },
    }
}

/// The payload of a device's event, or the type of a loss record.
pub(crate) fn text_of(event: &Event) -> String {
    match &event.body {
        Body::Mqtt { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
        Body::Hl7 { raw, .. } => String::from_utf8_lossy(raw).into_owned(),
        Body::Loss(record) => serde_json::to_value(record).unwrap()["type"]
            .as_str()
            .unwrap()
            .to_owned(),
    }
}

pub(crate) fn append(store: &Store, texts: &[&str]) -> Result<(), wardline_agent::store::Refusal> {
    let events = texts.iter().map(|t| event(t)).collect();
    store.append(events, Vec::new()).blocking_recv().unwrap()
}

pub(crate) fn parse(run: &Run) -> Vec<(u64, Event)> {
    let raw = Bytes::from(run.raw.clone());
    let events = block::parse(&raw, run.count).unwrap();
    (run.first..).zip(events).collect()
}

/// Everything held, with its numbers.
pub(crate) fn all(store: &Store) -> Vec<(u64, Event)> {
    let (mut out, mut from) = (Vec::new(), 1);
    while let Some(run) = store.read(from, u64::MAX).unwrap() {
        from = run.last() + 1;
        out.extend(parse(&run));
    }
    out
}

pub(crate) fn texts(store: &Store) -> Vec<String> {
    all(store).iter().map(|(_, e)| text_of(e)).collect()
}

pub(crate) fn numbers(store: &Store) -> Vec<u64> {
    all(store).iter().map(|(n, _)| *n).collect()
}

pub(crate) fn set(ranges: &[(u64, u64)]) -> RangeSet {
    ranges.iter().copied().collect()
}

/// Waits until it is so, or fails.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) async fn until_async(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// 4000 characters that do not compress.
pub(crate) fn noise(seed: u64) -> String {
    let mut x = seed + 1;
    let mut next = || {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + ((x >> 40) % 90) as u8)
    };
    (0..4000).map(|_| next()).collect()
}
