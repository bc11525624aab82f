//! P1 below everything else: the power goes at any write of a commit, and what is unsynced is lost, torn or reordered.

use wardline_disk::{DiskError, RedbFile};
use wardline_disk_sim::{Cut, SimDisk};

use crate::{KIND, batch, fill, open, put, rows, take};

fn cuts(seed: u64) -> Vec<Cut> {
    let mixed = (0..6).map(|n| Cut::Mixed(seed * 100 + n));
    [Cut::Lost, Cut::Kept, Cut::Torn]
        .into_iter()
        .chain(mixed)
        .collect()
}

#[test]
fn p1_a_power_cut_at_any_write_of_a_commit_leaves_the_old_or_the_new_rows() {
    let base = SimDisk::new();
    let file = open(base.clone()).unwrap();
    file.with("put", |db| put(db, &batch(0..40, 700))).unwrap();
    file.with("put", |db| put(db, &batch(40..80, 700))).unwrap();
    let old = file.with("read", rows).unwrap();
    file.close();
    let (mut cut_at, mut lost, mut kept) = (0, 0, 0);
    loop {
        let disk = base.fork();
        let file = open(disk.clone()).unwrap();
        disk.power_off_after(cut_at);
        let done = file.with("commit", |db| {
            put(db, &batch(100..130, 900))?;
            take(db, 10..30)
        });
        drop(file);
        for cut in cuts(cut_at) {
            let left = disk.fork();
            left.power_on(cut);
            let now = open(left).unwrap().with("read", rows).unwrap();
            // Two commits: neither, the first, or both.
            let added = now.iter().filter(|(key, _)| *key >= 100).count();
            let taken = now.iter().filter(|(key, _)| (10..30).contains(key)).count();
            let whole = matches!((added, taken), (0 | 30, 20) | (30, 0));
            assert!(
                whole,
                "write {cut_at}, {cut:?}: {added} added, {taken} not taken"
            );
            assert!(
                done.is_err() || (added, taken) == (30, 0),
                "write {cut_at}, {cut:?}"
            );
            if now == old { lost += 1 } else { kept += 1 }
        }
        if done.is_ok() {
            break;
        }
        cut_at += 1;
    }
    assert!(
        cut_at > 10 && lost > 20 && kept > 20,
        "{cut_at} writes, {lost} lost, {kept} kept"
    );
}

#[test]
fn p1_a_power_cut_while_a_file_is_made_leaves_a_whole_one_or_none() {
    let mut cut_at = 0;
    let (mut none, mut whole) = (0, 0);
    loop {
        let disk = SimDisk::new();
        disk.power_off_after(cut_at);
        let made = open(disk.clone()).is_ok();
        for cut in cuts(cut_at) {
            let left = disk.fork();
            left.power_on(cut);
            let file = RedbFile::new(left.clone(), KIND);
            match file.open(rows) {
                Ok(Some(rows)) => whole += usize::from(rows.is_empty()),
                Err(DiskError::Missing { .. }) if !made => {
                    none += 1;
                    file.open_or_create(fill).unwrap();
                }
                other => panic!("write {cut_at}, {cut:?}: {other:?}"),
            }
        }
        if made {
            break;
        }
        cut_at += 1;
    }
    assert!(
        cut_at > 5 && none > 40 && whole > 5,
        "{cut_at} writes, {none} none, {whole} whole"
    );
}

#[test]
fn a_disk_that_ignores_syncs_is_simulated_as_one_that_loses_what_was_acked() {
    let disk = SimDisk::new();
    let file = open(disk.clone()).unwrap();
    disk.ignore_syncs(true);
    file.with("put", |db| put(db, &batch(0..5, 100))).unwrap();
    drop(file);
    disk.ignore_syncs(false);
    disk.power_on(Cut::Lost);
    let left = open(disk).unwrap().with("read", rows).unwrap();
    assert!(left.is_empty(), "{} rows", left.len());
}
