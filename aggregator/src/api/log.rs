//! `/api/v1/log/{topic}`: records as they stand in a log, one JSON line each.
//!
//! Without `follow` it ends at the end that the topic had when it was asked, partition after partition; with it the lines
//! go on as records come. A client that does not read is let go: only a few lines wait for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;
use wardline_api::LogLine;
use wardline_log::follow::{Follower, Item, Mark, Scan};
use wardline_log::{Entry, LogError, PartitionOffsets, SharedLog};
use wardline_model::time::rfc3339;

use super::failure::Failure;
use super::params::Params;
use super::topics::logs;
use super::{Api, Context};
use crate::limits::{
    ANSWER_TIMEOUT_MS, FOLLOW_CLIENTS_MAX, LOG_LINES_DEFAULT, LOG_LINES_MAX, LOG_LINES_QUEUED_MAX,
};

struct Asked {
    topic: String,
    log: SharedLog,
    /// All that there are.
    partitions: Vec<PartitionOffsets>,
    /// Only this one.
    only: Option<u32>,
    from: Option<u64>,
    limit: usize,
    follow: bool,
}

impl Asked {
    fn wants(&self, partition: u32) -> bool {
        self.only.is_none_or(|only| only == partition)
    }
}

pub(crate) async fn get(
    State(api): Context,
    Path(topic): Path<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    let asked = asked(&api, topic, &uri).await?;
    let (lines, receiver) = mpsc::channel::<Bytes>(LOG_LINES_QUEUED_MAX);
    if asked.follow {
        let counted = Arc::clone(&api);
        let clients = &api.shared.api.follow_clients;
        if clients.fetch_add(1, Ordering::SeqCst) >= FOLLOW_CLIENTS_MAX as u64 {
            clients.fetch_sub(1, Ordering::SeqCst);
            return Err(Failure::busy("follow a topic"));
        }
        tokio::spawn(async move {
            said(&asked.topic, follow(&counted, &asked, &lines).await);
            counted
                .shared
                .api
                .follow_clients
                .fetch_sub(1, Ordering::SeqCst);
        });
    } else {
        let stop = api.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                result = list(&asked, &lines) => said(&asked.topic, result),
                () = stop.stopped() => {}
            }
        });
    }
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let line = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(stream)).into_response())
}

fn said(topic: &str, result: Result<(), LogError>) {
    if let Err(error) = result {
        tracing::warn!(topic, %error, "reading for a client ended early");
    }
}

async fn asked(api: &Arc<Api>, topic: String, uri: &Uri) -> Result<Asked, Failure> {
    let mut params = Params::of(uri)?;
    let from = params.number("from", u64::MAX)?;
    let follow = params.flag("follow")?;
    let max = if follow {
        u64::MAX
    } else {
        LOG_LINES_MAX as u64
    };
    let limit = params.number("limit", max)?;
    let partition = params.number("partition", u64::from(u32::MAX))?;
    let site = params.text("site");
    params.finish()?;
    let default = if follow {
        usize::MAX
    } else {
        LOG_LINES_DEFAULT
    };
    let limit = limit.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let only = partition.and_then(|n| u32::try_from(n).ok());
    let (log, partitions) = find(api, &topic, site.as_deref()).await?;
    let ends: Vec<u64> = partitions
        .iter()
        .filter(|held| only.is_none_or(|only| only == held.partition))
        .map(|held| held.end)
        .collect();
    if ends.is_empty() {
        return Err(Failure::wrong(
            "partition",
            "is not in the topic",
            "0 and up",
        ));
    }
    let beyond = ends.iter().all(|end| from.unwrap_or(0) > *end);
    if let (Some(from), true) = (from, beyond) {
        let ends: Vec<String> = ends.iter().map(ToString::to_string).collect();
        return Err(Failure::wrong(
            "from",
            &format!("({from}) is beyond the end"),
            &format!("up to {}", ends.join(", ")),
        ));
    }
    Ok(Asked {
        topic,
        log,
        partitions,
        only,
        from,
        limit,
        follow,
    })
}

