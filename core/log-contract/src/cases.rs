//! What holds for every engine at once, without waiting for cleanup.
//!
//! These cases are the meaning of the `Log` trait: the embedded engine, Kafka and whatever comes next pass the same
//! ones, so the parts above need not know which log they have. Each case is named after the rule that it holds
//! (docs/specs/embedded-log.md), and sees the log through the trait only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{KEEP, PATIENCE, Result, Tested, ensure, noise, read_all, record, spec};
use wardline_log::limits::RECORD_BYTES_MAX;
use wardline_log::{Cleanup, CleanupKind, Headers, LogError, Position, Record, partition_for};

pub(super) async fn lg1_topics_are_made_once(tested: &Tested) -> Result {
    let log = &tested.log;
    let specs = [spec("a", 1, KEEP), spec("b.c-d_e", 3, Cleanup::Compact)];
    log.create_topics(&specs).await?;
    log.create_topics(&specs).await?;
    let topics = log.topics().await?;
    let have: Vec<_> = topics
        .iter()
        .map(|t| (t.name.as_str(), t.partitions, t.cleanup))
        .collect();
    let want = [
        ("a", 1, CleanupKind::Delete),
        ("b.c-d_e", 3, CleanupKind::Compact),
    ];
    ensure(have == want, || format!("topics are {have:?}"))?;

    let other = [spec("n", 1, KEEP), spec("b.c-d_e", 4, KEEP)];
    match log.create_topics(&other).await {
        Err(LogError::PartitionMismatch {
            found: 3,
            wanted: 4,
            ..
        }) => {}
        other => ensure(false, || format!("other partitions gave {other:?}"))?,
    }
    let unchanged = log.topics().await?;
    ensure(unchanged == topics, || {
        format!("topics became {unchanged:?}")
    })?;

    let kept = Cleanup::Delete {
        retention_bytes: Some(1 << 40),
        retention_ms: Some(1 << 40),
    };
    log.create_topics(&[spec("b.c-d_e", 3, kept)]).await?;
    let adjusted = log.topics().await?;
    let kinds: Vec<_> = adjusted.iter().map(|topic| topic.cleanup).collect();
    ensure(kinds == [CleanupKind::Delete; 2], || {
        format!("cleanup became {kinds:?}")
    })?;
    for (name, partitions) in [("", 1), ("a b", 1), ("ä", 1), ("..", 1), ("x", 0)] {
        let made = log.create_topics(&[spec(name, partitions, KEEP)]).await;
        ensure(matches!(made, Err(LogError::InvalidTopic { .. })), || {
            format!("topic {name:?} with {partitions} partitions gave {made:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn lg9_wrong_calls_are_typed_errors(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 2, KEEP), spec("c", 1, Cleanup::Compact)])
        .await?;
    let unknown = log.append("gone", vec![record("k", "v")]).await;
    ensure(
        matches!(unknown, Err(LogError::UnknownTopic { .. })),
        || format!("append to an unknown topic gave {unknown:?}"),
    )?;
    let unknown = log.offsets("gone").await;
    ensure(
        matches!(unknown, Err(LogError::UnknownTopic { .. })),
        || format!("offsets of an unknown topic gave {unknown:?}"),
    )?;
    let unknown = log.reader("t", 2, 0).await.err();
    ensure(
        matches!(
            unknown,
            Some(LogError::UnknownPartition { partitions: 2, .. })
        ),
        || format!("an unknown partition gave {unknown:?}"),
    )?;
    let large = record("k", vec![0; RECORD_BYTES_MAX]);
    let refused = log.append("t", vec![record("k", "v"), large]).await;
    ensure(
        refused
            .as_ref()
            .is_err_and(|e| matches!(e, LogError::RecordTooLarge { .. }) && !e.retriable()),
        || format!("a record over the limit gave {refused:?}"),
    )?;
    let keyless = Record {
        key: None,
        ..record("", "v")
    };
    let refused = log.append("c", vec![keyless]).await;
    ensure(
        matches!(refused, Err(LogError::InvalidRecord { .. })),
        || format!("a record without a key in a compacted topic gave {refused:?}"),
    )?;
    let ends: Vec<u64> = log.offsets("t").await?.iter().map(|o| o.end).collect();
    ensure(ends == [0, 0], || format!("refused appends left {ends:?}"))
}

fn odd_records() -> Vec<Record> {
    let headers = Headers::from(vec![
        ("event-id", &b"gw-1/1/1"[..]),
        ("twice", b"1"),
        ("twice", b"2"),
        ("raw", &[0, 255, 10]),
        ("empty", b""),
    ]);
    let plain = |key: Option<&'static [u8]>, value: Option<Vec<u8>>| Record {
        key: key.map(Bytes::from_static),
        value: value.map(Bytes::from),
        headers: Headers::new(),
        time_ms: 1_234,
    };
    let mut records = vec![
        plain(None, Some(b"no key".to_vec())),
        plain(Some(b"tombstone"), None),
        plain(None, None),
        Record {
            time_ms: 0,
            ..plain(Some(b"no time"), None)
        },
        plain(Some(b""), Some(Vec::new())),
        plain(Some(&[0, 1, 254, 255]), Some((0..=255).collect())),
        plain(Some(b"large"), Some(noise(1, 900_000))),
        plain(Some(b"flat"), Some(vec![7; 900_000])),
    ];
    records.extend((0..300_u32).map(|n| Record {
        headers: headers.clone(),
        time_ms: 1_700_000_000_000 + i64::from(n),
        ..record(&format!("key-{}", n % 17), n.to_string())
    }));
    records
}

pub(super) async fn lg4_what_was_appended_is_read_back(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 3, KEEP)]).await?;
    let records = odd_records();
    let mut positions = Vec::new();
    // In parts, so that later blocks begin in the middle.
    for part in records.chunks(61) {
        positions.extend(log.append("t", part.to_vec()).await?);
    }
    ensure(positions.len() == records.len(), || {
        format!(
            "{} positions for {} records",
            positions.len(),
            records.len()
        )
    })?;
    let mut want: Vec<Vec<(u64, Record)>> = vec![Vec::new(); 3];
    for (position, record) in positions.iter().zip(&records) {
        let partition = partition_for(record.key.as_deref(), 3);
        let of_partition = want.get_mut(partition as usize);
        let next = of_partition.as_ref().map_or(0, |p| p.len() as u64);
        let expected = Position {
            partition,
            offset: next,
        };
        ensure(*position == expected, || {
            format!("{position:?} is not {expected:?}")
        })?;
        of_partition
            .into_iter()
            .for_each(|p| p.push((next, record.clone())));
    }
    for (partition, want) in (0_u32..).zip(&want) {
        for from in [0, 1, 40] {
            let entries = read_all(&**log, "t", partition, from).await?;
            let have = entries.iter().map(|entry| (entry.offset, &entry.record));
            let want = want.iter().filter(|(offset, _)| *offset >= from);
            let same = have.eq(want.map(|(offset, record)| (*offset, record)));
            ensure(same, || {
                format!("partition {partition} from {from} differs")
            })?;
        }
    }
    let offsets = log.offsets("t").await?;
    let same = offsets
        .iter()
        .zip(&want)
        .all(|(o, w)| o.start == 0 && o.end == w.len() as u64);
    ensure(same && offsets.len() == 3, || {
        format!("offsets are {offsets:?}")
    })
}

