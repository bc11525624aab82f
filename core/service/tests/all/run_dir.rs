//! `addresses.json`: whole or not there, and nobody loses what somebody else wrote.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use wardline_service::run_dir;

fn one(name: &str) -> BTreeMap<String, SocketAddr> {
    BTreeMap::from([(name.to_owned(), ([127, 0, 0, 1], 7).into())])
}

#[test]
fn parts_that_start_at_once_do_not_lose_one_another() {
    const PARTS: usize = 8;
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let together = Barrier::new(PARTS);
        std::thread::scope(|scope| {
            for part in 0..PARTS {
                let (dir, together) = (dir.path(), &together);
                scope.spawn(move || {
                    together.wait();
                    run_dir::publish(dir, &one(&format!("part-{part}"))).unwrap();
                });
            }
        });
        assert_eq!(run_dir::read(dir.path()).unwrap().len(), PARTS);
    }
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let dir = tempfile::tempdir().unwrap();
    run_dir::publish(dir.path(), &one("stays")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (dir, done) = (dir.path(), &done);
        scope.spawn(move || {
            for n in 0..300 {
                let name = format!("part-{n}");
                run_dir::publish(dir, &one(&name)).unwrap();
                run_dir::withdraw(dir, &one(&name));
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let seen = run_dir::read(dir).expect("a whole file");
            assert!(seen.contains_key("stays"));
        }
    });
}

/// A bridge behind a broker listens nowhere, and whoever started it waits for the file all the same.
#[test]
fn a_part_without_listeners_says_that_it_is_up() {
    let dir = tempfile::tempdir().unwrap();
    run_dir::publish(dir.path(), &BTreeMap::new()).unwrap();
    assert_eq!(run_dir::read(dir.path()), Some(BTreeMap::new()));
    run_dir::withdraw(dir.path(), &BTreeMap::new());
    assert_eq!(run_dir::read(dir.path()), None);
}