/// The log that has the topic: the one asked for, else the centre's, else the first site's.
async fn find(
    api: &Arc<Api>,
    topic: &str,
    site: Option<&str>,
) -> Result<(SharedLog, Vec<PartitionOffsets>), Failure> {
    let all = match site {
        None => logs(api),
        Some("centre") => vec![("centre".to_owned(), api.centre.clone())],
        Some(name) => {
            let source = api.sources.iter().find(|s| s.site == name);
            let source = source
                .ok_or_else(|| Failure::wrong("site", "is no site here", "`centre` or a site"))?;
            vec![(name.to_owned(), source.log.clone())]
        }
    };
    for (_, log) in all {
        match log.offsets(topic).await {
            Ok(offsets) => return Ok((log, offsets)),
            Err(LogError::UnknownTopic { .. } | LogError::InvalidTopic { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::missing("topic", topic, "`/api/v1/log` lists them"))
}

async fn list(asked: &Asked, lines: &mpsc::Sender<Bytes>) -> Result<(), LogError> {
    let mut left = asked.limit;
    for held in asked
        .partitions
        .iter()
        .filter(|held| asked.wants(held.partition))
    {
        let from = asked.from.unwrap_or(held.start).max(held.start);
        if from >= held.end {
            continue;
        }
        let range = PartitionOffsets {
            start: from,
            ..*held
        };
        let mut scan = Scan::new(&*asked.log, &asked.topic, range).limit(left);
        while let Some(entries) = scan.next().await? {
            left -= entries.len();
            for entry in &entries {
                if !send(lines, &asked.topic, entry).await {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// All partitions at once, until the client goes, the limit is reached or the aggregator stops.
async fn follow(
    api: &Arc<Api>,
    asked: &Asked,
    lines: &mpsc::Sender<Bytes>,
) -> Result<(), LogError> {
    let log = asked.log.clone();
    let mut follower =
        Follower::new(log, &[&*asked.topic], api.stop.clone()).max(LOG_LINES_QUEUED_MAX);
    for held in &asked.partitions {
        let from = match asked.wants(held.partition) {
            true => asked.from.unwrap_or(held.start),
            false => held.end,
        };
        let mark = Mark::at(from.clamp(held.start, held.end));
        follower = follower.starting_at(&asked.topic, held.partition, mark);
    }
    let mut left = asked.limit;
    loop {
        let item = tokio::select! {
            item = follower.next() => item?,
            () = lines.closed() => None,
        };
        let batch = match item {
            None => return Ok(()),
            Some(Item::Entries(batch)) if asked.wants(batch.place.partition) => batch,
            Some(_) => continue,
        };
        for entry in &batch.entries {
            if left == 0 || !send(lines, &asked.topic, entry).await {
                return Ok(());
            }
            left -= 1;
        }
        if left == 0 {
            return Ok(());
        }
    }
}

/// Whether the client took it in time.
async fn send(lines: &mpsc::Sender<Bytes>, topic: &str, entry: &Entry) -> bool {
    let mut json = serde_json::to_vec(&line(topic, entry)).unwrap_or_default();
    json.push(b'\n');
    let wait = Duration::from_millis(ANSWER_TIMEOUT_MS);
    matches!(
        tokio::time::timeout(wait, lines.send(json.into())).await,
        Ok(Ok(()))
    )
}

/// One record as a line of NDJSON, the same from the API and from a stopped data folder.
pub fn line(topic: &str, entry: &Entry) -> LogLine {
    let record = &entry.record;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (value, value_b64) = match record.value.as_deref().map(|v| (v, std::str::from_utf8(v))) {
        None => (None, None),
        Some((_, Ok(utf8))) => (Some(utf8.to_owned()), None),
        Some((raw, Err(_))) => (None, Some(STANDARD.encode(raw))),
    };
    LogLine {
        topic: topic.to_owned(),
        partition: entry.partition,
        offset: entry.offset,
        key: record.key.as_deref().map(text),
        time: rfc3339(record.time_ms),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (name.to_owned(), text(value)))
            .collect(),
        value,
        value_b64,
    }
}