pub(super) async fn lg5_several_topics_at_once(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("a", 1, KEEP), spec("b", 2, KEEP)])
        .await?;
    let batches = vec![
        ("a".to_owned(), vec![record("x", "1"), record("y", "2")]),
        ("b".to_owned(), vec![record("x", "3")]),
        ("a".to_owned(), vec![record("z", "4")]),
        ("b".to_owned(), Vec::new()),
    ];
    let positions = log.append_many(batches).await?;
    let at = |partition, offset| Position { partition, offset };
    let want = vec![
        vec![at(0, 0), at(0, 1)],
        vec![at(partition_for(Some(b"x"), 2), 0)],
        vec![at(0, 2)],
        Vec::new(),
    ];
    ensure(positions == want, || format!("positions are {positions:?}"))?;
    let values: Vec<_> = read_all(&**log, "a", 0, 0).await?;
    let values: Vec<_> = values
        .into_iter()
        .filter_map(|entry| entry.record.value)
        .collect();
    ensure(values == ["1", "2", "4"], || {
        format!("values are {values:?}")
    })?;
    let none = log.append("a", Vec::new()).await?;
    ensure(none.is_empty(), || format!("an empty append gave {none:?}"))?;
    let refused = log
        .append_many(vec![
            ("a".to_owned(), vec![record("x", "5")]),
            ("gone".to_owned(), vec![record("x", "6")]),
        ])
        .await;
    ensure(
        matches!(refused, Err(LogError::UnknownTopic { .. })),
        || format!("an unknown topic among others gave {refused:?}"),
    )?;
    let end = log.offsets("a").await?.first().map(|o| o.end);
    ensure(end == Some(3), || {
        format!("the refused append left {end:?}")
    })
}

