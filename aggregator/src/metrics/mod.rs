//! `/metrics` in Prometheus' text form: every stage's counts, what is unaccounted, lag, beds. Names begin with
//! `wardline_` and carry their unit; labels are sites, departments, stages and topics, never people.

mod rows;
mod text;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use wardline_api::{Accounting, DepartmentRow, Sources};

use crate::accounting::accounting;
use crate::api::Api;
use crate::coverage::Listening;
use crate::ledger::{Counters, View};
use crate::shared::Books;
use crate::sources::sources;
use text::Text;

/// Everything that one scrape shows.
struct Snapshot {
    departments: Vec<DepartmentRow>,
    counters: Counters,
    devices: usize,
    silent: usize,
    accounting: Accounting,
    sources: Sources,
    books: Books,
}

pub(crate) async fn get(State(api): State<Arc<Api>>) -> Response {
    let snapshot = {
        let api = Arc::clone(&api);
        tokio::task::spawn_blocking(move || snapshot(&api)).await
    };
    let Ok(snapshot) = snapshot else {
        return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut text = Text::default();
    rows::departments(&mut text, &snapshot.departments);
    rows::stages(&mut text, &snapshot.accounting);
    rows::ledger(&mut text, &snapshot);
    rows::logs(&mut text, &api.shared, &snapshot.books);
    rows::agents(&mut text, &snapshot.sources, &snapshot.books);
    rows::clients(&mut text, &api.shared);
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, text.out).into_response()
}

fn snapshot(api: &Api) -> Snapshot {
    let shared = &api.shared;
    let folded = shared.folded();
    let now_ms = shared.now_ms();
    let devices = folded.ledger.devices(now_ms);
    let departments = shared.departments(&folded, View::at(now_ms), true);
    let books = shared.books().clone();
    let board = shared.board().clone();
    let listening = Listening {
        board: &board,
        heard: &folded.heard,
        now_ms,
        silent_after_ms: shared.agent_silent_ms,
    };
    Snapshot {
        departments,
        counters: folded.ledger.counters(),
        devices: devices.len(),
        silent: devices.iter().filter(|d| d.silent).count(),
        accounting: accounting(&board, &books, &shared.progress, &api.sites, now_ms),
        sources: sources(&listening, &books, &shared.progress, &api.sites),
        books,
    }
}
