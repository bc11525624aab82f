//! `/healthz`: the process answers. `/readyz`: the listener is up and the state has caught up with what the logs held when
//! the aggregator started.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use super::failure::Failure;

pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "alive": true }))
}

pub(crate) async fn ready(State(api): Context) -> Result<Json<Value>, Failure> {
    let waiting: u64 = api
        .shared
        .books()
        .inputs
        .values()
        .map(crate::shared::InputProgress::lag)
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
