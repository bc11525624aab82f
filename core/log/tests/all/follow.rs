//! Scans and followers, over the embedded engine and over a log that fails when told to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, ReadableTable, TableDefinition};
use tempfile::TempDir;
use wardline_log::embedded::{EmbeddedLog, FILE_NAME};
use wardline_log::follow::{Followed, Follower, Item, Mark, Scan};
use wardline_log::{Cleanup, Log, LogError, Record, SharedLog, TopicSpec};
use wardline_log_contract::{FaultyLog, noise};
use wardline_service::{Stop, StopHandle, SystemClock, stop_pair};

const PATIENCE: Duration = Duration::from_secs(60);

fn spec(name: &str, partitions: u32, retention_bytes: Option<u64>) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions,
        cleanup: Cleanup::Delete {
            retention_bytes,
            retention_ms: None,
        },
    }
}

fn record(value: impl Into<Vec<u8>>) -> Record {
    Record {
        value: Some(value.into().into()),
        ..Record::default()
    }
}

/// A log with the topic `t` of so many records, told apart by `life`.
async fn log_of(life: &str, records: u64) -> (TempDir, Arc<EmbeddedLog>) {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
    log.create_topics(&[spec("t", 1, None)]).await.unwrap();
    add(&*log, "t", life, 0..records).await;
    (dir, log)
}

async fn add(log: &dyn Log, topic: &str, life: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let text = format!("{life} {number}");
        log.append(topic, vec![record(text)]).await.unwrap();
    }
}

/// Removes all but the newest few records of `t`.
async fn truncate(log: &EmbeddedLog) -> u64 {
    log.create_topics(&[spec("t", 1, Some(1))]).await.unwrap();
    log.maintain().await.unwrap();
    log.offsets("t").await.unwrap()[0].start
}

fn values(entries: &[wardline_log::Entry]) -> Vec<String> {
    let text = |e: &wardline_log::Entry| {
        String::from_utf8_lossy(e.record.value.as_deref().unwrap()).into_owned()
    };
    entries.iter().map(text).collect()
}

async fn next(follower: &mut Follower) -> Item {
    let next = tokio::time::timeout(PATIENCE, follower.next()).await;
    next.expect("nothing came").unwrap().unwrap()
}

/// What comes first that is not `Idle` or `Added`.
async fn news(follower: &mut Follower) -> Item {
    loop {
        match next(follower).await {
            Item::Idle | Item::Added(_) => {}
            other => return other,
        }
    }
}

