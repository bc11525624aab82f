//! Promise P1 by kill -9: a child process stores and says what was answered; whatever it said is on disk afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{all, event, open, set, text_of, until};

const CHILD: &str = "WARDLINE_TEST_KILL_STORE";
const ROUNDS: u64 = 6;

/// The child's life: several writers, each waiting for its answer, and receipts for what is old.
#[test]
fn child_process_of_the_kill_test() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&path));
    let round: u64 = std::env::var("WARDLINE_TEST_ROUND")
        .unwrap()
        .parse()
        .unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0u64.. {
                    let texts: Vec<String> = (0..=writer * 3)
                        .map(|k| format!("{round}.{writer}.{n}.{k}"))
                        .collect();
                    let events = texts.iter().map(|t| event(t)).collect();
                    let ids = vec![(format!("c{writer}").into(), (n % 60_000) as u16)];
                    if store.append(events, ids).blocking_recv().unwrap().is_ok() {
                        // One write a line, so that a kill cuts no line in the middle of another.
                        let line = format!("ACK {}\n", texts.join(" "));
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                    }
                    // Receipts come in every other round only, so that in the others nothing at all may be missing.
                    if round.is_multiple_of(2) && n % 50 == 49 && writer == 0 {
                        let held = store.held();
                        let line = format!("FREE {}\n", held.oldest + 20);
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                        store.free(store.held().incarnation, set(&[(1, held.oldest + 20)]));
                    }
                }
            });
        }
    });
}

/// Runs a child until the seeded moment and kills it. Gives what it said.
fn run_and_kill(path: &Path, round: u64) -> (BTreeSet<String>, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::child_process_of_the_kill_test",
            "--nocapture",
        ])
        .env(CHILD, path)
        .env("WARDLINE_TEST_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut acked, mut freed, mut count) = (BTreeSet::new(), 0, 0);
    // After a seeded number of answers, and a little more, so that the kill falls anywhere in a commit.
    let after = 20 + round * 37 % 101;
    let mut kill_at: Option<Instant> = None;
    for line in lines {
        let Ok(line) = line else { break };
        if let Some((_, texts)) = line.split_once("ACK ") {
            acked.extend(texts.split(' ').map(str::to_owned));
            count += 1;
        } else if let Some((_, up_to)) = line.split_once("FREE ") {
            freed = freed.max(up_to.parse().unwrap());
        }
        if count == after {
            kill_at = Some(Instant::now() + Duration::from_micros(round * 731 % 4000));
        }
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        count >= after,
        "the child ended before it was killed: {count}"
    );
    (acked, freed)
}

#[test]
fn p1_nothing_that_was_answered_is_lost_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let (mut acked, mut freed) = (BTreeSet::new(), 0);
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    let mut incarnation = None;
    let mut next_before = 1;
    for round in 1..=ROUNDS {
        let (new, up_to) = run_and_kill(&path, round);
        acked.extend(new.iter().cloned());
        freed = freed.max(up_to);
        let store = open(&path);
        let held = store.held();
        assert_eq!(
            *incarnation.get_or_insert(held.incarnation),
            held.incarnation
        );
        assert!(held.next_seq > next_before, "numbers went back");
        next_before = held.next_seq;
        for (n, event) in all(&store) {
            let text = text_of(&event);
            let before = seen.insert(n, text.clone());
            assert!(
                before.is_none_or(|b| b == text),
                "number {n} was given twice"
            );
        }
        assert_eq!(
            store.audit().unwrap(),
            (held.events, held.bytes),
            "the books agree with the blocks"
        );
        let there: BTreeSet<&String> = seen.values().collect();
        if round % 2 == 1 {
            let lost: Vec<&String> = new.iter().filter(|text| !there.contains(text)).collect();
            assert!(
                lost.is_empty(),
                "round {round}: answered and lost: {lost:?}"
            );
        }
        let lost: Vec<&String> = acked.iter().filter(|text| !there.contains(text)).collect();
        // What the child had freed before we could look is not a loss; it is at the beginning of its numbers.
        assert!(
            lost.len() as u64 <= freed,
            "round {round}: {} answered and lost",
            lost.len()
        );
        assert!(
            seen.len() as u64 + freed >= held.next_seq - 1,
            "only what a receipt named may be gone"
        );
        let above: Vec<u64> = seen.keys().copied().filter(|n| *n > freed).collect();
        assert_eq!(
            above,
            (freed + 1..held.next_seq).collect::<Vec<_>>(),
            "no hole above what was freed"
        );
        assert!(!store.unreleased("c0").unwrap().is_empty());
        store.close();
    }
    until("all rounds ran", || next_before > ROUNDS * 20);
}
