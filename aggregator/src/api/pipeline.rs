//! How the pipeline is: sources, why events are not in the views, the accounting of every stage, what could not be read,
//! metrics, alive and ready.
//!
//! The same rows make the answers and the metrics, so that they never disagree.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};
use wardline_api::{About, Accounting, Reasons, Sources};
use wardline_model::time::rfc3339;

use super::Context;
use super::failure::Failure;
use super::params::Params;
use crate::health::accounting;
use crate::health::feeds::reason_rows;
use crate::limits::{SIDELINE_ITEMS_DEFAULT, SIDELINE_ITEMS_MAX};
use crate::metrics;

/// `/api/v1/sources`: agents and bridges, who is connected, what waits, what is wrong.
pub(crate) async fn sources(State(api): Context, uri: Uri) -> Result<Json<Sources>, Failure> {
    Params::of(&uri)?.finish()?;
    let found = api
        .read(|api, folded| api.shared.sources(folded, &api.sites))
        .await?;
    Ok(Json(found))
}

/// `/api/v1/reasons[?fate=]`: why events are not in the views, what came last first.
pub(crate) async fn reasons(State(api): Context, uri: Uri) -> Result<Json<Reasons>, Failure> {
    let mut params = Params::of(&uri)?;
    let fate = params.text("fate");
    params.finish()?;
    let known = ["sidelined", "filtered"];
    if fate.as_deref().is_some_and(|fate| !known.contains(&fate)) {
        return Err(Failure::wrong("fate", "is no fate", &known.join(", ")));
    }
    let statuses = api.shared.statuses().clone();
    let mut reasons = reason_rows(&statuses);
    reasons.retain(|row| fate.as_deref().is_none_or(|fate| row.fate == fate));
    let as_of = rfc3339(api.shared.now_ms());
    Ok(Json(Reasons { as_of, reasons }))
}

/// `/api/v1/accounting`: the conservation law of every stage.
pub(crate) async fn accounting(State(api): Context, uri: Uri) -> Result<Json<Accounting>, Failure> {
    Params::of(&uri)?.finish()?;
    let shared = &api.shared;
    let fold = shared.fold().clone();
    let statuses = shared.statuses().clone();
    Ok(Json(accounting::accounting(
        &statuses,
        &fold,
        &shared.progress,
        &api.sites,
        shared.now_ms(),
    )))
}

#[derive(Serialize)]
pub(crate) struct Unreadable {
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

/// `/api/v1/unreadable`: records of the `fhir.*` topics that the fold could not read, newest first. They are counted as
/// sidelined at the stage `ledger`; what a site could not map stands under `/api/v1/sideline`.
pub(crate) async fn unreadable(State(api): Context, uri: Uri) -> Result<Json<Unreadable>, Failure> {
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
    Ok(Json(Unreadable { items }))
}

/// `/api/v1/about`: which program this is, where its parts listen, and what a person must know.
pub(crate) async fn about(State(api): Context, uri: Uri) -> Result<Json<About>, Failure> {
    Params::of(&uri)?.finish()?;
    Ok(Json(About {
        name: "wardline".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        site: api.site.as_ref().map(ToString::to_string),
        timezone: api.timezone.clone(),
        up_s: api.shared.up_s(),
        addresses: api.addresses.clone(),
        warnings: api.warnings.clone(),
    }))
}

/// `/metrics`: the same for Prometheus.
pub(crate) async fn scrape(State(api): Context) -> Result<impl IntoResponse, Failure> {
    let text = tokio::task::spawn_blocking(move || metrics::scrape(&api.shared, &api.sites)).await;
    let text = text.map_err(|_| Failure::internal("the query failed"))?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text))
}

/// `/healthz`: the process answers.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// `/readyz`: the listener is up and the state has caught up with what the logs held when the aggregator started.
pub(crate) async fn ready(State(api): Context) -> Result<Json<Value>, Failure> {
    let waiting: u64 = api
        .shared
        .fold()
        .inputs
        .values()
        .map(crate::health::fold::InputProgress::lag)
        .sum();
    if api.shared.is_ready() {
        return Ok(Json(json!({ "ready": true, "waiting_records": waiting })));
    }
    Err(Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        format!("still reading what the logs held at the start; {waiting} records wait"),
        "ask again shortly; answers until then are of an earlier state",
    ))
}
