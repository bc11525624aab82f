//! `/api/v1/unreadable`: records of the `fhir.*` topics that the fold could not read, newest first. They are counted as
//! sidelined at the stage `ledger`; what a site could not map stands under `/api/v1/sideline`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use wardline_model::time::rfc3339;

use super::Context;
use super::failure::Failure;
use super::params::Params;
use crate::limits::{SIDELINE_ITEMS_DEFAULT, SIDELINE_ITEMS_MAX};

#[derive(Serialize)]
pub(crate) struct List {
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    id: u64,
    site: String,
    log_position: String,
    event_id: String,
    cause: String,
    time: String,
}

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<List>, Failure> {
    let mut params = Params::of(&uri)?;
    let limit = params
        .number("limit", SIDELINE_ITEMS_MAX as u64)?
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(SIDELINE_ITEMS_DEFAULT);
    params.finish()?;
    let store = Arc::clone(&api.store);
    let found = tokio::task::spawn_blocking(move || store.unreadable(limit))
        .await
        .map_err(|_| Failure::internal("the query failed"))?
        .map_err(|error| Failure::internal(&error.to_string()))?;
    let items = found
        .into_iter()
        .map(|(id, what)| Item {
            id,
            site: what.site,
            log_position: what.log_position,
            event_id: what.event_id,
            cause: what.cause,
            time: rfc3339(what.at_ms),
        })
        .collect();
    Ok(Json(List { items }))
}
