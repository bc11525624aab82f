use std::io::ErrorKind;
use std::time::{Duration, Instant};

use wardline_disk::DiskError;
use wardline_disk_sim::{Cut, Op, SimDisk};

use super::*;

/// After a failure the file is not touched for a moment.
fn until_room(mut commit: impl FnMut() -> Result<(), AggregatorError>) {
    let begun = Instant::now();
    while let Err(error) = commit() {
        assert!(
            error.retriable() && begun.elapsed() < Duration::from_secs(60),
            "{error}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn on(disk: &SimDisk) -> Store {
    let store = Store::on(disk.clone());
    store.file.open_or_create(initialise).unwrap();
    store.start().unwrap()
}

const TOPIC: &str = "view.bed";

fn batch(n: u64) -> Batch {
    rows(&[(&n.to_string(), n, Some("{}"))])
}

/// Key, place and what the row says.
fn rows(of: &[(&str, u64, Option<&str>)]) -> Batch {
    let row = |(key, seq, json): &(&str, u64, Option<&str>)| {
        let row = ViewRow {
            seq: *seq,
            hash: seq + 100,
            json: json.map(|json| json.as_bytes().to_vec()),
        };
        ((TOPIC, (*key).to_owned()), row)
    };
    Batch {
        rows: of.iter().map(row).collect(),
        ..Batch::default()
    }
}

/// Keys and places.
fn queued(store: &Store) -> Vec<(String, u64)> {
    let rows = store.outbox(TOPIC, 0, usize::MAX).unwrap().into_iter();
    rows.map(|row| (row.key, row.seq)).collect()
}

#[test]
fn p5_a_batch_is_one_transaction_and_repeating_it_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path).unwrap();
    let mut batch = rows(&[("ICU^1^1", 1, Some("{}")), ("ICU^1^2", 2, None)]);
    let mark = Mark {
        read: wardline_log::follow::Mark::at(7),
        problem: None,
    };
    batch
        .positions
        .insert("a/fhir.encounter/0".into(), mark.clone());
    batch.counters.insert("a".into(), FoldCounts::default());
    batch.horizon_ms = Some(-5);
    for _ in 0..2 {
        store.commit(&batch).unwrap();
    }
    drop(store);
    let store = Store::open_existing(&path).unwrap();
    assert_eq!(store.positions().unwrap()["a/fhir.encounter/0"], mark);
    assert_eq!(store.horizon_ms().unwrap(), Some(-5));
    let known = BTreeMap::from([("ICU^1^1".to_owned(), 101)]);
    assert_eq!(store.published(TOPIC).unwrap(), known);
    let last = store.outbox(TOPIC, 1, 10).unwrap().pop().unwrap();
    assert_eq!((last.key.as_str(), last.json), ("ICU^1^2", None));
}

#[test]
fn p5_what_was_published_leaves_as_a_range_and_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state.redb")).unwrap();
    let said = [("A", 1, Some("1")), ("B", 2, Some("2")), ("C", 3, None)];
    store.commit(&rows(&said)).unwrap();
    let mut batch = rows(&[("A", 4, Some("3"))]);
    batch.published.insert(TOPIC, 2);
    batch.published.insert("view.department", 9);
    for _ in 0..2 {
        store.commit(&batch).unwrap();
        assert_eq!(queued(&store), [("C".to_owned(), 3), ("A".to_owned(), 4)]);
    }
    let known = [("A".to_owned(), 104), ("B".to_owned(), 102)];
    assert_eq!(store.published(TOPIC).unwrap(), BTreeMap::from(known));
    assert_eq!(store.published("view").unwrap(), BTreeMap::new());
    // A tombstone takes a row out of what is known.
    store.commit(&rows(&[("B", 5, None)])).unwrap();
    assert_eq!(store.published(TOPIC).unwrap().len(), 1);
}

