//! Promise P1 on a disk that fails on purpose: no answer before the sync, none after a failed one, nothing lost.

use std::io::ErrorKind;

use crate::common::{self, append, clock, config, event, numbers, set, texts, until};
use tokio::sync::oneshot::error::TryRecvError;
use wardline_agent::store::{Refusal, Store};
use wardline_disk::limits::RESERVE_BYTES;
use wardline_disk_sim::{Cut, Op, SimDisk};

fn open(disk: &SimDisk) -> Store {
    Store::open(disk.clone(), config(), clock()).unwrap()
}

fn fail_syncs(disk: &SimDisk) {
    disk.fail(Op::Sync, 0, u64::MAX, ErrorKind::Other);
}

#[test]
fn p1_no_answer_before_the_sync_has_returned() {
    let disk = SimDisk::new();
    let store = open(&disk);
    disk.hold_syncs(true);
    let mut answer = store.append(vec![event("a")], Vec::new());
    until("the commit is syncing", || disk.held_syncs() > 0);
    assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
    let release = store.release("c".into(), vec![1]);
    disk.hold_syncs(false);
    assert_eq!(answer.blocking_recv(), Ok(Ok(())));
    assert!(release.blocking_recv().unwrap());
    store.close();
}

#[test]
fn p1_no_answer_after_a_failed_sync_and_nothing_acked_is_lost() {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, &["kept"]).unwrap();
    let before = store.held().next_seq;
    fail_syncs(&disk);
    assert_eq!(append(&store, &["refused"]), Err(Refusal::Failed));
    assert_eq!(
        store.release("c".into(), vec![1]).blocking_recv(),
        Ok(false)
    );
    assert!(store.held().refused >= 1);
    disk.heal();
    until("taken again", || append(&store, &["again"]).is_ok());
    assert!(store.held().next_seq > before);
    disk.power_off_after(0);
    store.close();
    disk.power_on(Cut::Lost);
    let texts = texts(&open(&disk));
    assert!(
        texts.contains(&"kept".to_owned()) && texts.contains(&"again".to_owned()),
        "{texts:?}"
    );
}

#[test]
fn p1_after_a_power_cut_everything_answered_is_there() {
    for round in 1..8 {
        let disk = SimDisk::new();
        let store = open(&disk);
        for n in 0..round * 3 {
            append(&store, &[&format!("e{n}")]).unwrap();
        }
        // One more is written and not synced when the power goes.
        disk.hold_syncs(true);
        let lost = store.append(vec![event("unanswered")], Vec::new());
        until("the commit is syncing", || disk.held_syncs() > 0);
        disk.power_off_after(0);
        disk.hold_syncs(false);
        assert_eq!(lost.blocking_recv(), Ok(Err(Refusal::Failed)));
        store.close();
        disk.power_on(Cut::Lost);
        let store = open(&disk);
        let held = numbers(&store);
        assert!(held.len() as u64 > round * 3, "{held:?}");
        assert_eq!(held, (1..=held.len() as u64).collect::<Vec<_>>());
        store.close();
    }
}

/// Fills the disk with appends of `count` events until one is refused. Says how many were answered.
fn fill(store: &Store, count: u64) -> u64 {
    let mut acked = 0;
    loop {
        let texts: Vec<String> = (0..count).map(|n| common::noise(acked + n)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        match append(store, &texts) {
            Ok(()) => acked += count,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Failed);
                return acked;
            }
        }
    }
}

#[test]
fn s7_a_full_disk_refuses_keeps_frees_and_works_again() {
    for count in [1, 2, 7, 40] {
        let disk = SimDisk::new();
        let store = open(&disk);
        let room = disk.file_bytes() + RESERVE_BYTES as u64 + 300_000;
        disk.set_space(room);
        let acked = fill(&store, count);
        assert!(acked > 0);
        until("readable again", || store.read(1, 1).is_ok());
        assert_eq!(numbers(&store).len() as u64, acked + 1);
        assert_eq!(append(&store, &["still full"]), Err(Refusal::Failed));
        let next = store.held().next_seq;
        store.free(store.held().incarnation, set(&[(1, next - 1)]));
        until("freed although the disk is full", || {
            store.held().events == 0
        });
        // The file does not give its room back, so somebody else has to make some.
        disk.set_space(room + 300_000);
        until("taken again", || append(&store, &["again"]).is_ok());
        assert!(store.held().next_seq > next);
        store.close();
    }
}

#[test]
fn s3_after_a_failed_commit_numbers_are_read_again_from_disk() {
    let disk = SimDisk::new();
    let store = open(&disk);
    for n in 0..5 {
        append(&store, &[&format!("a{n}")]).unwrap();
        fail_syncs(&disk);
        assert_eq!(append(&store, &[&format!("b{n}")]), Err(Refusal::Failed));
        disk.heal();
        until("open again", || append(&store, &["probe"]).is_ok());
    }
    let held = numbers(&store);
    assert_eq!(
        held,
        (1..store.held().next_seq).collect::<Vec<_>>(),
        "no hole and no number twice"
    );
    assert_eq!(
        store.audit().unwrap(),
        (store.held().events, store.held().bytes)
    );
    store.close();
}

#[test]
fn s8_a_store_that_is_damaged_while_it_is_open_is_set_aside_and_taken_anew() {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, &["lost"]).unwrap();
    let before = store.held();
    disk.scramble(0);
    fail_syncs(&disk);
    assert!(append(&store, &["refused"]).is_err());
    disk.heal();
    // Receipts for the old life are about other events, even when they arrive now.
    store.free(before.incarnation, set(&[(1, 2)]));
    until("taken again", || append(&store, &["again"]).is_ok());
    let held = store.held();
    assert_ne!(held.incarnation, before.incarnation);
    let told = texts(&store);
    assert_eq!(told.first().map(String::as_str), Some("incarnation-start"));
    assert!(told.contains(&"again".to_owned()) && !told.contains(&"lost".to_owned()));
    store.free(before.incarnation, set(&[(1, 3)]));
    append(&store, &["last"]).unwrap();
    assert_eq!(store.held().oldest, 1);
    store.close();
}

#[test]
fn p12_a_disk_that_lost_what_it_said_was_synced_ends_the_incarnation() {
    let disk = SimDisk::new();
    let store = open(&disk);
    append(&store, &["synced"]).unwrap();
    disk.ignore_syncs(true);
    append(&store, &["acknowledged and lost"]).unwrap();
    let before = store.held();
    disk.power_off_after(0);
    assert_eq!(append(&store, &["refused"]), Err(Refusal::Failed));
    disk.ignore_syncs(false);
    disk.power_on(Cut::Lost);
    until("taken again", || append(&store, &["again"]).is_ok());
    // The numbers of what was lost are not given again: they may be at the site already.
    assert_ne!(store.held().incarnation, before.incarnation);
    assert!(texts(&store).contains(&"again".to_owned()));
    store.close();
}
