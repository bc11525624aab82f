//! Retention and compaction. They are asked for by `maintain`, or come by themselves (Kafka): the cases wait for both.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{PATIENCE, Result, Tested, ensure, noise, read_all, record, spec};
use wardline_log::{Cleanup, LogError, PartitionOffsets, SharedLog};

const ROUND: Duration = Duration::from_millis(300);

async fn offsets(log: &SharedLog, topic: &str) -> Result<PartitionOffsets, LogError> {
    let offsets = log.offsets(topic).await?;
    offsets.into_iter().next().ok_or(LogError::Closed)
}

pub(super) async fn lg40_retention_moves_the_start(tested: &Tested) -> Result {
    let log = &tested.log;
    let keep = |retention_bytes| Cleanup::Delete {
        retention_bytes,
        retention_ms: None,
    };
    log.create_topics(&[spec("t", 1, keep(None))]).await?;
    for n in 0..8 {
        log.append("t", vec![record("k", noise(n, 700_000))])
            .await?;
    }
    let mut reader = log.reader("t", 0, 0).await?;
    let first = reader.next(1, PATIENCE).await?;
    ensure(first.first().is_some_and(|e| e.offset == 0), || {
        "nothing read at 0".to_owned()
    })?;

    log.create_topics(&[spec("t", 1, keep(Some(100_000)))])
        .await?;
    let deadline = Instant::now() + PATIENCE;
    while offsets(log, "t").await?.start < 3 {
        ensure(Instant::now() < deadline, || {
            "retention removed nothing".to_owned()
        })?;
        tested.clean().await?;
        tokio::time::sleep(ROUND).await;
    }
    let PartitionOffsets { start, end, .. } = offsets(log, "t").await?;
    ensure(end == 8, || format!("the end moved to {end}"))?;
    match log.reader("t", 0, 0).await.err() {
        Some(LogError::OffsetOutOfRange { requested: 0, .. }) => {}
        other => ensure(false, || format!("before the start gave {other:?}"))?,
    }
    // The reader in the middle goes on without a hole, or says that its position is gone.
    let mut last = 0;
    while reader.position() < end {
        match reader.next(1, ROUND).await {
            Ok(entries) => {
                for entry in entries {
                    ensure(entry.offset == last + 1, || {
                        format!("{} after {last}", entry.offset)
                    })?;
                    last = entry.offset;
                }
            }
            Err(LogError::OffsetOutOfRange {
                requested, start, ..
            }) => {
                ensure(requested == last + 1 && start > requested, || {
                    format!("{requested} called out of range after {last}, start is {start}")
                })?;
                break;
            }
            Err(other) => return Err(other.into()),
        }
        ensure(Instant::now() < deadline, || {
            format!("the reader stands at {last}")
        })?;
    }
    let rest = read_all(&**log, "t", 0, offsets(log, "t").await?.start.max(start)).await?;
    ensure(rest.last().is_some_and(|entry| entry.offset == 7), || {
        "the newest is gone".to_owned()
    })
}

pub(super) async fn lg50_compaction_keeps_the_newest(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 1, Cleanup::Compact)]).await?;
    let mut newest = BTreeMap::new();
    for round in 0..20 {
        let mut records: Vec<_> = (0..10)
            .map(|key| record(&format!("bed-{key}"), format!("{round} {key}")))
            .collect();
        if let Some(gone) = records.get_mut(3).filter(|_| round == 19) {
            gone.value = None;
        }
        let positions = log.append("t", records.clone()).await?;
        for (position, record) in positions.into_iter().zip(records) {
            newest.insert(record.key.clone(), (position.offset, record));
        }
    }
    // A reader in the middle must meet every record that stays.
    let mut reader = log.reader("t", 0, 5).await?;
    reader.next(1, PATIENCE).await?;

    let deadline = Instant::now() + PATIENCE;
    let mut fill = 0_u64;
    loop {
        tested.clean().await?;
        let of_beds: Vec<_> = read_all(&**log, "t", 0, 0)
            .await?
            .into_iter()
            .filter(|entry| entry.record.key.as_deref() != Some(b"filler"))
            .map(|entry| (entry.record.key.clone(), (entry.offset, entry.record)))
            .collect();
        let have: BTreeMap<_, _> = of_beds.iter().cloned().collect();
        let gone = newest.keys().find(|key| !have.contains_key(*key));
        ensure(gone.is_none(), || format!("the newest of {gone:?} is gone"))?;
        ensure(have == newest, || {
            "the newest of a key is another one".to_owned()
        })?;
        if of_beds.len() == newest.len() {
            break;
        }
        ensure(Instant::now() < deadline, || {
            format!("{} records stay", of_beds.len())
        })?;
        // Kafka compacts what is behind the open segment, which a later record closes.
        fill += 1;
        let filler = record("filler", fill.to_string());
        log.append("t", vec![filler]).await?;
        tokio::time::sleep(ROUND).await;
    }
    let PartitionOffsets { start, end, .. } = offsets(log, "t").await?;
    ensure(start == 0 && end == 200 + fill, || {
        format!("offsets became {start}..{end}")
    })?;
    let mut met = Vec::new();
    while reader.position() < end {
        met.extend(reader.next(100, ROUND).await?);
        ensure(Instant::now() < deadline, || {
            "the reader does not reach the end".to_owned()
        })?;
    }
    for (offset, record) in newest.values() {
        ensure(
            met.iter()
                .any(|e| e.offset == *offset && e.record == *record),
            || format!("the reader missed {offset}"),
        )?;
    }
    Ok(())
}
