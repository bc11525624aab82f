//! `/api/v1/stream`: server-sent events with every row that changes. A client that lags behind is told to ask for
//! everything again (`resync`) instead of being sent half of it; how many listen is bounded.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use wardline_api::Change;

use super::failure::Failure;
use super::params::Params;
use super::{Api, Context};
use crate::limits::{STREAM_CLIENTS_MAX, STREAM_HEARTBEAT_MS};

/// One client, counted as long as it is there.
struct Client {
    api: Arc<Api>,
    changes: Receiver<Change>,
    greeted: bool,
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
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    Params::of(&uri)?.finish()?;
    let clients = &api.shared.api.stream_clients;
    let before = clients.fetch_add(1, Ordering::SeqCst);
    let client = Client {
        changes: api.shared.changes.subscribe(),
        api: Arc::clone(&api),
        greeted: false,
    };
    if before >= STREAM_CLIENTS_MAX as u64 {
        return Err(Failure::busy("listen to the stream"));
    }
    let events = futures_util::stream::unfold(client, next);
    let heartbeat = KeepAlive::new().interval(Duration::from_millis(STREAM_HEARTBEAT_MS));
    Ok(Sse::new(events).keep_alive(heartbeat))
}

async fn next(mut client: Client) -> Option<(Result<Event, Infallible>, Client)> {
    if !client.greeted {
        // Whoever asks for everything after this has missed nothing.
        client.greeted = true;
        return Some((Ok(resync()), client));
    }
    let stop = client.api.stop.clone();
    let message = tokio::select! {
        message = message(&mut client.changes) => message,
        () = stop.stopped() => None,
    };
    let event = match message? {
        Message::Change(change) => event(&change),
        Message::Resync => resync(),
    };
    Some((Ok(event), client))
}

/// What a client is told next.
#[derive(Debug, PartialEq)]
enum Message {
    Change(Box<Change>),
    /// It missed some: it has to ask for everything.
    Resync,
}

async fn message(changes: &mut Receiver<Change>) -> Option<Message> {
    match changes.recv().await {
        Ok(change) => Some(Message::Change(Box::new(change))),
        Err(RecvError::Lagged(_)) => Some(Message::Resync),
        Err(RecvError::Closed) => None,
    }
}

fn resync() -> Event {
    Event::default().event("resync").data("{}")
}

fn event(change: &Change) -> Event {
    let name = match change {
        Change::Department(_) => "department",
        Change::Bed(_) => "bed",
        Change::Device(_) => "device",
    };
    let json = serde_json::to_string(change).unwrap_or_default();
    Event::default().event(name).data(json)
}

#[cfg(test)]
mod tests {
    use wardline_api::DepartmentRow;

    use super::*;

    #[tokio::test]
    async fn p7_a_client_that_lags_is_told_to_ask_again_and_goes_on_from_there() {
        let (sender, mut receiver) = tokio::sync::broadcast::channel(2);
        let change = |name: &str| {
            Change::Department(DepartmentRow {
                department: name.to_owned(),
                ..DepartmentRow::default()
            })
        };
        for name in ["A", "B", "C"] {
            sender.send(change(name)).unwrap();
        }
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(message(&mut receiver).await.unwrap());
        }
        let rest = ["B", "C"].map(|name| Message::Change(Box::new(change(name))));
        assert_eq!(told[0], Message::Resync);
        assert_eq!(told[1..], rest);
        drop(sender);
        assert_eq!(message(&mut receiver).await, None);
    }
}
