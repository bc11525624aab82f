//! Every answer that is not what was asked for: `{"error":{"code","message","hint"}}`, with a code that stays.
//!
//! A code is for programs and never changes, a message says what is wrong, a hint what to do. What went wrong inside is said
//! in the aggregator's log, not to whoever asked.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wardline_api::{ApiError, ErrorBody};
use wardline_log::LogError;

#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    error: ApiError,
}

impl Failure {
    pub(crate) fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            error: ApiError {
                code: code.to_owned(),
                message: message.into(),
                hint: hint.into(),
                history_from: None,
            },
        }
    }

    pub(crate) fn wrong(name: &str, why: &str, allowed: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "wrong_parameter",
            format!("parameter `{name}` {why}"),
            format!("allowed: {allowed}"),
        )
    }

    pub(crate) fn missing(what: &str, name: &str, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            &format!("unknown_{what}"),
            format!("there is no {what} `{}`", shortened(name)),
            hint,
        )
    }

    /// Several sites have it, and none was asked for.
    pub(crate) fn ambiguous<'a>(
        what: &str,
        name: &str,
        sites: impl Iterator<Item = &'a str>,
    ) -> Self {
        let sites: Vec<&str> = sites.collect();
        Self::new(
            StatusCode::CONFLICT,
            "which_site",
            format!("several sites have a {what} `{}`", shortened(name)),
            format!("add ?site= with one of: {}", sites.join(", ")),
        )
    }

    /// A moment before what is kept: an answer would look like an empty hospital.
    pub(crate) fn gone(history_from: String) -> Self {
        let mut failure = Self::new(
            StatusCode::GONE,
            "gone",
            format!("what happened before {history_from} is not kept any more"),
            "ask for a later moment, or set aggregator.history higher from now on",
        );
        failure.error.history_from = Some(history_from);
        failure
    }

    pub(crate) fn busy(what: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_clients",
            format!("too many clients {what}"),
            "close one, or try again later",
        )
    }

    pub(crate) fn loading() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "loading",
            "what was known at the last commit is not loaded yet",
            "ask again in a second",
        )
    }

    pub(crate) fn internal(what: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            what.to_owned(),
            "the log of the aggregator says more",
        )
    }

    pub(crate) fn timeout() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "the answer took too long",
            "try again, or ask for less",
        )
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let text = error.to_string();
        match error {
            LogError::UnknownTopic { topic } => {
                Self::missing("topic", &topic, "`wardline log topics` lists them")
            }
            LogError::OffsetOutOfRange { .. } => Self::new(
                StatusCode::BAD_REQUEST,
                "offset_out_of_range",
                text,
                "ask within the range, or leave `from` out",
            ),
            LogError::UnknownPartition { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "unknown_partition",
                text,
                "partitions count from 0",
            ),
            other if other.retriable() => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "log_unavailable",
                text,
                "try again later",
            ),
            _ => {
                tracing::error!(%error, "the log failed a query");
                Self::internal("the log failed")
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: self.error })).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let again = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, again);
        }
        response
    }
}
