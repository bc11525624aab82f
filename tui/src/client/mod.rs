//! The way to the API: questions with a time limit, and the stream of changes. Reads only; there is no write in it.
//!
//! Two threads, each bounded in time and memory: one asks again and again and so notices that the API is gone, one
//! follows the stream and pokes the other when the stream was broken. `Watch` stops both, in the middle of a read.

mod ask;
mod poll;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub(crate) use ask::Asker;
use wardline_service::Backoff;

use crate::error::TuiError;
use crate::limits::{BACKOFF_MS_MAX, BACKOFF_MS_MIN};
use crate::model::{MonoMs, RowName, Update};

/// Where the sender of feeds goes; `false` when nobody listens any more.
pub(crate) type Sink = Arc<dyn Fn(Update) -> bool + Send + Sync>;

/// The clock of the model: milliseconds since it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since(Instant);

impl Since {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> MonoMs {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The address as it is asked: `http://host:port`. A path at the end belongs to somebody else.
pub(crate) fn base_url(given: &str) -> Result<String, TuiError> {
    let wrong = |why| TuiError::Address {
        given: crate::text::fit(given, 200),
        why,
    };
    let address = given.trim();
    let rest = match address.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => {
            return Err(wrong(
                "the dashboard speaks plain HTTP; put it beside the aggregator or use a tunnel",
            ));
        }
        Some(_) => return Err(wrong("only http is spoken")),
        None => address,
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        return Err(wrong("it names no host"));
    }
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("it contains a blank"));
    }
    if rest.contains('/') {
        return Err(wrong(
            "it ends in a path, and the paths are the dashboard's own",
        ));
    }
    Ok(format!("http://{rest}"))
}

/// Asks and follows until it is dropped.
pub(crate) struct Watch {
    stopping: Arc<AtomicBool>,
    asker: Asker,
    wake: SyncSender<()>,
    explain: Explain,
}

/// The bed whose explanation is wanted.
type Explain = Arc<Mutex<Option<RowName>>>;

impl Watch {
    pub(crate) fn start(base: &str, since: Since, sink: Sink) -> Result<Self, TuiError> {
        let stopping = Arc::new(AtomicBool::new(false));
        let asker = Asker::new(base);
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let explain = Explain::default();
        let poll = poll::Poll {
            explain: explain.clone(),
            asker: asker.clone(),
            since,
            sink: sink.clone(),
            stopping: stopping.clone(),
        };
        spawn("the questions", move || poll.run(&woken))?;
        let follow = stream::Follow {
            asker: asker.clone(),
            sink,
            wake: wake.clone(),
            stopping: stopping.clone(),
        };
        spawn("the stream", move || follow.run())?;
        Ok(Watch {
            stopping,
            asker,
            wake,
            explain,
        })
    }

    /// From now on this bed's explanation comes with each round, and with one at once.
    pub(crate) fn explain(&self, bed: Option<RowName>) {
        let asked = bed.is_some();
        *self.explain.lock().unwrap_or_else(PoisonError::into_inner) = bed;
        if asked {
            // A poke that waits already does as well.
            self.wake.try_send(()).ok();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // A poke that is already waiting does as well, and a thread that is gone needs none.
        self.wake.try_send(()).ok();
        self.asker.clone().shutdown();
    }
}

fn spawn(what: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), TuiError> {
    let builder = std::thread::Builder::new().name(what.to_owned());
    builder
        .spawn(work)
        .map(drop)
        .map_err(|why| TuiError::Thread { what, why })
}

/// Between attempts to reach an API that does not answer.
fn backoff() -> Backoff {
    Backoff::of_ms(BACKOFF_MS_MIN, BACKOFF_MS_MAX)
}

#[cfg(test)]
#[path = "../tests/client.rs"]
mod tests;
