//! The embedded engine against the contract, and against what only it must stand: kill -9, failing storage, a full
//! disk, damage, a newer format, a second process.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redb::{Database, ReadableTable, TableDefinition};
use wardline_disk::DiskError;
use wardline_disk_sim::{Cut, Op, SimDisk};
use wardline_log::embedded::{EmbeddedLog, FILE_NAME, KIND, Options};
use wardline_log::limits::{BLOCK_STORED_BYTES_MAX, TOMBSTONE_GRACE_MS};
use wardline_log::{Cleanup, Headers, Log, LogError, Record, TopicSpec};
use wardline_log_contract::{self as contract, PATIENCE, Tested, crash, noise, read_all};
use wardline_service::{ManualClock, SharedClock, SystemClock};

const KEEP: Cleanup = Cleanup::Delete {
    retention_bytes: None,
    retention_ms: None,
};

fn open(dir: &Path) -> Arc<EmbeddedLog> {
    EmbeddedLog::open(dir, SystemClock::shared()).unwrap()
}

fn topic(name: &str, cleanup: Cleanup) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        cleanup,
    }
}

fn record(key: &str, value: impl AsRef<[u8]>) -> Record {
    Record {
        key: Some(key.as_bytes().to_vec().into()),
        value: Some(value.as_ref().to_vec().into()),
        headers: Headers::new(),
        time_ms: 1,
    }
}

