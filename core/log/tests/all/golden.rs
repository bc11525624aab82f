//! Files that earlier versions wrote must be read for ever (rule LG15). A new format adds a file here; none is changed.
//!
//! `WARDLINE_GOLDEN_WRITE=FILE cargo test -p wardline-log golden` writes one.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use wardline_log::embedded::{EmbeddedLog, FILE_NAME, Options};
use wardline_log::limits::TOMBSTONE_GRACE_MS;
use wardline_log::{Cleanup, CleanupKind, Headers, Log, Record, TopicSpec, partition_for};
use wardline_log_contract::read_all;
use wardline_service::{ManualClock, SharedClock};

const CLEANED_AT_MS: i64 = 1_800_000_000_000;
const KEEP: Cleanup = Cleanup::Delete {
    retention_bytes: Some(1 << 40),
    retention_ms: None,
};

fn open(dir: &Path, now: &Arc<ManualClock>) -> Arc<EmbeddedLog> {
    let options = Options {
        background: false,
        ..Options::new(Arc::clone(now) as SharedClock)
    };
    EmbeddedLog::open_with(dir, options).unwrap()
}

fn events() -> Vec<Record> {
    let of = |n: usize| Record {
        key: (!n.is_multiple_of(7)).then(|| Bytes::from(format!("bed-{}", n % 5))),
        value: (!n.is_multiple_of(11))
            .then(|| Bytes::from(format!("{{\"n\":{n},\"fill\":\"{}\"}}", "ab".repeat(n)))),
        headers: (0..n % 3)
            .map(|h| (format!("h{h}"), [0, 255, u8::try_from(n).unwrap()]))
            .collect(),
        time_ms: 1_700_000_000_000 + i64::try_from(n * n).unwrap(),
    };
    (0..60).map(of).collect()
}

fn view(n: usize) -> Record {
    Record {
        key: Some(Bytes::from(format!("bed-{}", n % 4))),
        value: (n != 18).then(|| Bytes::from(n.to_string())),
        headers: Headers::new(),
        time_ms: 5,
    }
}

async fn write(log: &Arc<EmbeddedLog>) {
    let spec = |name: &str, partitions, cleanup| TopicSpec {
        name: name.to_owned(),
        partitions,
        cleanup,
    };
    let specs = [spec("events", 3, KEEP), spec("view", 1, Cleanup::Compact)];
    log.create_topics(&specs).await.unwrap();
    for part in events().chunks(17) {
        log.append("events", part.to_vec()).await.unwrap();
    }
    for n in 0..20 {
        log.append("view", vec![view(n)]).await.unwrap();
    }
    log.maintain().await.unwrap();
    log.append("view", vec![view(20), view(21)]).await.unwrap();
}

async fn check(log: &Arc<EmbeddedLog>, now: &ManualClock) {
    let topics = log.topics().await.unwrap();
    let have: Vec<_> = topics
        .iter()
        .map(|t| (t.name.as_str(), t.partitions, t.cleanup))
        .collect();
    assert_eq!(
        have,
        [
            ("events", 3, CleanupKind::Delete),
            ("view", 1, CleanupKind::Compact)
        ]
    );
    for partition in 0..3 {
        let mine = |record: &Record| partition_for(record.key.as_deref(), 3) == partition;
        let want: Vec<Record> = events().into_iter().filter(mine).collect();
        let have = read_all(&**log, "events", partition, 0).await.unwrap();
        assert!(have.iter().map(|e| e.offset).eq(0..want.len() as u64));
        assert_eq!(have.into_iter().map(|e| e.record).collect::<Vec<_>>(), want);
    }
    // Cleaned up to 20, so 16 to 19 stay, 18 as a tombstone with its grace.
    let offsets = || async {
        read_all(&**log, "view", 0, 0)
            .await
            .unwrap()
            .iter()
            .map(|e| e.offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets().await, [16, 17, 18, 19, 20, 21]);
    for entry in read_all(&**log, "view", 0, 0).await.unwrap() {
        assert_eq!(entry.record, view(usize::try_from(entry.offset).unwrap()));
    }
    let grace = i64::try_from(TOMBSTONE_GRACE_MS).unwrap();
    now.set_wall_ms(CLEANED_AT_MS + grace - 1);
    log.maintain().await.unwrap();
    assert_eq!(offsets().await, [18, 19, 20, 21]);
    now.set_wall_ms(CLEANED_AT_MS + grace);
    log.maintain().await.unwrap();
    assert_eq!(offsets().await, [19, 20, 21]);
    let at = log.append("view", vec![view(22)]).await.unwrap();
    assert_eq!(at[0].offset, 22);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lg15_files_of_every_format_are_read() {
    let now = ManualClock::at(CLEANED_AT_MS);
    if let Some(path) = std::env::var_os("WARDLINE_GOLDEN_WRITE") {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), &now);
        write(&log).await;
        log.close().await.unwrap();
        let file = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
        std::fs::write(path, lz4_flex::block::compress_prepend_size(&file)).unwrap();
        return;
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut read = 0;
    for entry in std::fs::read_dir(golden).unwrap() {
        let packed = std::fs::read(entry.unwrap().path()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = lz4_flex::block::decompress_size_prepended(&packed).unwrap();
        std::fs::write(dir.path().join(FILE_NAME), file).unwrap();
        let log = open(dir.path(), &now);
        check(&log, &now).await;
        read += 1;
    }
    assert_eq!(read, 1);
}