#[test]
fn p7_what_was_unreadable_is_kept_up_to_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state.redb")).unwrap();
    let what = Unreadable {
        site: "a".into(),
        log_position: "a/fhir.encounter/0/1".into(),
        event_id: String::new(),
        cause: "no JSON".into(),
        at_ms: 0,
    };
    let batch = Batch {
        unreadable: (0..UNREADABLE_KEPT_MAX + 5)
            .map(|n| (n, what.clone()))
            .collect(),
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
    let kept = store.unreadable(usize::MAX).unwrap();
    assert_eq!(kept.len() as u64, UNREADABLE_KEPT_MAX);
    assert_eq!(kept[0].0, UNREADABLE_KEPT_MAX + 4);
}

#[test]
fn a_state_file_is_one_process_and_never_made_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    assert!(matches!(
        Store::open_existing(&path),
        Err(AggregatorError::Disk(DiskError::Missing { .. }))
    ));
    let _open = Store::open(&path).unwrap();
    assert!(matches!(
        Store::open(&path),
        Err(AggregatorError::Disk(DiskError::Locked { .. }))
    ));
}

#[test]
fn a_damaged_or_newer_file_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    std::fs::write(&path, vec![7u8; 8192]).unwrap();
    assert!(Store::open(&path).is_err());
    std::fs::remove_file(&path).unwrap();
    let store = Store::open(&path).unwrap();
    store
        .run("test", |db| {
            let tx = db.begin_write()?;
            let file = redb::TableDefinition::<&str, u64>::new("file");
            tx.open_table(file)?.insert(KIND.name, 9)?;
            tx.commit()?;
            Ok(())
        })
        .unwrap();
    drop(store);
    let error = Store::open(&path).err().unwrap();
    assert!(error.is_damage(), "{error}");
}

#[test]
fn p5_after_an_error_the_file_is_opened_again_and_the_commit_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path).unwrap();
    let batch = batch(1);
    let failed: Result<(), _> = store.run("test", |_| {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
    });
    assert!(failed.unwrap_err().retriable());
    until_room(|| store.commit(&batch));
    assert_eq!(queued(&store).len(), 1);
    store.close();
    assert!(!store.commit(&batch).unwrap_err().retriable());
    Store::open(&path).unwrap();
}

#[test]
fn a_broken_belief_of_the_library_is_damage_and_ends_no_thread() {
    let store = on(&SimDisk::new());
    let broken: Result<(), _> = store.run("test", |_| panic!("assertion failed"));
    assert!(broken.unwrap_err().is_damage());
    until_room(|| store.commit(&batch(1)));
}

#[test]
fn p5_a_state_that_holds_less_than_was_acknowledged_is_damaged() {
    let disk = SimDisk::new();
    let store = on(&disk);
    store.commit(&batch(1)).unwrap();
    disk.ignore_syncs(true);
    store.commit(&batch(2)).unwrap();
    disk.power_off_after(0);
    assert!(store.commit(&batch(3)).unwrap_err().retriable());
    disk.power_on(Cut::Lost);
    let begun = Instant::now();
    let error = loop {
        let error = store.commit(&batch(3)).unwrap_err();
        if !error.retriable() {
            break error;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
    };
    assert!(
        error.is_damage() && error.to_string().contains("was acknowledged"),
        "{error}"
    );
    assert!(
        store.outbox(TOPIC, 0, 10).is_err(),
        "nothing is read from it"
    );
}

#[test]
fn p7_on_a_full_disk_the_state_is_not_opened_again_at_every_try() {
    let disk = SimDisk::new();
    let store = on(&disk);
    disk.fail(Op::Write, 0, u64::MAX, ErrorKind::StorageFull);
    assert!(store.commit(&batch(1)).unwrap_err().retriable());
    disk.heal();
    store.positions().unwrap();
    disk.set_space(1);
    let openings = disk.openings();
    for _ in 0..1000 {
        assert!(store.commit(&batch(1)).unwrap_err().retriable());
    }
    assert_eq!(disk.openings(), openings);
    store.positions().unwrap();
    disk.heal();
    until_room(|| store.commit(&batch(1)));
}
