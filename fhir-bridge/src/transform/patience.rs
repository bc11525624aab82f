//! Trying again for as long as that can help, and not a moment longer than the program runs.

use std::time::Duration;

use wardline_log::LogError;
use wardline_service::Stop;

use crate::limits::{TRANSFORM_RETRY_MAX_MS, TRANSFORM_RETRY_MIN_MS};

/// Why a call to the log gave nothing.
pub(super) enum Broken {
    Stopped,
    Failed(LogError),
}

impl From<LogError> for Broken {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

/// Calls again, with growing pauses, while the error is one that passes.
pub(super) async fn patiently<T, F>(
    stop: &Stop,
    show: impl Fn(&str),
    mut call: impl FnMut() -> F,
) -> Result<T, Broken>
where
    F: Future<Output = Result<T, LogError>>,
{
    let mut pause_ms = TRANSFORM_RETRY_MIN_MS;
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error) if error.retriable() => {
                tracing::warn!(%error, "trying again");
                show(&error.to_string());
                pause(stop, pause_ms).await?;
                pause_ms = (pause_ms * 2).min(TRANSFORM_RETRY_MAX_MS);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) async fn pause(stop: &Stop, ms: u64) -> Result<(), Broken> {
    tokio::select! {
        () = stop.stopped() => Err(Broken::Stopped),
        () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
    }
}
