//! The store's rules (docs/specs/agent-store.md) on a real file.

use std::time::Duration;

use crate::common::{self, all, append, clock, config, event, numbers, open, set, texts, until};
use redb::{Database, ReadableTable, TableDefinition};
use wardline_agent::Error;
use wardline_agent::store::{Refusal, Store, StoreConfig};
use wardline_disk::{Disk, DiskError, FileDisk};
use wardline_model::loss::IncarnationReason;
use wardline_model::{Body, LossRecord};

const FILE: TableDefinition<'_, &str, u64> = TableDefinition::new("file");

#[test]
fn s1_a_new_store_begins_with_its_incarnation() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("a/store.redb"));
    append(&store, &["one"]).unwrap();
    let held = store.held();
    let events = all(&store);
    let first = &events[0];
    let Body::Loss(LossRecord::IncarnationStart {
        incarnation,
        reason,
        ..
    }) = &first.1.body
    else {
        panic!("{first:?}");
    };
    assert_eq!(
        (first.0, *incarnation, *reason),
        (1, held.incarnation, IncarnationReason::NewStore)
    );
    assert_eq!((held.oldest, held.next_seq, held.events), (1, 3, 2));
    store.close();
}

#[test]
fn p1_what_was_answered_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    let incarnation = store.held().incarnation;
    for n in 0..50 {
        append(&store, &[&format!("e{n}"), &format!("f{n}")]).unwrap();
    }
    store.close();
    let store = open(&path);
    assert_eq!(store.held().incarnation, incarnation);
    assert_eq!(numbers(&store), (1..=101).collect::<Vec<_>>());
    assert_eq!(
        store.audit().unwrap(),
        (store.held().events, store.held().bytes)
    );
    store.close();
}

#[test]
fn s4_everything_that_waits_goes_into_one_commit_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let slow = StoreConfig {
        linger: Duration::from_millis(50),
        ..config()
    };
    let store = Store::open(FileDisk::new(dir.path().join("store.redb")), slow, clock()).unwrap();
    let answers: Vec<_> = (0..20)
        .map(|n| store.append(vec![event(&format!("e{n}"))], Vec::new()))
        .collect();
    for answer in answers {
        assert_eq!(answer.blocking_recv().unwrap(), Ok(()));
    }
    let run = store.read(2, u64::MAX).unwrap().unwrap();
    assert_eq!((run.first, run.count), (2, 20));
    let expected: Vec<String> = (0..20).map(|n| format!("e{n}")).collect();
    assert_eq!(texts(&store)[1..], expected);
    store.close();
}

#[test]
fn p2_a_receipt_frees_exactly_the_blocks_that_it_covers() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.redb"));
    // Blocks: 1 | 2..4 | 5..7 | 8..10 | 11..13
    for n in 0..4 {
        append(
            &store,
            &[&format!("a{n}"), &format!("b{n}"), &format!("c{n}")],
        )
        .unwrap();
    }
    store.free(store.held().incarnation, set(&[(1, 4), (8, 10), (11, 12)]));
    until("freed", || store.held().events == 6);
    assert_eq!(numbers(&store), vec![5, 6, 7, 11, 12, 13]);
    let held = store.held();
    assert_eq!((held.oldest, held.next_seq), (5, 14));
    assert_eq!(store.audit().unwrap(), (held.events, held.bytes));
    store.free(store.held().incarnation, set(&[(1, 3)]));
    append(&store, &["later"]).unwrap();
    assert_eq!(
        numbers(&store),
        vec![5, 6, 7, 11, 12, 13, 14],
        "a smaller receipt frees nothing and brings nothing back"
    );
    store.close();
}

#[test]
fn s3_numbers_are_never_given_twice_even_when_everything_was_freed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let mut next = 0;
    for round in 0..3 {
        let store = open(&path);
        append(&store, &["x", "y"]).unwrap();
        let held = store.held();
        assert!(held.next_seq > next, "round {round}");
        next = held.next_seq;
        store.free(store.held().incarnation, set(&[(1, next - 1)]));
        until("freed", || store.held().events == 0);
        assert_eq!((store.held().oldest, store.held().bytes), (next, 0));
        store.close();
    }
    assert_eq!(next, 8);
}

