//! `/api/v1/log`: the topics of the logs that can be read here, with what their partitions hold.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use wardline_log::SharedLog;

use super::failure::Failure;
use super::params::Params;
use super::{Api, Context};

#[derive(Serialize)]
pub(crate) struct Topics {
    topics: Vec<Topic>,
}

#[derive(Serialize)]
struct Topic {
    topic: String,
    /// `centre`, or the site whose log it is in.
    log: String,
    partition: u32,
    start: u64,
    end: u64,
}

/// Every log once: the centre's and those of the sites.
pub(super) fn logs(api: &Api) -> Vec<(String, SharedLog)> {
    let mut out: Vec<(String, SharedLog)> = Vec::new();
    for source in &api.sources {
        if !out.iter().any(|(_, log)| Arc::ptr_eq(log, &source.log)) {
            out.push((source.site.clone(), source.log.clone()));
        }
    }
    if !out.iter().any(|(_, log)| Arc::ptr_eq(log, &api.centre)) {
        out.insert(0, ("centre".to_owned(), api.centre.clone()));
    }
    out
}

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Topics>, Failure> {
    Params::of(&uri)?.finish()?;
    let mut topics = Vec::new();
    for (name, log) in logs(&api) {
        for info in log.topics().await? {
            for held in log.offsets(&info.name).await? {
                topics.push(Topic {
                    topic: info.name.clone(),
                    log: name.clone(),
                    partition: held.partition,
                    start: held.start,
                    end: held.end,
                });
            }
        }
    }
    Ok(Json(Topics { topics }))
}
