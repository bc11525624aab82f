//! Trying again for as long as that can help, and not a moment longer than the program runs.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;
use wardline_log::LogError;
use wardline_service::backoff::Stopped;
use wardline_service::{Backoff, Stop};

use crate::limits::{LOG_SILENT_MS, TRANSFORM_RETRY_MAX_MS, TRANSFORM_RETRY_MIN_MS};

/// Why a call to the log gave nothing.
pub(super) enum Broken {
    Stopped,
    Failed(LogError),
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<LogError> for Broken {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

/// Calls again, after growing waits, while the error is one that passes. A call that gives no answer goes on, because
/// the log keeps trying, but not in silence.
pub(super) async fn patiently<T, F>(
    stop: &Stop,
    show: impl Fn(&str),
    mut call: impl FnMut() -> F,
) -> Result<T, Broken>
where
    F: Future<Output = Result<T, LogError>>,
{
    let mut backoff = Backoff::of_ms(TRANSFORM_RETRY_MIN_MS, TRANSFORM_RETRY_MAX_MS);
    loop {
        match answer(&show, call()).await {
            Ok(value) => return Ok(value),
            Err(error) if error.retriable() => {
                tracing::warn!(%error, "trying again");
                show(&error.to_string());
                backoff.wait(stop).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn answer<T>(show: impl Fn(&str), call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let silent = Duration::from_millis(LOG_SILENT_MS);
    match timeout(silent, &mut call).await {
        Ok(answer) => answer,
        Err(_) => {
            tracing::warn!("the log does not answer; waiting for it");
            show("the log does not answer");
            call.await
        }
    }
}