#[test]
fn s6_more_blocks_than_one_commit_frees_go_with_the_next_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    let wanted = wardline_agent::limits::FREE_BLOCKS_MAX as u64 + 50;
    while store.held().next_seq < wanted {
        append(&store, &["x"]).unwrap();
    }
    store.free(
        store.held().incarnation,
        set(&[(1, store.held().next_seq - 1)]),
    );
    until("all freed", || store.held().events == 0);
    assert_eq!(store.audit().unwrap(), (0, 0));
    store.close();
}

#[test]
fn s1_a_lost_store_is_a_new_incarnation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    let before = store.held().incarnation;
    store.close();
    std::fs::remove_file(&path).unwrap();
    let store = open(&path);
    assert_ne!(store.held().incarnation, before);
    assert_eq!(store.held().next_seq, 2);
    store.close();
}

#[test]
fn s8_a_damaged_store_is_kept_and_a_new_incarnation_begins() {
    for damage in [
        &b"not a database at all, but long enough to look at"[..],
        &[0u8; 8192],
        b"redb\x1a\x0a\xa9\x0d\x0a",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        std::fs::write(&path, damage).unwrap();
        let store = open(&path);
        let first = all(&store).remove(0).1;
        let Body::Loss(LossRecord::IncarnationStart { reason, .. }) = first.body else {
            panic!("{first:?}")
        };
        assert_eq!(reason, IncarnationReason::DamagedStore);
        let kept: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.to_string_lossy().contains("store.redb.damaged-"))
            .collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(std::fs::read(&kept[0]).unwrap(), damage);
        store.close();
    }
}

#[test]
fn s8_damage_anywhere_in_the_file_never_panics_and_never_invents_events() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    for n in 0..30 {
        append(&store, &[&format!("event-{n}")]).unwrap();
    }
    store.close();
    let good = std::fs::read(&path).unwrap();
    let mut seed = 7u64;
    for round in 0..60 {
        let mut bad = good.clone();
        for _ in 0..8 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 20) as usize % bad.len();
            bad[at] ^= (seed >> 8) as u8 | 1;
        }
        if round % 5 == 0 {
            bad.truncate(bad.len() / 2);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        std::fs::write(&path, bad).unwrap();
        let store = match Store::open(FileDisk::new(&path), config(), clock()) {
            Ok(store) => store,
            Err(error) => {
                assert!(
                    matches!(error, Error::Disk(DiskError::Newer { .. })),
                    "{error}"
                );
                continue;
            }
        };
        let mut from = 1;
        // A block that is damaged is reported; the ones behind it are still read.
        for _ in 0..100 {
            match store.read(from, u64::MAX) {
                Ok(Some(run)) => {
                    from = run.last() + 1;
                    for (n, event) in common::parse(&run) {
                        let text = common::text_of(&event);
                        assert!(
                            text == "incarnation-start" || text == format!("event-{}", n - 2),
                            "{n} {text}"
                        );
                    }
                }
                Err(Error::Block { first, .. }) => from = first + 1,
                Ok(None) | Err(_) => break,
            }
        }
        store.close();
    }
}