/// A clock that the test moves.
fn clocked(dir: &Path, now: &Arc<ManualClock>) -> Arc<EmbeddedLog> {
    let options = Options {
        background: false,
        ..Options::new(Arc::clone(now) as SharedClock)
    };
    EmbeddedLog::open_with(dir, options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg1_to_lg50_the_embedded_engine_passes_the_contract() {
    let dirs = Mutex::new(Vec::new());
    let make = async || {
        let dir = tempfile::tempdir().unwrap();
        let embedded = open(dir.path());
        dirs.lock().unwrap().push(dir);
        Ok(Tested {
            log: embedded.clone(),
            embedded: Some(embedded),
        })
    };
    contract::suite(make).await.unwrap();
}

const HELPER_DIR: &str = "WARDLINE_LOG_TEST_CRASH_DIR";
const HELPER_ROUND: &str = "WARDLINE_LOG_TEST_CRASH_ROUND";

/// The test runs itself as the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_lg30_nothing_acked_is_lost_by_kill_9() {
    if let Some(dir) = std::env::var_os(HELPER_DIR) {
        let log = open(Path::new(&dir));
        let round = std::env::var(HELPER_ROUND).unwrap();
        crash::write_until_killed(log, &round).await.unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acked = Vec::new();
    for round in 0..6_u64 {
        let mut helper = Command::new(std::env::current_exe().unwrap());
        helper
            .args([
                "--exact",
                "embedded::p1_lg30_nothing_acked_is_lost_by_kill_9",
            ])
            .env(HELPER_DIR, dir.path())
            .env(HELPER_ROUND, round.to_string());
        let moment = noise(round + 1, 2);
        let after =
            Duration::from_micros(u64::from(u16::from_le_bytes([moment[0], moment[1]])) * 5);
        acked.extend(crash::run_and_kill(&mut helper, after).unwrap());
        let log = open(dir.path());
        crash::check(&*log, &acked).await.unwrap();
        log.close().await.unwrap();
    }
}

/// Appends until it has failed often enough; returns what was acked.
async fn append_through(log: &Arc<EmbeddedLog>, disk: &SimDisk, size: usize) -> Vec<(u64, Record)> {
    let mut acked = Vec::new();
    let mut failures = 0;
    for n in 0..4000_u32 {
        let one = record(&format!("k{n}"), noise(u64::from(n) + 1, size));
        match log.append("t", vec![one.clone()]).await {
            Ok(at) => acked.push((at[0].offset, one)),
            Err(error) => {
                assert!(error.retriable(), "{error}");
                assert!(matches!(error, LogError::Unavailable { .. }));
                failures += 1;
            }
        }
        if failures == 3 {
            break;
        }
    }
    assert!(
        failures > 0 && disk.failed() > 0,
        "the storage never failed"
    );
    acked
}

/// Repeats what may have to wait until the file is opened again.
async fn when_open<T>(mut call: impl AsyncFnMut() -> Result<T, LogError>) -> T {
    let begun = Instant::now();
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) => assert!(error.retriable() && begun.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn exactly(log: &Arc<EmbeddedLog>, acked: &[(u64, Record)]) {
    let entries = when_open(|| read_all(&**log, "t", 0, 0)).await;
    let have: Vec<_> = entries.into_iter().map(|e| (e.offset, e.record)).collect();
    assert!(have == acked, "{} read, {} acked", have.len(), acked.len());
}

fn simulated(disk: &SimDisk) -> Arc<EmbeddedLog> {
    let options = Options {
        background: false,
        ..Options::new(SystemClock::shared())
    };
    EmbeddedLog::open_on(disk.clone(), options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg33_failing_storage_loses_nothing_acked_and_keeps_nothing_refused() {
    let writes = [0, 1, 2, 3, 5, 8, 13, 14, 15, 16, 17, 18, 19, 20, 40, 77];
    let writes = writes.map(|after| (Op::Write, after));
    for (op, after) in writes.into_iter().chain([(Op::Sync, 0), (Op::Sync, 2)]) {
        let disk = SimDisk::new();
        let log = simulated(&disk);
        log.create_topics(&[topic("t", KEEP)]).await.unwrap();
        let first = record("first", "acked before");
        log.append("t", vec![first.clone()]).await.unwrap();
        disk.fail(op, after, u64::MAX, ErrorKind::Other);
        let mut acked = vec![(0, first)];
        acked.extend(append_through(&log, &disk, 3000).await);
        // Works again without being opened by anyone, and goes on where the acked records end.
        disk.heal();
        exactly(&log, &acked).await;
        let more = record("more", "after");
        let at = when_open(|| log.append("t", vec![more.clone()])).await;
        assert_eq!(at[0].offset, acked.len() as u64, "after {after} of {op:?}");
        acked.push((at[0].offset, more));
        exactly(&log, &acked).await;
        log.close().await.unwrap();
        exactly(&simulated(&disk), &acked).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_lg34_a_full_disk_refuses_without_touching_it_retention_makes_room_and_room_heals_it() {
    let disk = SimDisk::new();
    let log = simulated(&disk);
    log.create_topics(&[topic("t", KEEP)]).await.unwrap();
    disk.set_space((7 << 20) + (1 << 18));
    let mut acked = append_through(&log, &disk, 200_000).await;
    assert!(acked.len() > 5, "only {} acked", acked.len());
    exactly(&log, &acked).await;
    let (openings, changes) = (disk.openings(), disk.changes());
    for _ in 0..500 {
        let refused = log.append("t", vec![record("k", "small")]).await;
        assert!(refused.unwrap_err().retriable());
    }
    assert_eq!((disk.openings(), disk.changes()), (openings, changes));
    exactly(&log, &acked).await;
    // Retention makes room inside the file, on a disk that is as full as before.
    let keep = Cleanup::Delete {
        retention_bytes: Some(500_000),
        retention_ms: None,
    };
    log.create_topics(&[topic("t", keep)]).await.unwrap();
    let done = log.maintain().await.unwrap();
    assert!(done.freed_bytes > 1 << 20, "{done:?}");
    let one = record("k", noise(9, 200_000));
    let at = log.append("t", vec![one.clone()]).await.unwrap();
    assert_eq!(at[0].offset, acked.len() as u64);
    acked.push((at[0].offset, one));
    disk.heal();
    when_open(|| log.append("t", vec![record("k", noise(10, 900_000))])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg13_a_file_that_lost_what_was_acknowledged_is_damaged_and_gives_no_offset_twice() {
    let disk = SimDisk::new();
    let log = simulated(&disk);
    log.create_topics(&[topic("t", KEEP)]).await.unwrap();
    log.append("t", vec![record("k", "1")]).await.unwrap();
    disk.ignore_syncs(true);
    log.append("t", vec![record("k", "2")]).await.unwrap();
    disk.power_off_after(0);
    let refused = log.append("t", vec![record("k", "3")]).await;
    assert!(refused.unwrap_err().retriable());
    disk.power_on(Cut::Lost);
    let begun = Instant::now();
    let error = loop {
        let error = log.append("t", vec![record("k", "3")]).await.unwrap_err();
        if !error.retriable() {
            break error;
        }
        assert!(begun.elapsed() < PATIENCE, "{error}");
    };
    assert!(error.is_damage(), "{error}");
    assert!(
        error
            .to_string()
            .contains("0..1, but 0..2 was acknowledged"),
        "{error}"
    );
    assert!(read_all(&*log, "t", 0, 0).await.is_err());
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg31_one_sync_serves_all_who_wait() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.create_topics(&[topic("t", KEEP)]).await.unwrap();
    let waiting: Vec<_> = (0..500)
        .map(|n| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append("t", vec![record("k", n.to_string())]).await })
        })
        .collect();
    for append in waiting {
        append.await.unwrap().unwrap();
    }
    log.close().await.unwrap();
    // Every commit of one partition writes one block, here at least.
    let blocks = blocks(dir.path()).len();
    assert!(blocks < 250, "{blocks} commits for 500 appends at once");
}

const BLOCKS: TableDefinition<'static, (u32, u32, u64), &[u8]> = TableDefinition::new("blocks");

fn blocks(dir: &Path) -> Vec<Vec<u8>> {
    use redb::ReadableDatabase;
    let db = Database::open(dir.join(FILE_NAME)).unwrap();
    let table = db.begin_read().unwrap().open_table(BLOCKS).unwrap();
    let all = table.range::<(u32, u32, u64)>(..).unwrap();
    all.map(|entry| entry.unwrap().1.value().to_vec()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg41_retention_by_time_goes_by_when_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let now = ManualClock::at(1_000_000);
    let log = clocked(dir.path(), &now);
    let keep = Cleanup::Delete {
        retention_bytes: None,
        retention_ms: Some(1000),
    };
    log.create_topics(&[topic("t", keep)]).await.unwrap();
    // The record's own time is long ago: a backfill must not vanish at once.
    log.append("t", vec![record("k", "1"), record("k", "2")])
        .await
        .unwrap();
    now.advance_ms(600);
    log.append("t", vec![record("k", "3")]).await.unwrap();
    assert!(log.maintain().await.unwrap().removed.is_empty());
    now.advance_ms(401);
    let done = log.maintain().await.unwrap();
    assert_eq!((done.removed[0].from, done.removed[0].to), (0, 2));
    now.advance_ms(1000);
    log.maintain().await.unwrap();
    let offsets = log.offsets("t").await.unwrap();
    assert_eq!((offsets[0].start, offsets[0].end), (3, 3));
    // Offsets go on, also after the log was opened again.
    log.close().await.unwrap();
    let log = clocked(dir.path(), &now);
    let at = log.append("t", vec![record("k", "4")]).await.unwrap();
    assert_eq!(at[0].offset, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg52_tombstones_go_after_the_grace_and_readers_pass_the_holes() {
    let dir = tempfile::tempdir().unwrap();
    let now = ManualClock::at(1_000_000);
    let log = clocked(dir.path(), &now);
    log.create_topics(&[topic("t", Cleanup::Compact)])
        .await
        .unwrap();
    let gone = Record {
        value: None,
        ..record("gone", "")
    };
    log.append("t", vec![record("gone", "1"), record("stays", "2")])
        .await
        .unwrap();
    log.append("t", vec![gone.clone()]).await.unwrap();
    assert_eq!(log.maintain().await.unwrap().compacted_records, 1);
    now.advance_ms(TOMBSTONE_GRACE_MS - 1);
    assert_eq!(log.maintain().await.unwrap().compacted_records, 0);
    let left = read_all(&*log, "t", 0, 0).await.unwrap();
    assert_eq!(left.iter().map(|e| e.offset).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(left[1].record, gone);
    // The grace is kept over a restart.
    log.close().await.unwrap();
    let log = clocked(dir.path(), &now);
    now.advance_ms(1);
    assert_eq!(log.maintain().await.unwrap().compacted_records, 1);
    let mut reader = log.reader("t", 0, 0).await.unwrap();
    let left = reader.next(10, Duration::from_secs(60)).await.unwrap();
    assert_eq!(left.iter().map(|e| e.offset).collect::<Vec<_>>(), [1]);
    // The end is a hole now: caught up all the same, and the next record is found.
    assert!(reader.next(10, Duration::ZERO).await.unwrap().is_empty());
    assert_eq!(reader.position(), 3);
    log.append("t", vec![record("k", "new")]).await.unwrap();
    let new = reader.next(10, Duration::from_secs(60)).await.unwrap();
    assert_eq!(new[0].offset, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg54_small_blocks_are_merged_and_a_second_pass_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.create_topics(&[topic("t", Cleanup::Compact)])
        .await
        .unwrap();
    for n in 0..600_u64 {
        log.append("t", vec![record(&format!("k{n}"), noise(n, 500))])
            .await
            .unwrap();
    }
    log.maintain().await.unwrap();
    let file = dir.path().join(FILE_NAME);
    let before = std::fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(
        log.maintain().await.unwrap(),
        wardline_log::embedded::Maintenance::default()
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().modified().unwrap(),
        before
    );
    assert_eq!(read_all(&*log, "t", 0, 0).await.unwrap().len(), 600);
    log.close().await.unwrap();
    let sizes: Vec<usize> = blocks(dir.path()).iter().map(Vec::len).collect();
    assert!(sizes.len() < 12, "{sizes:?}");
    assert!(
        sizes.iter().all(|size| *size <= BLOCK_STORED_BYTES_MAX),
        "{sizes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg43_an_emptied_file_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.create_topics(&[topic("t", KEEP)]).await.unwrap();
    for n in 0..30 {
        log.append("t", vec![record("k", noise(n, 900_000))])
            .await
            .unwrap();
    }
    let keep = Cleanup::Delete {
        retention_bytes: Some(1_000_000),
        retention_ms: None,
    };
    log.create_topics(&[topic("t", keep)]).await.unwrap();
    let done = log.maintain().await.unwrap();
    assert!(done.file_bytes_freed > 15 << 20, "{done:?}");
    assert_eq!(log.offsets("t").await.unwrap()[0].end, 30);
    let left = read_all(&*log, "t", 0, done.removed[0].to).await.unwrap();
    assert_eq!(
        left.last().unwrap().record.value.as_deref(),
        Some(noise(29, 900_000).as_slice())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg35_a_second_opener_is_told_who_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    match EmbeddedLog::open(dir.path(), SystemClock::shared())
        .err()
        .unwrap()
    {
        LogError::Disk(DiskError::Locked { path }) => assert_eq!(path, dir.path().join(FILE_NAME)),
        other => panic!("{other}"),
    }
    log.close().await.unwrap();
    // A stopped folder can be looked at; a folder without a log says so and stays as it is.
    EmbeddedLog::open_existing(dir.path(), SystemClock::shared())
        .unwrap()
        .close()
        .await
        .unwrap();
    let empty = tempfile::tempdir().unwrap();
    let missing = EmbeddedLog::open_existing(empty.path(), SystemClock::shared())
        .err()
        .unwrap();
    assert!(
        matches!(missing, LogError::Disk(DiskError::Missing { .. })),
        "{missing}"
    );
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn lg12_newer_formats_and_other_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let file: TableDefinition<'_, &str, u64> = TableDefinition::new("file");
    let db = Database::create(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(file).unwrap().insert(KIND.name, 2).unwrap();
    txn.commit().unwrap();
    drop(db);
    let newer = EmbeddedLog::open(dir.path(), SystemClock::shared())
        .err()
        .unwrap();
    assert!(
        matches!(newer, LogError::Disk(DiskError::Newer { known: 1, .. })),
        "{newer}"
    );
    assert!(newer.is_damage());

    for bytes in [
        &b"not a database at all, but long enough to be one"[..],
        &[],
    ] {
        std::fs::write(&path, bytes).unwrap();
        let damaged = EmbeddedLog::open(dir.path(), SystemClock::shared())
            .err()
            .unwrap();
        assert!(
            matches!(damaged, LogError::Disk(DiskError::Damaged { .. })),
            "{damaged}"
        );
    }
    // What a crash left while the file was being made is made anew.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(dir.path().join("log.redb.new-00"), b"half").unwrap();
    EmbeddedLog::open(dir.path(), SystemClock::shared()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_lg24_a_damaged_block_is_named_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.create_topics(&[topic("t", KEEP)]).await.unwrap();
    for n in 0..3 {
        log.append("t", vec![record("k", n.to_string())])
            .await
            .unwrap();
    }
    log.close().await.unwrap();
    let db = Database::open(dir.path().join(FILE_NAME)).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(BLOCKS).unwrap();
        let mut block = table.get((1, 0, 1)).unwrap().unwrap().value().to_vec();
        *block.last_mut().unwrap() ^= 1;
        table.insert((1, 0, 1), block.as_slice()).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    let log = open(dir.path());
    let mut reader = log.reader("t", 0, 0).await.unwrap();
    let good = reader.next(10, Duration::ZERO).await.unwrap();
    assert_eq!(good.len(), 1);
    let damaged = reader.next(10, Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(&damaged, LogError::Disk(DiskError::Damaged { what, .. }) if what.contains("t/0 at offset 1")),
        "{damaged}"
    );
    let mut reader = log.reader("t", 0, 2).await.unwrap();
    assert_eq!(reader.next(10, Duration::ZERO).await.unwrap()[0].offset, 2);
}