async fn entries(follower: &mut Follower) -> Followed {
    loop {
        match news(follower).await {
            Item::Entries(followed) if !followed.entries.is_empty() => return followed,
            Item::Trouble { .. } | Item::Entries(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn follow(log: &SharedLog, mark: Option<Mark>) -> (Follower, StopHandle) {
    let (handle, stop) = stop_pair();
    let mut follower = Follower::new(log.clone(), &["t"], stop);
    if let Some(mark) = mark {
        follower = follower.starting_at("t", 0, mark);
    }
    (follower, handle)
}

/// The mark after all records of `t`.
async fn read_to_end(log: &SharedLog) -> Mark {
    let (mut follower, _stop) = follow(log, None);
    let end = log.offsets("t").await.unwrap()[0].end;
    loop {
        let place = entries(&mut follower).await.place;
        if place.mark.next == end {
            return place.mark;
        }
    }
}

#[tokio::test]
async fn lg70_a_scan_gives_its_range_and_no_more() {
    let (_dir, log) = log_of("a", 10).await;
    let mut range = log.offsets("t").await.unwrap()[0];
    range.start = 2;
    range.end = 8;
    let mut scan = Scan::new(&*log, "t", range);
    let mut read = Vec::new();
    while let Some(more) = scan.next().await.unwrap() {
        read.extend(more.iter().map(|e| e.offset));
    }
    assert_eq!(read, [2, 3, 4, 5, 6, 7]);
    assert_eq!(scan.lost(), 0);
    let mut scan = Scan::new(&*log, "t", range).limit(3);
    assert_eq!(scan.next().await.unwrap().unwrap().len(), 3);
    assert!(scan.next().await.unwrap().is_none());
    assert_eq!(scan.position(), 5);
    // A range that the log does not hold is no empty range.
    range.start = 11;
    range.end = 12;
    let beyond = Scan::new(&*log, "t", range).next().await;
    assert!(matches!(beyond, Err(LogError::OffsetOutOfRange { .. })));
}

#[tokio::test]
async fn lg70_a_scan_that_retention_overtakes_goes_on_and_says_what_it_lost() {
    let (_dir, log) = log_of("a", 0).await;
    for n in 0..8 {
        log.append("t", vec![record(noise(n, 700_000))])
            .await
            .unwrap();
    }
    let range = log.offsets("t").await.unwrap()[0];
    let mut scan = Scan::new(&*log, "t", range);
    let mut read = scan.next().await.unwrap().unwrap().len() as u64;
    let start = truncate(&log).await;
    assert!(start > read, "nothing was removed that was not read");
    while let Some(more) = scan.next().await.unwrap() {
        read += more.len() as u64;
    }
    assert!(scan.lost() > 0);
    assert_eq!((read + scan.lost(), scan.position()), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn p7_lg70_a_scan_that_nothing_comes_for_ends_and_names_the_place() {
    let (_dir, log) = log_of("a", 3).await;
    let range = log.offsets("t").await.unwrap()[0];
    let silent = FaultyLog::new(log);
    silent.set_silent(true);
    match Scan::new(&silent, "t", range).next().await {
        Err(LogError::Stalled {
            topic,
            partition: 0,
            position: 0,
            end: 3,
        }) => assert_eq!(topic, "t"),
        other => panic!("{other:?}"),
    }
    let (handle, stop) = stop_pair();
    let mut scan = Scan::new(&silent, "t", range).until(&stop);
    handle.stop();
    assert!(matches!(scan.next().await, Err(LogError::Stopped)));
}

#[tokio::test]
async fn lg71_a_follower_gives_all_partitions_and_goes_on_from_its_marks() {
    let (_dir, log) = log_of("a", 5).await;
    log.create_topics(&[spec("u", 3, None)]).await.unwrap();
    let keyed = |n: u64| Record {
        key: Some(format!("k{n}").into()),
        ..record(format!("u {n}"))
    };
    log.append("u", (0..50).map(keyed).collect()).await.unwrap();
    let log: SharedLog = log;
    let (_handle, stop) = stop_pair();
    let topics = ["t", "u", "later"];
    let mut follower = Follower::new(log.clone(), &topics, stop.clone()).max(7);
    let mut read = Vec::new();
    while read.len() < 55 {
        let followed = entries(&mut follower).await;
        assert!(followed.entries.len() <= 7);
        read.extend(values(&followed.entries));
    }
    assert!(matches!(news_or_idle(&mut follower).await, Item::Idle));
    assert!(follower.places().all(|place| place.lag() == 0));
    // A topic that comes later is found, and a tail is woken.
    log.create_topics(&[spec("later", 1, None)]).await.unwrap();
    add(&*log, "later", "c", 0..1).await;
    let followed = entries(&mut follower).await;
    assert_eq!(followed.place.topic, "later");
    let mut again = Follower::new(log.clone(), &topics, stop);
    for place in follower.places() {
        again = again.starting_at(&place.topic, place.partition, place.mark.clone());
    }
    add(&*log, "t", "a", 5..6).await;
    assert_eq!(values(&entries(&mut again).await.entries), ["a 5"]);
    read.sort();
    read.dedup();
    assert_eq!(read.len(), 55, "something came twice");
}

async fn news_or_idle(follower: &mut Follower) -> Item {
    loop {
        match next(follower).await {
            Item::Added(_) => {}
            other => return other,
        }
    }
}

#[tokio::test]
async fn lg71_one_partition_alone_can_be_followed() {
    let (_dir, log) = log_of("a", 0).await;
    log.create_topics(&[spec("wide", 3, None)]).await.unwrap();
    let keyed = |n: u64| Record {
        key: Some(format!("k{n}").into()),
        ..record(format!("w {n}"))
    };
    let records = (0..50).map(keyed).collect();
    log.append("wide", records).await.unwrap();
    let log: SharedLog = log;
    let held = log.offsets("wide").await.unwrap();
    assert!(held.iter().all(|held| held.end > 0), "{held:?}");
    let (_handle, stop) = stop_pair();
    let mut follower = Follower::new(log, &["wide"], stop).partition(1);
    let mut read = 0;
    while read < held[1].end {
        let followed = entries(&mut follower).await;
        assert_eq!(followed.place.partition, 1);
        read = followed.place.mark.next;
    }
    let places: Vec<u32> = follower.places().map(|place| place.partition).collect();
    assert_eq!(places, [1]);
}

#[tokio::test]
async fn lg71_a_dropped_wait_loses_nothing() {
    let (_dir, log) = log_of("a", 200).await;
    let log: SharedLog = log;
    let (follower, _stop) = follow(&log, None);
    let mut follower = follower.max(3);
    let mut read = Vec::new();
    let mut patience = 0_u64;
    while read.len() < 200 {
        patience += 1;
        assert!(patience < 1_000_000, "{} read", read.len());
        let wait = Duration::from_micros(patience % 300);
        if let Ok(item) = tokio::time::timeout(wait, follower.next()).await
            && let Item::Entries(followed) = item.unwrap().unwrap()
        {
            read.extend(followed.entries.iter().map(|e| e.offset));
        }
    }
    assert!(read.iter().copied().eq(0..200));
}

#[tokio::test]
async fn lg73_what_retention_removed_is_told_with_how_much_that_was() {
    let (_dir, log) = log_of("a", 3).await;
    let shared: SharedLog = log.clone();
    let mark = read_to_end(&shared).await;
    add(&*log, "t", "a", 3..20).await;
    let start = truncate(&log).await;
    assert!(start > 3);
    let (mut follower, _stop) = follow(&shared, Some(mark));
    match news(&mut follower).await {
        Item::Truncated {
            place,
            from: 3,
            lost,
        } => {
            assert_eq!((place.mark.next, lost), (start, start - 3));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(entries(&mut follower).await.entries[0].offset, start);
}

#[tokio::test]
async fn lg73_retention_overtakes_a_follower_while_it_reads() {
    let (_dir, log) = log_of("a", 0).await;
    for n in 0..12 {
        log.append("t", vec![record(noise(n, 700_000))])
            .await
            .unwrap();
    }
    let shared: SharedLog = log.clone();
    let (follower, _stop) = follow(&shared, None);
    let mut follower = follower.max(1);
    let mut seen = entries(&mut follower).await.entries.len() as u64;
    truncate(&log).await;
    let mut gone = 0;
    while seen + gone < 12 {
        match news(&mut follower).await {
            Item::Entries(followed) => seen += followed.entries.len() as u64,
            Item::Truncated { lost, .. } => gone += lost,
            other => panic!("{other:?}"),
        }
    }
    assert!(gone > 0, "{seen} seen");
}

#[tokio::test]
async fn lg74_a_log_that_was_replaced_is_told_whether_it_is_shorter_or_longer() {
    for records in [2, 5, 9] {
        let (_dir, log) = log_of("a", 5).await;
        let (_other_dir, other) = log_of("b", records).await;
        let faulty = Arc::new(FaultyLog::new(log));
        let shared: SharedLog = faulty.clone();
        let (mut follower, _stop) = follow(&shared, None);
        while entries(&mut follower).await.place.mark.next < 5 {}
        faulty.replace(other);
        let place = loop {
            match news(&mut follower).await {
                Item::Recreated { place, .. } => break place,
                Item::Trouble { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((place.mark.next, place.end), (0, records));
        assert_eq!(values(&entries(&mut follower).await.entries)[0], "b 0");
    }
}

#[tokio::test]
async fn lg74_a_log_put_back_from_a_copy_is_known_by_its_last_record() {
    let (dir, log) = log_of("a", 5).await;
    log.close().await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
    let log = EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
    add(&*log, "t", "a", 5..8).await;
    let shared: SharedLog = log;
    let mark = read_to_end(&shared).await;
    let restored = EmbeddedLog::open(copy.path(), SystemClock::shared()).unwrap();
    assert_eq!(Some(restored.id("t").await.unwrap()), mark.log);
    add(&*restored, "t", "after the restore", 5..20).await;
    let shared: SharedLog = restored;
    let (mut follower, _stop) = follow(&shared, Some(mark));
    let told = news(&mut follower).await;
    assert!(matches!(told, Item::Recreated { .. }), "{told:?}");
}

#[tokio::test]
async fn lg75_an_outage_is_told_and_nothing_is_lost_or_doubled() {
    let (_dir, log) = log_of("a", 5).await;
    let faulty = Arc::new(FaultyLog::new(log.clone()));
    let shared: SharedLog = faulty.clone();
    let (mut follower, handle) = follow(&shared, None);
    while entries(&mut follower).await.place.mark.next < 5 {}
    faulty.set_down(true);
    add(&*log, "t", "a", 5..9).await;
    let mut troubles = 0;
    while troubles < 3 {
        if let Item::Trouble { place: None, error } = news(&mut follower).await {
            assert!(error.retriable(), "{error}");
            troubles += 1;
        }
    }
    faulty.set_down(false);
    let mut read = Vec::new();
    while read.len() < 4 {
        read.extend(values(&entries(&mut follower).await.entries));
    }
    assert_eq!(read, ["a 5", "a 6", "a 7", "a 8"]);
    faulty.set_down(true);
    while !matches!(news(&mut follower).await, Item::Trouble { .. }) {}
    let ending = tokio::spawn(async move {
        while let Some(item) = follower.next().await.unwrap() {
            assert!(matches!(item, Item::Trouble { .. } | Item::Idle));
        }
    });
    handle.stop();
    tokio::time::timeout(PATIENCE, ending)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn lg75_a_closed_log_ends_a_follower() {
    let (_dir, log) = log_of("a", 1).await;
    let shared: SharedLog = log.clone();
    let (mut follower, _stop) = follow(&shared, None);
    entries(&mut follower).await;
    let waiting = tokio::spawn(async move {
        loop {
            match follower.next().await {
                Ok(Some(_)) => {}
                ended => return ended.map(|_| ()),
            }
        }
    });
    log.close().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(ended, Err(LogError::Closed)));
}

const BLOCKS: TableDefinition<'static, (u32, u32, u64), &[u8]> = TableDefinition::new("blocks");

fn damage(dir: &Path, at: (u32, u32, u64)) {
    let db = Database::open(dir.join(FILE_NAME)).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(BLOCKS).unwrap();
        let mut block = table.get(at).unwrap().unwrap().value().to_vec();
        *block.last_mut().unwrap() ^= 1;
        table.insert(at, block.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

#[tokio::test]
async fn p8_lg76_a_damaged_partition_does_not_stop_the_others() {
    let (dir, log) = log_of("a", 3).await;
    log.create_topics(&[spec("u", 1, None)]).await.unwrap();
    add(&*log, "u", "b", 0..3).await;
    log.close().await.unwrap();
    damage(dir.path(), (1, 0, 1));
    let log: SharedLog = EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
    let (_handle, stop): (StopHandle, Stop) = stop_pair();
    let mut follower = Follower::new(log.clone(), &["t", "u"], stop);
    let (mut of_u, mut troubles) = (0, 0);
    let mut added = 3;
    while of_u < 20 || troubles < 2 {
        match next(&mut follower).await {
            Item::Entries(followed) if followed.place.topic == "u" => {
                of_u += followed.entries.len();
            }
            Item::Entries(followed) => assert_eq!(followed.place.mark.next, 1),
            Item::Trouble { place, error } => {
                let place = place.expect("a partition");
                assert_eq!((place.topic.as_str(), place.mark.next), ("t", 1));
                assert!(error.is_damage(), "{error}");
                troubles += 1;
            }
            _ => {}
        }
        if added < 20 {
            add(&*log, "u", "b", added..added + 1).await;
            added += 1;
        }
    }
}
