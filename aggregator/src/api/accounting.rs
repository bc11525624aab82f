//! `/api/v1/accounting`: the conservation law of every stage.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use wardline_api::Accounting;

use super::Context;
use super::failure::Failure;
use super::params::Params;
use crate::accounting::accounting;

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Accounting>, Failure> {
    Params::of(&uri)?.finish()?;
    let shared = &api.shared;
    let books = shared.books().clone();
    let board = shared.board().clone();
    Ok(Json(accounting(
        &board,
        &books,
        &shared.progress,
        &api.sites,
        shared.now_ms(),
    )))
}
