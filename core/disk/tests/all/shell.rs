//! What the shell does while the file is in use: guard, open again, keep and lend the reserve, shrink.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use wardline_disk::limits::{RESERVE_BYTES, SHRINK_FILE_BYTES_MIN};
use wardline_disk::{DiskError, FileDisk, RedbFile};
use wardline_disk_sim::{Cut, Op, SimDisk};

use crate::{batch, open, put, rows, take};

/// A file that holds two rows near its end, and nothing before them.
fn emptied(file: &RedbFile) {
    let large = |key: u64| (key, vec![key as u8; 60_000]);
    for n in 0..24 {
        let rows: Vec<_> = (n * 16..n * 16 + 16).map(large).collect();
        file.with("put", |db| put(db, &rows)).unwrap();
    }
    file.with("put", |db| put(db, &batch(10_000..10_002, 1000)))
        .unwrap();
    file.with("free", |db| take(db, 0..9_000)).unwrap();
}

/// Repeats what may have to wait for a pause.
fn until<T>(what: &str, mut tried: impl FnMut() -> Result<T, DiskError>) -> T {
    let begun = Instant::now();
    loop {
        match tried() {
            Ok(done) => return done,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_broken_belief_of_the_library_is_damage_and_the_file_is_opened_again() {
    let disk = SimDisk::new();
    let file = open(disk).unwrap();
    file.with("put", |db| put(db, &batch(0..3, 10))).unwrap();
    let broken: Result<(), _> = file.with("read", |_| panic!("assertion failed: a page is free"));
    let error = broken.unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("contradicts itself; throw it away"),
        "{error}"
    );
    assert!(matches!(
        file.with("read", rows),
        Err(DiskError::Unavailable { .. })
    ));
    assert_eq!(file.open(rows).unwrap().unwrap().len(), 3);
    assert_eq!(file.with("read", rows).unwrap().len(), 3);
}

#[test]
fn p7_a_failing_disk_is_opened_again_once_in_a_pause_and_not_at_every_call() {
    let disk = SimDisk::new();
    let file = open(disk.clone()).unwrap();
    disk.fail(Op::Sync, 0, u64::MAX, ErrorKind::Other);
    let before = disk.openings();
    let begun = Instant::now();
    for _ in 0..2000 {
        if file.with("commit", |db| put(db, &batch(0..1, 10))).is_err() {
            file.open(|_| Ok(())).ok();
        }
    }
    let allowed = 2 + begun.elapsed().as_millis() as u64 / 250;
    let openings = disk.openings() - before;
    assert!(
        openings >= 1 && openings <= allowed,
        "{openings} openings, {allowed} allowed"
    );
    // Another failure does not wait: the first one may be over.
    disk.heal();
    until("open again", || file.open(|_| Ok(())));
    disk.fail(Op::Write, 0, 1, ErrorKind::StorageFull);
    assert!(matches!(
        file.with("commit", |db| put(db, &batch(0..1, 10))),
        Err(DiskError::Full { .. })
    ));
    file.open(|_| Ok(())).unwrap().unwrap();
}

#[test]
fn p7_on_a_full_disk_nothing_is_touched_reads_go_on_and_the_reserve_lets_it_free() {
    let disk = SimDisk::new();
    let file = open(disk.clone()).unwrap();
    file.with("put", |db| put(db, &batch(0..10, 4000))).unwrap();
    disk.set_space(disk.file_bytes() + RESERVE_BYTES as u64 + 400_000);
    let mut key = 10;
    let full = loop {
        file.admit(40_000).unwrap();
        match file.with("commit", |db| put(db, &batch(key..key + 10, 4000))) {
            Ok(()) => key += 10,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, DiskError::Full { .. }), "{full}");
    assert!(key > 20 && file.is_full());
    file.open(|_| Ok(())).unwrap().unwrap();
    let (openings, changes) = (disk.openings(), disk.changes());
    for _ in 0..1000 {
        assert!(matches!(file.admit(1), Err(DiskError::Full { .. })));
    }
    assert_eq!(file.with("read", rows).unwrap().len() as u64, key);
    assert_eq!((disk.openings(), disk.changes()), (openings, changes));
    // Freeing works on the reserve, and half of what it freed may be used.
    file.with("free", |db| take(db, 0..20)).unwrap();
    file.moved(0, 80_000);
    file.admit(40_000).unwrap();
    file.with("commit", |db| put(db, &batch(key..key + 10, 4000)))
        .unwrap();
    file.moved(40_000, 0);
    assert!(matches!(file.admit(40_000), Err(DiskError::Full { .. })));
    disk.heal();
    until("room again", || file.admit(1 << 30));
    assert!(!file.is_full());
}

#[test]
fn p7_a_disk_that_is_full_at_the_start_is_known_before_the_first_commit() {
    let disk = SimDisk::new();
    open(disk.clone()).unwrap().close();
    let other = disk.fork();
    other.power_on(Cut::Kept);
    wardline_disk::Disk::lend_reserve(&other).unwrap();
    other.set_space(other.file_bytes() + 100_000);
    let file = open(other).unwrap();
    assert!(matches!(file.admit(1), Err(DiskError::Full { .. })));
}

#[test]
fn p7_an_emptied_file_shrinks_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(FileDisk::new(dir.path().join("x.redb"))).unwrap();
    emptied(&file);
    let before = file.used_bytes();
    assert!(before >= SHRINK_FILE_BYTES_MIN, "{before}");
    assert_eq!(file.shrink(before / 4).unwrap(), None, "it holds too much");
    let shrunk = file.shrink(2000).unwrap().unwrap();
    assert!(shrunk.after_bytes < before / 4, "{shrunk:?}");
    assert_eq!(file.shrink(2000).unwrap(), None);
    assert_eq!(file.with("read", rows).unwrap().len(), 2);
}

#[test]
fn p7_a_shrinking_that_fails_leaves_everything_that_was_there() {
    let disk = SimDisk::new();
    let file = open(disk.clone()).unwrap();
    emptied(&file);
    for left in [0, 3, 9, 20] {
        let disk = disk.fork();
        disk.power_on(Cut::Kept);
        let file = open(disk.clone()).unwrap();
        disk.fail(Op::Write, left, u64::MAX, ErrorKind::Other);
        assert!(file.shrink(2000).is_err(), "after {left} writes");
        assert!(!file.is_open());
        disk.heal();
        until("open again", || file.open(|_| Ok(())));
        assert_eq!(
            file.with("read", rows).unwrap(),
            batch(10_000..10_002, 1000)
        );
    }
}