pub(super) async fn lg6_order_holds_under_concurrent_appends(tested: &Tested) -> Result {
    let log = &tested.log;
    const WRITERS: u32 = 8;
    const APPENDS: u32 = 30;
    log.create_topics(&[spec("t", 3, KEEP)]).await?;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let log = Arc::clone(log);
        tasks.push(tokio::spawn(async move {
            let mut acked = Vec::new();
            for n in 0..APPENDS {
                let records: Vec<Record> = (0..5)
                    .map(|part| record(&format!("w{writer}"), format!("{writer} {}", n * 5 + part)))
                    .collect();
                let positions = log.append("t", records.clone()).await?;
                acked.extend(positions.into_iter().zip(records));
            }
            Ok::<_, LogError>(acked)
        }));
    }
    let mut acked = Vec::new();
    for task in tasks {
        acked.extend(task.await.map_err(std::io::Error::other)??);
    }
    let mut read = 0;
    for partition in 0..3 {
        let entries = read_all(&**log, "t", partition, 0).await?;
        let offsets = entries.iter().map(|entry| entry.offset);
        ensure(offsets.eq(0..entries.len() as u64), || {
            format!("partition {partition} has holes or repeats")
        })?;
        for writer in 0..WRITERS {
            let begin = format!("{writer} ");
            let texts = entries
                .iter()
                .filter_map(|entry| entry.record.value.as_ref());
            let mine: Vec<u32> = texts
                .filter_map(|text| {
                    std::str::from_utf8(text)
                        .ok()?
                        .strip_prefix(&begin)?
                        .parse()
                        .ok()
                })
                .collect();
            let whole = mine.is_empty() || mine.iter().copied().eq(0..APPENDS * 5);
            ensure(whole, || {
                format!("writer {writer} in {partition}: {mine:?}")
            })?;
        }
        for (position, record) in acked.iter().filter(|(p, _)| p.partition == partition) {
            let at = usize::try_from(position.offset).unwrap_or(usize::MAX);
            let there = entries.get(at).is_some_and(|entry| entry.record == *record);
            ensure(there, || {
                format!("{position:?} does not hold what was acked there")
            })?;
        }
        read += entries.len();
    }
    ensure(read == acked.len(), || {
        format!("{read} read, {} acked", acked.len())
    })
}

pub(super) async fn lg7_readers_are_independent(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 1, KEEP)]).await?;
    let records = (0..100).map(|n| record("k", n.to_string())).collect();
    log.append("t", records).await?;
    let mut one = log.reader("t", 0, 0).await?;
    let mut two = log.reader("t", 0, 50).await?;
    ensure((one.position(), two.position()) == (0, 50), || {
        "positions at the begin".to_owned()
    })?;
    let deadline = Instant::now() + PATIENCE;
    let (mut from_one, mut from_two) = (Vec::new(), Vec::new());
    while (from_one.len() < 100 || from_two.len() < 50) && Instant::now() < deadline {
        for (reader, from, max) in [(&mut one, &mut from_one, 7), (&mut two, &mut from_two, 3)] {
            let entries = reader.next(max, Duration::from_millis(100)).await?;
            ensure(entries.len() <= max, || {
                format!("{} for a max of {max}", entries.len())
            })?;
            from.extend(entries.into_iter().map(|entry| entry.offset));
            let next = from.last().map(|last| last + 1);
            ensure(next.is_none_or(|next| next == reader.position()), || {
                format!("position {} after {next:?}", reader.position())
            })?;
        }
    }
    ensure(from_one.iter().copied().eq(0..100), || {
        format!("first read {from_one:?}")
    })?;
    ensure(from_two.iter().copied().eq(50..100), || {
        format!("second read {from_two:?}")
    })
}

pub(super) async fn lg8_the_tail_wakes(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 1, KEEP)]).await?;
    log.append("t", vec![record("k", "old")]).await?;
    let mut reader = log.reader("t", 0, 1).await?;
    let none = reader.next(10, Duration::from_millis(50)).await?;
    ensure(none.is_empty() && reader.position() == 1, || {
        format!("at the end was {none:?}")
    })?;
    let waiting = tokio::spawn(async move {
        let entries = reader.next(10, PATIENCE).await?;
        Ok::<_, LogError>((entries, reader))
    });
    // The reader has most likely begun to wait; if not, it finds the record at once, which must work as well.
    tokio::task::yield_now().await;
    let before = Instant::now();
    log.append("t", vec![record("k", "new")]).await?;
    let (entries, reader) = waiting.await.map_err(std::io::Error::other)??;
    let offsets: Vec<u64> = entries.iter().map(|entry| entry.offset).collect();
    ensure(offsets == [1] && reader.position() == 2, || {
        format!("the tail gave {offsets:?}")
    })?;
    ensure(before.elapsed() < PATIENCE / 4, || {
        format!("the reader woke after {:?}", before.elapsed())
    })
}

pub(super) async fn lg9_outside_is_out_of_range(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 1, KEEP)]).await?;
    log.append("t", vec![record("k", "1"), record("k", "2")])
        .await?;
    log.reader("t", 0, 2).await?;
    match log.reader("t", 0, 3).await.err() {
        Some(LogError::OffsetOutOfRange {
            requested: 3,
            start: 0,
            end: 2,
            ..
        }) => Ok(()),
        other => ensure(false, || format!("beyond the end gave {other:?}")),
    }
}

pub(super) async fn lg2_closed_is_closed(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 1, KEEP)]).await?;
    let mut reader = log.reader("t", 0, 0).await?;
    let waiting = tokio::spawn(async move { reader.next(1, PATIENCE).await });
    log.close().await?;
    log.close().await?;
    let appended = log.append("t", vec![record("k", "v")]).await;
    ensure(matches!(appended, Err(LogError::Closed)), || {
        format!("append after close gave {appended:?}")
    })?;
    let read = waiting.await.map_err(std::io::Error::other)?;
    ensure(matches!(read, Err(LogError::Closed)), || {
        format!("a waiting reader gave {read:?}")
    })
}
