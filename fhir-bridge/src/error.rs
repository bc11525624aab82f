//! What can go wrong in the bridge, said so that the reader knows whose fault it is and what to do.
//!
//! Nothing here is about one bad frame: those are sidelined or refused, counted, and the work goes on.

use wardline_log::LogError;

#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The log said no; `LogError::retriable` tells whether waiting helps.
    #[error("bridge: {doing}: {source}")]
    Log {
        doing: &'static str,
        #[source]
        source: LogError,
    },
    /// The operator's fault: address in use, or limits that cannot work.
    #[error("bridge: agents cannot be listened to: {0}")]
    Listener(#[from] wardline_mqtt::Error),
    /// The operator's fault: an older program met state of a newer one.
    #[error(
        "bridge: the watermarks in topic `bridge.state` have version {found}, this program knows {known}; run the newer version"
    )]
    NewerState { found: u32, known: u32 },
    /// A task of the bridge ended by a panic; the rest cannot go on without it.
    #[error("bridge: the task `{0}` ended unexpectedly; restart the bridge and report this")]
    Task(&'static str),
}

impl BridgeError {
    pub(crate) fn log(doing: &'static str) -> impl FnOnce(LogError) -> Self {
        move |source| Self::Log { doing, source }
    }

    /// Whether the same can succeed later without anyone changing anything.
    pub fn retriable(&self) -> bool {
        match self {
            Self::Log { source, .. } => source.retriable(),
            Self::Listener(_) | Self::NewerState { .. } | Self::Task(_) => false,
        }
    }
}
