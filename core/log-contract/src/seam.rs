//! What the trait says about a log besides its records: identity, barrier, times, and one reader over many partitions.
//!
//! Those who must not write twice, or must not take another log for theirs, rest on these: an identity tells a log that
//! was made anew from one that became shorter, and a barrier is an end behind which nothing older can still turn up.
//! An engine with one of them wrong would pass `cases` and still lose or double records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wardline_log::{LogError, Start};
use wardline_service::clock::{Clock, SystemClock};

use super::{KEEP, PATIENCE, Result, Tested, ensure, read_all, record, spec};

const WAIT: Duration = Duration::from_millis(300);

pub(super) async fn lg7_one_reader_reads_many_partitions(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("a", 3, KEEP), spec("b", 1, KEEP)])
        .await?;
    let records = |from: u32| (from..from + 90).map(|n| record(&format!("k{n}"), n.to_string()));
    log.append("a", records(0).collect()).await?;
    log.append("b", records(500).collect()).await?;
    let start = |topic: &str, partition, from| Start {
        topic: topic.to_owned(),
        partition,
        from,
    };
    let from = [
        start("a", 0, 0),
        start("a", 1, 2),
        start("a", 2, 0),
        start("b", 0, 80),
    ];
    let mut want = Vec::new();
    for start in &from {
        let read = read_all(&**log, &start.topic, start.partition, start.from).await?;
        want.push(read);
    }
    let mut reader = log.multi_reader(&from).await?;
    let mut have: Vec<Vec<_>> = vec![Vec::new(); from.len()];
    let deadline = Instant::now() + PATIENCE;
    while have.iter().map(Vec::len).sum::<usize>() < want.iter().map(Vec::len).sum() {
        ensure(Instant::now() < deadline, || format!("read {have:?}"))?;
        if let Some(batch) = reader.next(7, WAIT).await? {
            let entries = batch.entries?;
            ensure(entries.len() <= 7, || format!("{} at once", entries.len()))?;
            let next = entries.last().map(|last| last.offset + 1);
            ensure(next.is_none_or(|next| next == batch.next), || {
                format!("next is {} after {next:?}", batch.next)
            })?;
            if let Some(of_start) = have.get_mut(batch.start) {
                of_start.extend(entries);
            }
        }
    }
    ensure(have == want, || {
        "something came in another place".to_owned()
    })?;
    let unknown = log.multi_reader(&[start("a", 3, 0)]).await.err();
    ensure(
        matches!(unknown, Some(LogError::UnknownPartition { .. })),
        || format!("an unknown partition gave {unknown:?}"),
    )
}

pub(super) async fn lg100_an_identity_stays_and_differs(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("a", 1, KEEP), spec("b", 1, KEEP)])
        .await?;
    let (a, b) = (log.id("a").await?, log.id("b").await?);
    ensure(a != b, || format!("two topics are {a}"))?;
    log.append("a", vec![record("k", "v")]).await?;
    log.create_topics(&[spec("a", 1, KEEP), spec("c", 1, KEEP)])
        .await?;
    let again = log.id("a").await?;
    ensure(a == again, || format!("{a} became {again}"))?;
    let own = log.topics().await?;
    let names: Vec<&str> = own.iter().map(|topic| topic.name.as_str()).collect();
    ensure(names == ["a", "b", "c"], || format!("topics are {names:?}"))
}

pub(super) async fn lg101_a_barrier_is_behind_what_was_appended_and_nobody_reads_it(
    tested: &Tested,
) -> Result {
    let log = &tested.log;
    let compact = wardline_log::Cleanup::Compact;
    log.create_topics(&[spec("t", 2, KEEP), spec("c", 1, compact)])
        .await?;
    let records = (0..20).map(|n| record(&format!("k{n}"), n.to_string()));
    let positions = log.append("t", records.collect()).await?;
    let mut reader = log.reader("t", 0, 0).await?;
    for _ in 0..2 {
        let ends: BTreeMap<u32, u64> = log
            .barrier("t")
            .await?
            .iter()
            .map(|held| (held.partition, held.end))
            .collect();
        let behind = |at: &wardline_log::Position| {
            ends.get(&at.partition).is_some_and(|end| *end > at.offset)
        };
        ensure(ends.len() == 2 && positions.iter().all(behind), || {
            format!("ends are {ends:?}")
        })?;
    }
    log.barrier("c").await?;
    let mut read = 0;
    for partition in 0..2 {
        read += read_all(&**log, "t", partition, 0).await?.len();
    }
    ensure(read == positions.len(), || {
        format!("{read} records are shown")
    })?;
    let shown = read_all(&**log, "c", 0, 0).await?;
    ensure(shown.is_empty(), || format!("{shown:?} is shown"))?;
    // A reader that waits at the end passes it too.
    let end = log.offsets("t").await?.first().map_or(0, |held| held.end);
    let deadline = Instant::now() + PATIENCE;
    while reader.position() < end {
        ensure(Instant::now() < deadline, || {
            format!("the reader stands at {}", reader.position())
        })?;
        reader.next(100, WAIT).await?;
    }
    Ok(())
}

pub(super) async fn lg103_offsets_are_found_by_the_time_of_writing(tested: &Tested) -> Result {
    let log = &tested.log;
    log.create_topics(&[spec("t", 1, KEEP)]).await?;
    log.append("t", vec![record("k", "old"), record("k", "old")])
        .await?;
    let old = log.offsets_at_time("t", 0).await?;
    let future = log.offsets_at_time("t", i64::MAX / 4).await?;
    let offset = |found: &[wardline_log::Position]| found.first().map(|at| at.offset);
    ensure(
        (offset(&old), offset(&future)) == (Some(0), Some(2)),
        || format!("the ends of time are at {old:?} and {future:?}"),
    )?;
    // The clocks of both engines count milliseconds: the next append is in a later one.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let between = now_ms() - 5;
    log.append("t", vec![record("k", "new")]).await?;
    let found = log.offsets_at_time("t", between).await?;
    ensure(offset(&found) == Some(2), || {
        format!("{between} is at {found:?}")
    })
}

fn now_ms() -> i64 {
    SystemClock::new().wall_ms()
}
