//! A store file that the first version wrote: every later version must still read it (docs/specs/agent-store.md, S13).

use crate::common::{all, append, event, open, set, text_of, until};
use wardline_model::{Body, Class, Event, LossRecord, Stamp};

const GOLDEN: &[u8] = include_bytes!("../golden/store-v1.redb");

fn told() -> Vec<Event> {
    let stamp = Stamp {
        wall_ms: 1_772_359_200_123,
        mono_ms: 77,
        boot: 0x1234,
        uncertainty_ms: 1000,
    };
    let hl7 = Body::Hl7 {
        raw: bytes::Bytes::from_static(b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\r"),
        understood: true,
    };
    vec![
        event("first"),
        Event {
            class: Class::State,
            stamp,
            source: "10.0.0.7:4711".into(),
            body: hl7,
        },
        event("third"),
    ]
}

/// Writes the file anew: `WARDLINE_WRITE_GOLDEN=path cargo test -p wardline-agent golden`.
#[test]
fn s13_a_store_written_today_reads_as_the_golden_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    let store = open(&path);
    append(&store, &["freed"]).unwrap();
    store
        .append(told(), vec![("pump".into(), 42)])
        .blocking_recv()
        .unwrap()
        .unwrap();
    store.free(store.held().incarnation, set(&[(1, 2)]));
    until("freed", || store.held().oldest == 3);
    store.close();
    check(&path);
    if let Some(target) = std::env::var_os("WARDLINE_WRITE_GOLDEN") {
        std::fs::copy(&path, target).unwrap();
    }
}

#[test]
fn s13_the_store_of_the_first_version_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    std::fs::write(&path, GOLDEN).unwrap();
    check(&path);
    let store = open(&path);
    append(&store, &["goes on"]).unwrap();
    assert_eq!((store.held().next_seq, store.held().events), (7, 4));
    store.close();
}

fn check(path: &std::path::Path) {
    let store = open(path);
    let held = store.held();
    assert_eq!((held.oldest, held.next_seq, held.events), (3, 6, 3));
    let events = all(&store);
    assert_eq!(
        events.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        [3, 4, 5]
    );
    assert_eq!(
        events.iter().map(|(_, e)| e.clone()).collect::<Vec<_>>(),
        told()
    );
    assert_eq!(store.unreleased("pump").unwrap(), [42]);
    assert_eq!(store.audit().unwrap(), (held.events, held.bytes));
    assert!(
        !events
            .iter()
            .any(|(_, e)| matches!(e.body, Body::Loss(LossRecord::Gap { .. })))
    );
    assert_eq!(text_of(&events[0].1), "first");
    store.close();
}
