//! The gateway of a department: publishes its devices' readings, a bounded number at a time.
//!
//! What was not acked when a connection broke is kept here, in order, and goes first over the next one.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use tokio::sync::mpsc;
use wardline_service::Backoff;

use super::{Tally, add, backoff};
use crate::{
    client::{MqttClient, Token},
    error::Error,
    limits::WINDOW_MESSAGES,
};

pub(super) struct Reading {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

pub(super) async fn run(
    address: SocketAddr,
    client_id: String,
    mut queue: mpsc::Receiver<Reading>,
    tally: Arc<Tally>,
) {
    let mut unacked = VecDeque::new();
    let mut backoff = backoff();
    loop {
        match MqttClient::connect(address, &client_id).await {
            Ok(client) => {
                let mut session = Session {
                    client,
                    flying: BTreeMap::new(),
                    tally: &tally,
                };
                match session.serve(&mut queue, &mut unacked, &mut backoff).await {
                    Ok(()) => return session.client.disconnect().await,
                    Err(error) => {
                        tracing::info!(%error, "demo: gateway connection lost, unacked readings go again");
                    }
                }
                // What flew is older than what was still to be sent again.
                let mut older: VecDeque<Reading> = session.flying.into_values().collect();
                older.append(&mut unacked);
                unacked = older;
            }
            Err(error) => tracing::debug!(%error, "demo: no gateway connection yet"),
        }
        if queue.is_closed() && queue.is_empty() && unacked.is_empty() {
            return;
        }
        tokio::time::sleep(backoff.draw()).await;
    }
}

/// One connection; tokens rise, so the map keeps the order of publishing.
struct Session<'a> {
    client: MqttClient,
    flying: BTreeMap<Token, Reading>,
    tally: &'a Tally,
}

impl Session<'_> {
    /// Until the queue is closed and everything is acked, or the connection breaks.
    async fn serve(
        &mut self,
        queue: &mut mpsc::Receiver<Reading>,
        unacked: &mut VecDeque<Reading>,
        backoff: &mut Backoff,
    ) -> Result<(), Error> {
        while let Some(reading) = unacked.pop_front() {
            if let Err((reading, error)) = self.publish(reading) {
                unacked.push_front(reading);
                return Err(error);
            }
            add(&self.tally.resent, 1);
        }
        let mut open = true;
        while open || !self.flying.is_empty() {
            let room = self.flying.len() < WINDOW_MESSAGES;
            tokio::select! {
                acked = self.client.next_ack() => {
                    if self.flying.remove(&acked?).is_some() {
                        add(&self.tally.acked, 1);
                    }
                    self.client.take_acked();
                    backoff.progress();
                }
                reading = queue.recv(), if open && room => match reading {
                    Some(reading) => {
                        add(&self.tally.sent, 1);
                        self.publish(reading).map_err(|(reading, error)| {
                            unacked.push_back(reading);
                            error
                        })?;
                    }
                    None => open = false,
                },
            }
        }
        Ok(())
    }

    fn publish(&mut self, reading: Reading) -> Result<(), (Reading, Error)> {
        match self.client.publish(&reading.topic, &reading.payload) {
            Ok(token) => {
                self.flying.insert(token, reading);
                Ok(())
            }
            Err(error) => Err((reading, error)),
        }
    }
}
