//! The query API: HTTP/1 on one listener, JSON answers, doors by what is asked. docs/specs/query-api.md has every endpoint.
//!
//! What it keeps true: an answer is from one moment (`as_of`); a wrong question is answered with what is wrong; nothing a
//! client does takes unbounded memory or keeps the fold waiting longer than one reading of the ledger.

mod failure;
mod log;
mod params;
mod pipeline;
mod server;
mod sideline;
mod stream;
mod topics;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use wardline_log::SharedLog;
use wardline_model::SiteName;
use wardline_service::Stop;

use crate::Source;
use crate::engine::shared::{Folded, Shared};
use crate::health::SiteInfo;
use crate::limits::{ANSWER_TIMEOUT_MS, BODY_BYTES_MAX};
use crate::store::Store;
use failure::Failure;
pub use log::line as log_line;
use params::Params;
pub(crate) use server::serve;

/// What every handler can reach.
pub(crate) struct Api {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<Store>,
    pub(crate) centre: SharedLog,
    pub(crate) sources: Vec<Source>,
    pub(crate) sites: Vec<SiteInfo>,
    pub(crate) site: Option<SiteName>,
    pub(crate) timezone: Option<String>,
    pub(crate) addresses: BTreeMap<String, String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) stop: Stop,
}

type Context = State<Arc<Api>>;

impl Api {
    /// The site that was asked for, if one was; one that nobody configured is an error, not an empty list.
    fn site(&self, params: &mut Params) -> Result<Option<String>, Failure> {
        let Some(asked) = params.text("site") else {
            return Ok(None);
        };
        let mut known = self.sites.iter().map(|info| info.site.as_str());
        if known.any(|site| site == asked) {
            return Ok(Some(asked));
        }
        let names: Vec<&str> = self.sites.iter().map(|info| info.site.as_str()).collect();
        let hint = format!("known are: {}", names.join(", "));
        Err(Failure::missing("site", &asked, hint))
    }

    /// Reads the ledger off the runtime's threads: the fold may hold it for a moment.
    async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &Folded) -> T + Send + 'static,
    {
        if !self.shared.is_loaded() {
            return Err(Failure::loading());
        }
        let api = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let folded = api.shared.folded();
            work(&api, &folded)
        })
        .await
        .map_err(|_| Failure::internal("the query failed"))
    }
}

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api/v1/departments", get(views::departments))
        .route("/api/v1/beds", get(views::beds))
        .route("/api/v1/devices", get(views::devices))
        .route("/api/v1/sources", get(pipeline::sources))
        .route("/api/v1/reasons", get(pipeline::reasons))
        .route("/api/v1/accounting", get(pipeline::accounting))
        .route("/api/v1/explain/bed/{bed}", get(views::explain))
        .route("/api/v1/sideline", get(sideline::get))
        .route("/api/v1/sideline/{id}/replay", post(sideline::replay))
        .route("/api/v1/unreadable", get(pipeline::unreadable))
        .route("/api/v1/log", get(topics::get))
        .route("/api/v1/log/{topic}", get(log::get))
        .route("/api/v1/stream", get(stream::get))
        .route("/api/v1/about", get(pipeline::about))
        .route("/metrics", get(pipeline::scrape))
        .route("/healthz", get(pipeline::alive))
        .route("/readyz", get(pipeline::ready))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&api), bounds))
        .with_state(api)
}

async fn unknown_path(request: Request) -> Failure {
    Failure::missing(
        "path",
        request.uri().path(),
        "docs/specs/query-api.md lists them",
    )
}

async fn wrong_method(request: Request) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        format!("{} is not answered here", request.method()),
        "GET, or POST for a replay",
    )
}

/// What holds for every request: counted, no large body, an answer in time, nothing kept by caches.
async fn bounds(State(api): Context, request: Request, next: Next) -> Response {
    api.shared.api.requests.fetch_add(1, Ordering::Relaxed);
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok())
        .unwrap_or(0);
    if length > BODY_BYTES_MAX {
        return Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("a body of {length} bytes is not read"),
            "send none",
        )
        .into_response();
    }
    let answer = tokio::time::timeout(Duration::from_millis(ANSWER_TIMEOUT_MS), next.run(request));
    let mut response = match answer.await {
        Ok(response) => response,
        Err(_) => Failure::timeout().into_response(),
    };
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}
