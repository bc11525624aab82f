//! From disk to the site, as often as it takes: connect, send what is held, free only on receipts, begin again.
//!
//! docs/specs/agent-store.md has the numbered rules (S10..). The store is the only truth: every connection is a new client
//! with a clean session over a new stream, and a session keeps nothing that the next one needs.

mod link;
mod session;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wardline_model::limits::CONTROL_BYTES_MAX;
use wardline_model::{AgentName, Lane, SiteName, topic};
use wardline_mqtt::client::{Login, MqttClient, Will};
use wardline_mqtt::{Dialer, TcpDialer};
use wardline_service::{Backoff, MqttUrl, Stop};

use crate::buffer::window::WindowLimits;
use crate::limits::{
    BACKOFF_MAX_MS, BACKOFF_MIN_MS, UPLINK_CONNECT_TIMEOUT_MS, UPLINK_KEEP_ALIVE_S,
};
use crate::status::StatusSource;
use crate::store::Store;
use link::LinkError;
use session::{End, Session};

pub struct Uplink {
    pub store: Store,
    pub status: Arc<StatusSource>,
    pub site: SiteName,
    pub agent: AgentName,
    pub url: MqttUrl,
    pub window: WindowLimits,
    dialer: Arc<dyn Dialer>,
    live_topic: String,
    backlog_topic: String,
    receipt_topic: String,
}

impl Uplink {
    pub fn new(
        store: Store,
        status: Arc<StatusSource>,
        site: SiteName,
        agent: AgentName,
        url: MqttUrl,
        window: WindowLimits,
    ) -> Self {
        let dialer = TcpDialer {
            host: url.host.clone(),
            port: url.port,
        };
        Self {
            dialer: Arc::new(dialer),
            live_topic: topic::up(&site, &agent, Lane::Live),
            backlog_topic: topic::up(&site, &agent, Lane::Backlog),
            receipt_topic: topic::receipt(&site, &agent),
            store,
            status,
            site,
            agent,
            url,
            window,
        }
    }

    /// Reaches the site in another way than over TCP.
    #[must_use]
    pub fn over(mut self, dialer: Arc<dyn Dialer>) -> Self {
        self.dialer = dialer;
        self
    }

    /// Runs until stopped; never ends by itself.
    pub async fn run(self, stop: Stop) {
        let mut backoff = Backoff::of_ms(BACKOFF_MIN_MS, BACKOFF_MAX_MS);
        loop {
            let end = tokio::select! {
                biased;
                () = stop.stopped() => return,
                link = self.connect() => match link {
                    Ok(client) => {
                        self.status.online.store(true, Ordering::Relaxed);
                        let ended = Session::new(&self, client).run(&stop).await;
                        self.status.online.store(false, Ordering::Relaxed);
                        if ended.freed {
                            // Only a receipt shows that the far end works: a broker takes connections for nobody.
                            backoff.progress();
                        }
                        ended.why
                    }
                    Err(error) => End::Link(error),
                },
            };
            if matches!(end, End::Stopped) {
                return;
            }
            tracing::warn!(peer = %self.url, why = %end, "uplink down: events stay on disk, and it is tried again");
            if backoff.wait(&stop).await.is_err() {
                return;
            }
        }
    }

    async fn connect(&self) -> Result<MqttClient, LinkError> {
        let login = Login {
            client_id: format!("{}.{}", self.site, self.agent),
            credentials: self.url.credentials.clone(),
            keep_alive: Duration::from_secs(UPLINK_KEEP_ALIVE_S),
            will: Some(Will {
                topic: topic::status(&self.site, &self.agent),
                payload: serde_json::to_vec(&self.status.now(false)).unwrap_or_default(),
                retain: true,
            }),
            packet_bytes_max: CONTROL_BYTES_MAX + 4096,
        };
        let limit = Duration::from_millis(self.window.timeout_ms.min(UPLINK_CONNECT_TIMEOUT_MS));
        link::open(self.dialer.as_ref(), &login, &self.receipt_topic, limit).await
    }
}