#[test]
fn s8_a_damaged_block_is_set_aside_and_the_rest_goes_on() {
    const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    for n in 0..3 {
        append(&store, &[&format!("e{n}")]).unwrap();
    }
    store.close();
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(BLOCKS).unwrap();
        let mut value = table.get(3).unwrap().unwrap().value().to_vec();
        *value.last_mut().unwrap() ^= 1;
        table.insert(3, value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
    drop(db);
    let store = open(&path);
    assert_eq!(
        store.read(2, 2).unwrap().unwrap().last(),
        2,
        "what is whole before it is read"
    );
    assert!(matches!(
        store.read(3, 9),
        Err(Error::Block { first: 3, .. })
    ));
    until("set aside", || store.held().events == 3);
    assert_eq!(numbers(&store), vec![1, 2, 4]);
    assert_eq!(
        store.audit().unwrap(),
        (store.held().events, store.held().bytes)
    );
    store.close();
}

#[test]
fn s8_a_store_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    open(&path).close();
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(FILE)
        .unwrap()
        .insert("agent store", 2)
        .unwrap();
    txn.commit().unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap().len();
    let error = Store::open(FileDisk::new(&path), config(), clock())
        .err()
        .unwrap();
    assert!(
        matches!(error, Error::Disk(DiskError::Newer { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("belongs to a newer version"));
    let error = error.into_anyhow();
    assert_eq!(wardline_service::exit::of_error(&error).code(), 3);
    assert_eq!(std::fs::read(&path).unwrap().len(), before);
    assert!(
        !dir.path().read_dir().unwrap().any(|e| e
            .unwrap()
            .path()
            .to_string_lossy()
            .contains("damaged"))
    );
}

#[test]
fn s8_a_store_that_is_held_is_never_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    let error = Store::open(FileDisk::new(&path), config(), clock())
        .err()
        .unwrap();
    assert!(
        matches!(error, Error::Disk(DiskError::Locked { .. })),
        "{error}"
    );
    assert!(
        !dir.path().read_dir().unwrap().any(|e| e
            .unwrap()
            .path()
            .to_string_lossy()
            .contains("damaged"))
    );
    append(&store, &["still works"]).unwrap();
    store.close();
}

#[test]
fn s10_qos2_identifiers_live_and_go_with_their_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    let ids = vec![("c1".into(), 7), ("c1".into(), 65_535), ("c10".into(), 7)];
    let events = ids.iter().map(|_| event("x")).collect();
    store.append(events, ids).blocking_recv().unwrap().unwrap();
    store.close();
    let store = open(&path);
    assert_eq!(store.unreleased("c1").unwrap(), vec![7, 65_535]);
    assert!(store.release("c1".into(), vec![7]).blocking_recv().unwrap());
    assert_eq!(store.unreleased("c1").unwrap(), vec![65_535]);
    assert!(store.clear("c1".into()).blocking_recv().unwrap());
    assert_eq!(
        (
            store.unreleased("c1").unwrap(),
            store.unreleased("c10").unwrap()
        ),
        (vec![], vec![7])
    );
    store.close();
}

#[test]
fn p7_at_the_quota_events_are_refused_counted_and_told_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let quota = StoreConfig {
        quota_bytes: 2 << 20,
        ..config()
    };
    let store = Store::open(FileDisk::new(&path), quota, clock()).unwrap();
    let mut stored = 0;
    while append(&store, &[&common::noise(stored)]).is_ok() {
        stored += 1;
        assert!(stored < 10_000);
    }
    assert_eq!(
        append(&store, &["small"]),
        Err(Refusal::Full),
        "hysteresis: nothing more until there is room"
    );
    let held = store.held();
    assert!(held.full && held.refused == 2 && held.bytes <= 2 << 20);
    // The quota is about the disk, not only about our sums.
    let file = FileDisk::new(&path).used_bytes();
    assert!(
        file <= (2 << 20) + (2 << 20) / 4 + (1 << 20),
        "{file} bytes on disk"
    );
    store.free(store.held().incarnation, set(&[(1, held.next_seq / 2)]));
    until("room", || store.held().events < stored / 2 + 5);
    until("told", || store.held().next_seq > held.next_seq);
    append(&store, &["after"]).unwrap();
    let events = all(&store);
    let told = events.iter().find_map(|(_, e)| match &e.body {
        Body::Loss(LossRecord::Refused { count, .. }) => Some(*count),
        _ => None,
    });
    assert_eq!((told, store.held().refused), (Some(2), 2));
    store.close();
    let store = Store::open(FileDisk::new(&path), quota, clock()).unwrap();
    assert_eq!(
        store.held().refused,
        2,
        "counted over the life of the store"
    );
    store.close();
}

#[test]
fn s9_a_refusal_that_was_not_told_yet_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    store.note_refused(3);
    append(&store, &["a"]).unwrap();
    store.close();
    let store = open(&path);
    assert_eq!(store.held().refused, 3);
    assert!(
        texts(&store).contains(&"refused".to_owned()),
        "{:?}",
        texts(&store)
    );
    store.close();
}

#[test]
fn p7_a_drained_backlog_does_not_keep_its_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    let big = "x".repeat(200_000);
    for _ in 0..20 {
        append(&store, &[&big]).unwrap();
    }
    store.free(
        store.held().incarnation,
        set(&[(1, store.held().next_seq - 1)]),
    );
    until("freed", || store.held().events == 0);
    let before = std::fs::metadata(&path).unwrap().len();
    for _ in 0..5 {
        for _ in 0..20 {
            append(&store, &[&big]).unwrap();
        }
        store.free(
            store.held().incarnation,
            set(&[(1, store.held().next_seq - 1)]),
        );
        until("freed", || store.held().events == 0);
    }
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(
        after <= before * 2,
        "the file grew from {before} to {after}"
    );
    store.close();
}
