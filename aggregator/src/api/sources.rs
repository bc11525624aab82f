//! `/api/v1/sources`: agents and bridges, who is connected, what waits, what is wrong.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use wardline_api::Sources;

use super::Context;
use super::failure::Failure;
use super::params::Params;
use crate::coverage::Listening;
use crate::sources;

pub(crate) async fn get(State(api): Context, uri: Uri) -> Result<Json<Sources>, Failure> {
    Params::of(&uri)?.finish()?;
    let found = api
        .read(|api, folded| {
            let books = api.shared.books().clone();
            let board = api.shared.board().clone();
            let listening = Listening {
                board: &board,
                heard: &folded.heard,
                now_ms: api.shared.now_ms(),
                silent_after_ms: api.shared.agent_silent_ms,
            };
            sources::sources(&listening, &books, &api.shared.progress, &api.sites)
        })
        .await?;
    Ok(Json(found))
}
