//! `/api/v1/sideline`: what a site could not map, and trying it again with today's mapping.
//!
//! The sideline stays in the site's own log; a replay appends the record to that log's `retry` topic, where the bridge
//! takes it up. Ids are `partition-offset`, with `site:` before it where several sites are read.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use wardline_api::{Sideline, SidelineItem};
use wardline_log::follow::Scan;
use wardline_log::{Entry, LogError, PartitionOffsets, Record};
use wardline_model::sideline::{SIDELINE_ID, SidelineRecord};
use wardline_model::time::rfc3339;
use wardline_model::topic::{RETRY, SIDELINE};

use super::failure::Failure;
use super::params::Params;
use super::{Api, Context};
use crate::Source;
use crate::limits::{SIDELINE_ITEMS_DEFAULT, SIDELINE_ITEMS_MAX};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Index of the source.
    source: usize,
    partition: u32,
    offset: u64,
}

impl Api {
    fn sideline_id(&self, at: Position) -> String {
        let id = format!("{}-{}", at.partition, at.offset);
        match (self.sources.len(), self.sources.get(at.source)) {
            (2.., Some(source)) => format!("{}:{id}", source.site),
            _ => id,
        }
    }

    fn sideline_position(&self, id: &str) -> Option<Position> {
        let (source, rest) = match id.split_once(':') {
            Some((site, rest)) => (self.sources.iter().position(|s| s.site == site)?, rest),
            None => (0, id),
        };
        let (partition, offset) = rest.split_once('-')?;
        Some(Position {
            source,
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }
}

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Sideline>, Failure> {
    let mut params = Params::of(&uri)?;
    let after = params.text("after");
    let limit = params
        .number("limit", SIDELINE_ITEMS_MAX as u64)?
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(SIDELINE_ITEMS_DEFAULT);
    params.finish()?;
    let after = match after {
        None => None,
        Some(id) => Some(api.sideline_position(&id).ok_or_else(|| {
            Failure::wrong(
                "after",
                "is no id of an item",
                "the `next` of the last answer",
            )
        })?),
    };
    // One more than asked for says whether there is a next page.
    let mut found = collect(&api, after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|(at, _)| api.sideline_id(*at));
    let items = found
        .iter()
        .map(|(at, entry)| item(api.sideline_id(*at), &entry.record))
        .collect();
    Ok(Json(Sideline { items, next }))
}

async fn collect(
    api: &Api,
    after: Option<Position>,
    max: usize,
) -> Result<Vec<(Position, Entry)>, Failure> {
    let mut out = Vec::new();
    for (index, source) in api.sources.iter().enumerate() {
        let offsets = match source.log.offsets(SIDELINE).await {
            Ok(offsets) => offsets,
            Err(LogError::UnknownTopic { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for held in offsets {
            let here = (index, held.partition);
            let from = match after {
                Some(a) if (a.source, a.partition) > here => continue,
                Some(a) if (a.source, a.partition) == here => held.start.max(a.offset + 1),
                _ => held.start,
            };
            if from >= held.end {
                continue;
            }
            let range = PartitionOffsets {
                start: from,
                ..held
            };
            let mut scan = Scan::new(&*source.log, SIDELINE, range).limit(max - out.len());
            while let Some(entries) = scan.next().await? {
                out.extend(entries.into_iter().map(|entry| {
                    let at = Position {
                        source: index,
                        partition: held.partition,
                        offset: entry.offset,
                    };
                    (at, entry)
                }));
            }
        }
    }
    Ok(out)
}

fn item(id: String, record: &Record) -> SidelineItem {
    let aside = SidelineRecord::read(|name| record.header_str(name), record.value.as_ref());
    SidelineItem {
        id,
        event_id: aside.event_id,
        cause: aside.why.cause.into_owned(),
        place: aside.why.place.into_owned(),
        rule: aside.why.rule.into_owned(),
        mapping: aside.mapping,
        detail: aside.why.detail,
        time: rfc3339(record.time_ms),
        bytes: aside.raw.map_or(0, |raw| raw.len() as u64),
    }
}

/// `POST /api/v1/sideline/{id}/replay`
pub(crate) async fn replay(
    State(api): Context,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Value>), Failure> {
    Params::of(&uri)?.finish()?;
    same_origin(&headers)?;
    let unknown = || Failure::missing("item", &id, "`/api/v1/sideline` lists them");
    let at = api.sideline_position(&id).ok_or_else(unknown)?;
    let source = api.sources.get(at.source).ok_or_else(unknown)?;
    let entry = entry_at(source, at).await?.ok_or_else(unknown)?;
    let mut record = entry.record;
    record.headers.push(SIDELINE_ID, &id);
    record.time_ms = api.shared.now_ms();
    let positions = source.log.append(RETRY, vec![record]).await?;
    let position = positions
        .first()
        .map(|p| format!("{}-{}", p.partition, p.offset));
    Ok((
        StatusCode::ACCEPTED,
        Json(json!({ "id": id, "site": source.site, "retry": position })),
    ))
}

async fn entry_at(source: &Source, at: Position) -> Result<Option<Entry>, Failure> {
    let held = match source.log.offsets(SIDELINE).await {
        Ok(held) => held,
        Err(LogError::UnknownTopic { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let has =
        |h: &PartitionOffsets| h.partition == at.partition && (h.start..h.end).contains(&at.offset);
    if !held.iter().any(has) {
        return Ok(None);
    }
    let range = PartitionOffsets {
        partition: at.partition,
        start: at.offset,
        end: at.offset + 1,
    };
    let found = Scan::new(&*source.log, SIDELINE, range).next().await?;
    Ok(found.and_then(|entries| entries.into_iter().next()))
}

/// A page of another origin must not make a browser do this in a person's name.
fn same_origin(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return Ok(());
    };
    let host = text(header::HOST).unwrap_or_default();
    if origin.split_once("://").is_some_and(|(_, o)| o == host) {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "a page of another origin may not do this",
        "send it from the same host, or without a browser",
    ))
}
