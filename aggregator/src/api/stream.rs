//! `/api/v1/stream`: server-sent events with every row that changes or goes. A client that lags behind is told to ask for
//! everything again (`resync`) instead of being sent half of it, and so is one that comes back too late; how many listen
//! is bounded.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use tokio::sync::watch;
use wardline_api::Change;

use super::failure::Failure;
use super::params::Params;
use super::{Api, Context};
use crate::limits::{STREAM_CLIENTS_MAX, STREAM_HEARTBEAT_MS};
use crate::views::ring::{Next, RowEvent, Told};

/// One client, counted as long as it is there.
struct Client {
    api: Arc<Api>,
    /// The last event that it heard; nothing when it has to ask for everything first.
    at: Option<u64>,
    told: watch::Receiver<u64>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.api
            .shared
            .api
            .stream_clients
            .fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) async fn get(
    State(api): Context,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    Params::of(&uri)?.finish()?;
    let clients = &api.shared.api.stream_clients;
    let before = clients.fetch_add(1, Ordering::SeqCst);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let client = Client {
        at: last.and_then(|id| api.shared.changes.place(id)),
        told: api.shared.changes.watch(),
        api: Arc::clone(&api),
    };
    if before >= STREAM_CLIENTS_MAX as u64 {
        return Err(Failure::busy("listen to the stream"));
    }
    let events = futures_util::stream::unfold(client, next);
    let heartbeat = KeepAlive::new().interval(Duration::from_millis(STREAM_HEARTBEAT_MS));
    Ok(Sse::new(events).keep_alive(heartbeat))
}

async fn next(mut client: Client) -> Option<(Result<Event, Infallible>, Client)> {
    let stop = client.api.stop.clone();
    loop {
        // Seen before looking: what is told meanwhile ends the wait below.
        let end = *client.told.borrow_and_update();
        let ring = &client.api.shared.changes;
        let (at, event) = match client.at.map(|at| (at, ring.after(at))) {
            Some((at, Next::Event(told))) => (at + 1, event(&told)),
            Some((_, Next::Missed(end))) => (end, resync(&client.api)),
            // Whoever asks for everything after this has missed nothing.
            None => (end, resync(&client.api)),
            Some((_, Next::Nothing)) => {
                tokio::select! {
                    told = client.told.changed() => told.ok()?,
                    () = stop.stopped() => return None,
                }
                continue;
            }
        };
        client.at = Some(at);
        let event = event.id(client.api.shared.changes.id(at));
        return Some((Ok(event), client));
    }
}

fn resync(api: &Api) -> Event {
    let version = api.shared.fold().version;
    let data = serde_json::json!({ "version": version });
    Event::default().event("resync").data(data.to_string())
}

fn event(told: &Told) -> Event {
    let name = match &told.what {
        RowEvent::Row(change) => match **change {
            Change::Department(_) => "department",
            Change::Bed(_) => "bed",
            Change::Device(_) => "device",
        },
        RowEvent::Gone(_) => "removed",
    };
    let json = serde_json::to_string(told).unwrap_or_default();
    Event::default().event(name).data(json)
}
