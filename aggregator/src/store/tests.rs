use super::*;

fn row(seq: u64, json: Option<&str>) -> OutboxRow {
    OutboxRow {
        seq,
        json: json.map(|j| j.as_bytes().to_vec()),
    }
}

fn key(name: &str) -> OutboxKey {
    OutboxKey {
        topic: "view.bed".into(),
        key: name.into(),
    }
}

#[test]
fn p5_a_batch_is_one_transaction_and_repeating_it_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let store = Store::open(&path).unwrap();
    let mut batch = Batch::default();
    let mark = Mark {
        next: 7,
        last: Some((6, "gw-1/00000000000000ab/6".into())),
        problem: None,
    };
    batch
        .positions
        .insert("a/fhir.encounter/0".into(), mark.clone());
    batch.counters.insert("a".into(), FoldCounts::default());
    batch.outbox.insert(key("ICU^1^1"), row(1, Some("{}")));
    batch.outbox.insert(key("ICU^1^2"), row(2, None));
    batch.horizon_ms = Some(-5);
    for _ in 0..2 {
        store.commit(&batch).unwrap();
    }
    drop(store);
    let store = Store::open_existing(&path).unwrap();
    assert_eq!(store.positions().unwrap()["a/fhir.encounter/0"], mark);
    assert_eq!(store.horizon_ms().unwrap(), Some(-5));
    assert_eq!(store.outbox_seq().unwrap(), 2);
    assert_eq!(store.outbox(10).unwrap()[1], (key("ICU^1^2"), row(2, None)));
}

#[test]
fn p5_a_published_row_is_removed_only_if_nothing_newer_took_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state.redb")).unwrap();
    let mut batch = Batch::default();
    batch.outbox.insert(key("A"), row(1, Some("1")));
    batch.outbox.insert(key("B"), row(2, Some("2")));
    store.commit(&batch).unwrap();
    let mut batch = Batch::default();
    batch.outbox.insert(key("A"), row(3, Some("3")));
    batch.published.insert(key("A"), 1);
    batch.published.insert(key("B"), 2);
    store.commit(&batch).unwrap();
    assert_eq!(
        store.outbox(10).unwrap(),
        vec![(key("A"), row(3, Some("3")))]
    );
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
        Err(AggregatorError::StoreMissing { .. })
    ));
    let _open = Store::open(&path).unwrap();
    assert!(matches!(
        Store::open(&path),
        Err(AggregatorError::StoreLocked { .. })
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
            tx.open_table(META)?
                .insert(META_FORMAT, 9u64.to_be_bytes().as_slice())?;
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
    let mut batch = Batch::default();
    batch.outbox.insert(key("A"), row(1, Some("1")));
    let failed: Result<(), _> = store.run("test", |_| {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
    });
    assert!(failed.unwrap_err().retriable());
    store.commit(&batch).unwrap();
    assert_eq!(store.outbox(10).unwrap().len(), 1);
    store.close();
    assert!(store.commit(&batch).is_err());
    Store::open(&path).unwrap();
}
