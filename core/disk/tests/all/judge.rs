//! Each thing that can be wrong with a file has its name, and only what is on disk is called damage.

use std::io::ErrorKind;

use redb::{Database, TableDefinition};
use wardline_disk::{DiskError, FileDisk, Kind, RedbFile};
use wardline_disk_sim::{Op, SimDisk};

use crate::{KIND, batch, fill, noise, open, put, rows};

fn first_open(disk: FileDisk) -> DiskError {
    RedbFile::new(disk, KIND).open(|_| Ok(())).unwrap_err()
}

#[test]
fn missing_locked_newer_and_damaged_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.redb");
    let disk = FileDisk::new(&path);
    let missing = first_open(disk.clone());
    assert_eq!(
        missing,
        DiskError::Missing {
            path: path.clone(),
            kind: KIND.name
        }
    );
    assert!(!path.exists(), "looking makes nothing");
    let file = open(disk.clone()).unwrap();
    assert_eq!(
        first_open(disk.clone()),
        DiskError::Locked { path: path.clone() }
    );
    file.close();
    assert_eq!(
        file.with("read", rows),
        Err(DiskError::Closed { path: path.clone() })
    );
    let older = Kind { format: 2, ..KIND };
    let newer = RedbFile::new(disk.clone(), older)
        .open(|_| Ok(()))
        .unwrap_err();
    assert!(
        matches!(&newer, DiskError::Newer { found, known: 2, .. } if found == "3"),
        "{newer}"
    );
    assert!(newer.is_damage() && !newer.retriable());
    for (other, why) in [
        (Kind { format: 4, ..KIND }, "an older format is not read"),
        (
            Kind {
                name: "something else",
                ..KIND
            },
            "another sort of file",
        ),
    ] {
        let error = RedbFile::new(disk.clone(), other)
            .open(|_| Ok(()))
            .unwrap_err();
        assert!(
            matches!(&error, DiskError::Damaged { what, .. } if what.contains("but no")),
            "{why}: {error}"
        );
    }
}

#[test]
fn what_is_no_database_is_damaged_and_stays_as_it_is() {
    for bytes in [
        &b""[..],
        b"not a database at all, but long enough to be one",
        &[7; 8192],
        b"redb\x1a\x0a\xa9\x0d\x0a",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.redb");
        std::fs::write(&path, bytes).unwrap();
        let error = open(FileDisk::new(&path)).unwrap_err();
        assert!(
            matches!(
                &error,
                DiskError::Damaged {
                    advice: "throw it away",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.redb");
    let other: TableDefinition<'_, u64, u64> = TableDefinition::new("other");
    let database = Database::create(&path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(other).unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = open(FileDisk::new(&path)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is a database, but no test file"),
        "{error}"
    );
}

#[test]
fn what_the_system_says_is_no_verdict_on_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let error = first_open(FileDisk::new(dir.path()));
    assert!(matches!(error, DiskError::Unavailable { .. }), "{error}");
    assert!(error.retriable() && !error.is_damage());
    for (op, kind, full) in [
        (Op::Write, ErrorKind::StorageFull, true),
        (Op::Write, ErrorKind::QuotaExceeded, true),
        (Op::Sync, ErrorKind::Other, false),
        (Op::Write, ErrorKind::PermissionDenied, false),
    ] {
        let disk = SimDisk::new();
        let file = open(disk.clone()).unwrap();
        disk.fail(op, 0, u64::MAX, kind);
        let error = file
            .with("commit", |db| put(db, &batch(0..1, 10)))
            .unwrap_err();
        assert_eq!(
            matches!(error, DiskError::Full { .. }),
            full,
            "{kind:?}: {error}"
        );
        assert_eq!(
            matches!(error, DiskError::Unavailable { .. }),
            !full,
            "{kind:?}: {error}"
        );
        disk.heal();
        file.open(|_| Ok(())).unwrap();
    }
}

#[test]
fn damage_anywhere_in_a_file_ends_as_an_error_or_not_at_all_and_never_as_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.redb");
    let file = open(FileDisk::new(&path)).unwrap();
    for n in 0..20 {
        file.with("put", |db| put(db, &batch(n * 10..n * 10 + 10, 300)))
            .unwrap();
    }
    file.close();
    let good = std::fs::read(&path).unwrap();
    let (mut opened, mut damaged) = (0, 0);
    for round in 0..60_u64 {
        let mut bad = good.clone();
        for place in noise(round + 1, 24).chunks(3) {
            let at = u32::from_le_bytes([place[0], place[1], place[2], 0]) as usize % bad.len();
            bad[at] ^= place[0] | 1;
        }
        if round % 7 == 0 {
            bad.truncate(bad.len() / 2);
        }
        std::fs::write(&path, bad).unwrap();
        let file = RedbFile::new(FileDisk::new(&path), KIND);
        match file.open(|_| Ok(())) {
            Ok(_) => {
                opened += 1;
                // Errors are as good as rows; what counts is that nothing but they comes out.
                file.with("read", rows).ok();
                file.with("put", |db| put(db, &batch(0..300, 500))).ok();
            }
            Err(DiskError::Damaged { .. } | DiskError::Newer { .. }) => damaged += 1,
            Err(other) => panic!("round {round}: {other}"),
        }
    }
    assert!(
        opened > 0 && damaged > 0,
        "{opened} opened, {damaged} damaged"
    );
}

#[test]
fn p1_what_the_check_refuses_is_never_used() {
    let disk = SimDisk::new();
    open(disk.clone()).unwrap().close();
    let file = RedbFile::new(disk, KIND);
    let refused = file.open(|_| Err::<(), _>(redb::Error::Corrupted("it holds less".to_owned())));
    assert!(
        matches!(&refused, Err(DiskError::Damaged { what, .. }) if what == "it holds less"),
        "{refused:?}"
    );
    assert!(!file.is_open());
    let aside = file.set_aside().unwrap();
    assert!(aside.to_string_lossy().contains("aside"));
    assert!(file.create(fill).unwrap().is_some());
    assert_eq!(file.with("read", rows), Ok(Vec::new()));
}
